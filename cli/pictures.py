"""Figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lstmith.compiler.files import whole_file
from lstmith.compiler.marks import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_picture(path: Path, figure: Figure, kind: Kind) -> None:
    """Write a figure as PNG with its mark; it appears whole."""
    with whole_file(path) as draft:
        figure.savefig(draft, format="png", dpi=120, metadata={"Software": kind.mark})
