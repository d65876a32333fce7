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
    """A table as Markdown: figures to the right, words to the left, a dash where there is nothing."""
    cells = [[str(cell) or NOTHING for cell in row] for row in rows]
    # A figure begins as one, or is missing.
    right = [all(row[at][0] in "0123456789+-" for row in cells) for at in range(len(columns))]
    lines: list[Sequence[str]] = [columns, ["---:" if figures else "---" for figures in right], *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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
