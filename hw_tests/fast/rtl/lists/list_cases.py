"""What list memories hold after a step, and how it is read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hw_tests.checks import Sheet, Table
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.quantised import Grid

Ints = npt.NDArray[np.int64]


Entries = list[tuple[int, int, int]]


def widest_grid(shift: int, exponent: int = 0, *, unsigned: bool = False) -> Grid:
    """The widest grid of a shift."""
    top = (1 << (15 - shift)) - 1
    return Grid(shift, 0 if unsigned else -top - 1, top, exponent)


def entries_of(
    before: Ints, after: Ints, exponent: int, taus: tuple[int, int], *, values: bool = False, mixed: bool
) -> list[Entries]:
    """(column, operand, low) of each list of a segment, from references [1, C] before and after a step."""
    change = after if values and not mixed else after - before
    pairs = [(change, taus[0]), (after, taus[1])][: 1 + mixed]
    return [
        [
            (column, value << exponent, int(mixed and 0 < abs(value) <= tau))
            for column, value in enumerate(operands[0].tolist())
            if value
        ]
        for operands, tau in pairs
    ]


def read_list(sheet: Sheet, cycle: int, which: int, places: Ints) -> Ints:
    """Read a list from a cycle on; returns when its entries come."""
    at = cycle + np.arange(len(places))
    sheet.put("read.address", at, places)
    sheet.put("read.list", at, which)
    return at + RAM_LATENCY


def assert_entries(outputs: Table, come: Ints, wanted: Entries, *, mixed: bool) -> None:
    """List entries whose first comes in the first of some cycles."""
    done = come[: len(wanted)]
    low = outputs["read.entry.low"][done] if mixed else np.zeros(len(done), dtype=np.int64)
    column, operand = outputs["read.entry.column"][done], outputs["read.entry.operand"][done]
    assert list(zip(column, operand, low, strict=True)) == wanted
