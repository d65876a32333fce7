"""Column lists: lengths count what was listed, entries stay until they are overwritten."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, run_here
from hw_tests.fast.rtl.lists.list_cases import Entries, Ints, assert_entries, assert_lengths, put_all, read_list
from lstmith.rtl.layouts import lists
from lstmith.rtl.lists.column_lists import ColumnLists
from lstmith.spec.config import bits_for


def _lists_check(rng: np.random.Generator, *, planes: int) -> Check:
    """Lists that begin anywhere in either part; lengths count what was listed, entries stay until overwritten."""
    entries, columns, kinds = 10, 40, lists(planes)
    unit = ColumnLists(columns=columns, entries=entries, parts=2, operand_width=12, planes=planes)
    sheet, place_bits = Sheet(3000), bits_for(entries)
    cycle = 2
    lengths: list[tuple[int, str, list[Entries]]] = []
    reads: list[tuple[Ints, Entries]] = []
    while cycle < sheet.cycles - 100:
        base, part, count = int(rng.integers(6)), int(rng.integers(2)), int(rng.integers(1, 11))
        held: list[Entries] = [[] for _ in range(kinds)]
        for column in range(count):
            cycle += int(rng.choice([1, 1, 3]))
            fields = {"valid": 1, "column": column, "base": base, "part": part, "clear": int(column == count - 1)}
            put_all(sheet, "", cycle, fields)
            lengths.append((cycle, "lengths", [list(entries) for entries in held]))
            for which in range(kinds):
                listed, operands = rng.random(planes) < 0.4, rng.integers(-2048, 2048, planes)
                sheet.put(f"candidates.{which}.planes", cycle, int((listed << np.arange(planes)).sum()))
                for plane in range(planes):
                    sheet.put(f"candidates.{which}.operands.{plane}", cycle, operands[plane])
                if listed.any():
                    pairs = zip(operands, listed, strict=True)
                    held[which].append((column, tuple(int(operand) if there else None for operand, there in pairs)))
            lengths.append((cycle, "totals", [list(entries) for entries in held]))
        for which in range(kinds):
            places = (base + np.arange(len(held[which]))) % (1 << place_bits) + (part << place_bits)
            reads.append((read_list(sheet, cycle + 1, which, places), held[which]))
            cycle += len(places)
        cycle += 1
        lengths.append((cycle, "lengths", [[] for _ in range(kinds)]))

    def verify(outputs: Table) -> None:
        for at, port, wanted in lengths:
            assert_lengths(outputs, port, at, wanted, planes)
        for come, entries in reads:
            assert_entries(outputs, come, entries, planes=planes)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One list, and two with two planes."""
    return {f"planes_{planes}": _lists_check(rng, planes=planes) for planes in (1, 2)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
