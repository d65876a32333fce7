"""What list memories hold after a step, and how it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hw_tests.checks import Sheet, Table
from lstmith.golden.encoder import BoolArray, follow
from lstmith.rtl.layouts import lists
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.quantised import Grid

Ints = npt.NDArray[np.int64]

#: (column, operands), where a plane that does not list the column has None, top plane first.
Entries = list[tuple[int, tuple[int | None, ...]]]


def widest_grid(shift: int, exponent: int = 0, *, unsigned: bool = False) -> Grid:
    """The widest grid of a shift."""
    top = (1 << (15 - shift)) - 1
    return Grid(shift, 0 if unsigned else -top - 1, top, exponent)


def references_after(values: Ints, before: Ints, thetas: tuple[int, ...], *, held: bool | BoolArray = False) -> Ints:
    """References [P, C] after grid values [C]; ``held`` is the low plane, which stays as it is."""
    planes = len(before)
    stays = np.zeros((1, *before.shape), dtype=bool)
    stays[0, 1:] = held
    limits = np.array(thetas[:planes]).reshape(1, -1, 1)
    return follow(values[None, None], before[None], limits, held=stays, snaps=planes > 1)[0]


def entries_of(before: Ints, after: Ints, exponent: int, *, values: bool = False) -> list[Entries]:
    """Each list of a segment, from references [P, C] before and after a step; one list alone may hold values."""
    operands = [after - before, after] if len(after) > 1 else [after if values else after - before]
    return [
        [
            (column, tuple(int(value) << exponent if value else None for value in column_operands))
            for column, column_operands in enumerate(list_operands.T)
            if column_operands.any()
        ]
        for list_operands in operands
    ]


def lengths_of(entries: Entries, planes: int) -> dict[str, int]:
    """The fields of a list's length."""
    by_plane = [sum(operands[plane] is not None for _, operands in entries) for plane in range(planes)]
    more = {"digits": sum(by_plane), "low": by_plane[1]} if planes > 1 else {}
    return {"count": len(entries), **more}


def assert_lengths(outputs: Table, port: str, cycle: int, found: list[Entries], planes: int) -> None:
    """The lengths at a port, for every list."""
    assert len(found) == lists(planes)
    for which, entries in enumerate(found):
        wanted = lengths_of(entries, planes)
        have = {name: int(outputs[f"{port}.{which}.{name}"][cycle]) for name in wanted}
        assert have == wanted, f"{port}, list {which}, cycle {cycle}"


def read_list(sheet: Sheet, cycle: int, which: int, places: Ints) -> Ints:
    """Read a list from a cycle on; returns when its entries come."""
    at = cycle + np.arange(len(places))
    sheet.put("read.address", at, places)
    sheet.put("read.list", at, which)
    return at + RAM_LATENCY


def assert_entries(outputs: Table, come: Ints, wanted: Entries, *, planes: int) -> None:
    """List entries whose first comes in the first of some cycles."""
    for cycle, (column, operands) in zip(come, wanted, strict=False):
        assert outputs["read.entry.column"][cycle] == column
        if planes > 1:
            listed = sum((operand is not None) << plane for plane, operand in enumerate(operands))
            assert outputs["read.entry.planes"][cycle] == listed, f"planes of column {column}"
        for plane, operand in enumerate(operands):
            if operand is not None:
                assert outputs[f"read.entry.operands.{plane}"][cycle] == operand, f"plane {plane}, column {column}"
    assert len(come) >= len(wanted)


def put_all(sheet: Sheet, prefix: str, cycle: Any, fields: dict[str, int]) -> None:
    """Set inputs of a structure."""
    for name, value in fields.items():
        sheet.put(f"{prefix}{name}", cycle, int(value))
