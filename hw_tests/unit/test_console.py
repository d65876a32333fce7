"""Tables stay whole, however narrow the terminal is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lstmith.cli.console import figure_rows, table


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_no_cell_is_cut_off(width: int) -> None:
    columns = ["figure", "a column of a long name", "value"]
    rows: list[list[object]] = [["cycle_mismatches", "x" * 30, 3], ["energy per step (ecp5), pJ", "y", 1186.23]]
    console = Console(file=io.StringIO(), width=width, soft_wrap=True)
    console.print(table("Title", columns, rows))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    for cell in (*columns, *(str(value) for row in rows for value in row)):
        assert cell in told
    assert "\u2026" not in told


def test_parts_of_figures_are_rows() -> None:
    rows = figure_rows({"steps": 40, "spent": {"busy": 994, "empty": 0, "open": 237}, "seconds": 0.02814891})
    assert rows == [["steps", 40], ["spent: busy", 994], ["spent: open", 237], ["seconds", "0.0281489"]]
