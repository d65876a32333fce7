"""Reports as one HTML file with everything inside."""

from __future__ import annotations

import base64
import importlib.metadata
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from lstmith.compiler.files import whole_file
from lstmith.compiler.marks import REPORT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Section:
    """A heading with a text, a figure or a table.

    Parameters
    ----------
    heading : str
    text : str
    columns : list of str
    rows : list of list
        Cells of the table, shown as ``str`` shows them.
    figure : str
        Image as a data URI, see :func:`embedded`.
    """

    heading: str
    text: str = ""
    columns: list[str] = field(default_factory=list)
    rows: list[list[object]] = field(default_factory=list)
    figure: str = ""


def embedded(figure: Figure) -> str:
    """A figure as a data URI with a PNG."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()


def save_report(path: Path, title: str, summary: str, sections: list[Section]) -> None:
    """Write a report; it appears whole.

    Raises
    ------
    UserError
        If the path cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        title=title, summary=summary, sections=sections, mark=REPORT.mark, version=importlib.metadata.version("lstmith")
    )
    with whole_file(path) as draft:
        draft.write_text(page, encoding="utf-8")
