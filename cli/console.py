"""How the commands talk: tables on standard output, progress and remarks on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

#: Wider than any table.
ANY_WIDTH = 10_000

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line of the command's result, as it is."""
    out.print(text, markup=False)


def remark(text: str) -> None:
    """A remark for the user, not part of the result."""
    err.print(text, markup=False, style="dim")


def table(title: str, columns: list[str], rows: list[list[object]]) -> Table:
    """A table with numbers to the right; a terminal too narrow for it wraps lines, and no cell is cut off."""
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(str(value) for value in row))
    # As wide as its cells, whatever the terminal: rich would shorten cells or drop columns.
    made.width = out.measure(made, options=out.options.update(width=ANY_WIDTH)).maximum
    return made


def figure_rows(figures: Mapping[str, Any]) -> list[list[object]]:
    """Names and values as cells; of figures that have parts, one row for each part that is not zero."""
    rows: list[list[object]] = []
    for name, value in figures.items():
        parts = {f"{name}: {part}": count for part, count in value.items() if count} if isinstance(value, dict) else {}
        single = {} if isinstance(value, dict) else {name: value}
        rows += [[label, f"{v:.6g}" if isinstance(v, float) else v] for label, v in {**single, **parts}.items()]
    return rows


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; the value is a function that takes how much is done.

    Without a total the bar only moves. It leaves nothing behind.
    """
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
    if total is not None:
        columns.append(MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)


@contextmanager
def steps() -> Iterator[Callable[..., None]]:
    """Progress of work that names its stages: ``report(stage, fraction=None)``."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        task = bars.add_task("", total=None)

        def report(stage: str, fraction: float | None = None) -> None:
            bars.update(task, description=stage, total=None if fraction is None else 1.0, completed=fraction or 0.0)

        yield report
