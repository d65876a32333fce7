# amaranth: UnusedElaboratable=no
"""Result ring: words are there until they are released, at any place."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.checks import Check, Sheet, Table, run_here
from lstmith.rtl.link.ring import ResultRing
from lstmith.spec.link_map import PLACES


def _ring(rng: np.random.Generator) -> Check:
    """Words are there until they are released, at any place, beyond the wrap of places too; a full ring takes none."""
    size = 8
    unit, sheet, cycle = ResultRing(words=size), Sheet(8000), 2
    words: list[int] = []
    released = 0
    looks: list[tuple[int, str, int]] = []
    while cycle < sheet.cycles - 200:
        for _ in range(int(rng.integers(size + 2))):
            word, room = int(rng.integers(1 << 16)), len(words) - released < size
            looks.append((cycle, "full", int(not room)))
            sheet.put("i.valid", slice(cycle, cycle + 2), 1)
            sheet.put("i.payload", slice(cycle, cycle + 2), word)
            looks += [(cycle, "i.ready", 0), (cycle + 1, "i.ready", int(room))]
            words += [word] if room else []
            cycle += 2
        # From any place that was not released, up to one ring behind.
        place = released + int(rng.integers(size + 1))
        if place == released + size and len(words) == released:
            place = released
        sheet.put("seek", cycle, 1)
        sheet.put("seek_place", cycle, place % PLACES)
        cycle += unit.latency
        for word in words[place:]:
            for byte in (word & 0xFF, word >> 8):
                looks += [(cycle, "valid", 1), (cycle, "ready", 1), (cycle, "data", byte)]
                sheet.put("next", cycle, 1)
                looks += [(cycle + wait, "ready", 0) for wait in range(1, unit.latency)]
                cycle += unit.latency
        looks.append((cycle, "valid", 0))
        released += int(rng.integers(len(words) - released + 1))
        sheet.put("release", cycle, 1)
        sheet.put("release_place", cycle, released % PLACES)
        cycle += 1
        looks.append((cycle, "held", int(released != len(words))))

    def verify(outputs: Table) -> None:
        for at, name, value in looks:
            assert outputs[name][at] == value, f"{name} in cycle {at}"

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Filled, read from anywhere, released."""
    return {"ring": _ring(rng)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


def test_size_is_a_power_of_two() -> None:
    with pytest.raises(TypeError, match=r"^Ring size must be a power of two up to 32768, not 12$"):
        ResultRing(words=12)
