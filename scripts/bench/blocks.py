"""Measured tables inside the documents: a bench rewrites its own block and leaves the rest alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lstmith.compiler.files import whole_file
from lstmith.spec.errors import UserError

#: A cell without a figure.
NOTHING = "-"

Table = tuple[list[str], list[list[object]]]


def markdown(columns: list[str], rows: list[list[object]]) -> str:
    """A table as Markdown: the first column to the left, figures to the right, a dash where there is nothing."""
    lines: list[Sequence[object]] = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(str(cell) or NOTHING for cell in line)} |\n" for line in lines)


def find_block(path: Path, name: str) -> tuple[str, str]:
    """What stands before ``<!-- NAME begin -->`` and after ``<!-- NAME end -->``, these lines included.

    Raises
    ------
    UserError
        If the document cannot be read or has no such block.
    """
    begin, end = f"<!-- {name} begin -->\n", f"<!-- {name} end -->\n"
    try:
        content = path.read_text()
    except OSError as error:
        raise UserError(
            str(path), f"cannot be read ({error.strerror})", "run the bench in the project's folder, or give --document"
        ) from None
    before, found, rest = content.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise UserError(str(path), f"has no block {name!r}", f"put {begin.strip()} and {end.strip()} into it")
    return before + begin, end + after


def replace_block(path: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- NAME begin -->`` and ``<!-- NAME end -->``.

    Raises
    ------
    UserError
        If the document cannot be read or has no such block.
    """
    before, after = find_block(path, name)
    with whole_file(path) as draft:
        draft.write_text(before + text + after)
