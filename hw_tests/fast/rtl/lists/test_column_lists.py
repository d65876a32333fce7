"""Column lists: lengths count what was listed, entries stay until they are overwritten."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.lists.list_cases import Entries, Ints, assert_entries, read_list
from lstmith.rtl.lists.column_lists import ColumnLists
from lstmith.spec.config import bits_for


def _lists_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Lists that begin anywhere in either part; lengths count what was listed, entries stay until overwritten."""
    columns, lists = 10, 1 + mixed
    unit = ColumnLists(columns=columns, parts=2, operand_width=12, mixed=mixed)
    sheet, place_bits = Sheet(3000), bits_for(columns)
    cycle = 2
    lengths: list[tuple[int, str, int, Ints]] = []
    reads: list[tuple[Ints, Entries]] = []
    while cycle < sheet.cycles - 100:
        base, part, count = int(rng.integers(6)), int(rng.integers(2)), int(rng.integers(1, 11))
        held: list[Entries] = [[], []]
        for column in range(count):
            cycle += int(rng.choice([1, 1, 3]))
            values = {"valid": 1, "column": column, "base": base, "part": part, "clear": int(column == count - 1)}
            for name, value in values.items():
                sheet.put(name, cycle, value)
            for which in range(lists):
                before = len(held[which]), sum(low for _, _, low in held[which])
                listed, low = bool(rng.random() < 0.6), int(rng.random() < 0.4) * mixed
                candidate = {"listed": int(listed), "low": low, "operand": int(rng.integers(-2048, 2048))}
                for name, value in candidate.items():
                    sheet.put(f"candidates.{which}.{name}", cycle, value)
                if listed:
                    held[which].append((column, candidate["operand"], low))
                after = len(held[which]), sum(low for _, _, low in held[which])
                lengths += [(cycle, "lengths", which, np.array(before)), (cycle, "totals", which, np.array(after))]
        for which in range(lists):
            places = (base + np.arange(len(held[which]))) % (1 << place_bits) + (part << place_bits)
            reads.append((read_list(sheet, cycle + 1, which, places), held[which]))
            cycle += len(places)
        cycle += 1
        lengths += [(cycle, "lengths", which, np.zeros(2, dtype=np.int64)) for which in range(lists)]

    def verify(outputs: Table) -> None:
        for at, port, which, wanted in lengths:
            have = np.array([outputs[f"{port}.{which}.{name}"][at] for name in ("count", "low")])
            assert_equal(f"{port} of list {which} in cycle {at}", have, wanted)
        for come, entries in reads:
            assert_entries(outputs, come, entries, mixed=mixed)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One list and two."""
    return {name: _lists_check(rng, mixed=mixed) for name, mixed in (("single", False), ("mixed", True))}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
