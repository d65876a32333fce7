"""A folder with one file mutated, and whether what a command made of it is whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lstmith.compiler.design import Design
from lstmith.compiler.design_files import MARKER, checksums
from lstmith.scripts.fuzz.files import Kind


def place(kind: Kind, contents: Mapping[str, bytes], rng: np.random.Generator, folder: Path) -> None:
    """Writes all files, one of them mutated.

    Parameters
    ----------
    kind : Kind
        Which one, and how.
    contents : mapping of str to bytes
        Files that are right, by name.
    rng : Generator
    folder : Path
    """
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_mutant(kind, content, rng) if name == kind.file else content)
    if kind.signed:
        _sign(folder / "design")


def _mutant(kind: Kind, content: bytes, rng: np.random.Generator) -> bytes:
    """Another content; some mutations may change nothing."""
    made = content
    while made == content and kind.mutations:
        made = kind.mutations[rng.integers(len(kind.mutations))](rng, content)
    return made


def protected(kind: Kind, contents: Mapping[str, bytes], folder: Path) -> bool:
    """Whether the mutated file says something else under a checksum that was not renewed: it must be refused."""
    if kind.signed or not kind.file.startswith("design/"):
        return False
    if not kind.file.endswith(".json"):
        return True
    with contextlib.suppress(ValueError, RecursionError):
        return bool(json.loads((folder / kind.file).read_bytes()) != json.loads(contents[kind.file]))
    return True


def _sign(design: Path) -> None:
    """Right checksums, unless ``design.json`` holds nothing that could have any."""
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError, OSError):
        described = json.loads((design / MARKER).read_bytes())
        described["checksums"] = checksums(design, described)
        (design / MARKER).write_text(json.dumps(described), encoding="utf-8")


def right(output: Path) -> bool:
    """Whether a design can be loaded, or all results are finite numbers."""
    if output.is_dir():
        Design.load(output)
        return True
    with np.load(output) as arrays:
        return all(np.isfinite(arrays[name]).all() for name in arrays.files if arrays[name].dtype.kind == "f")
