# amaranth: UnusedElaboratable=no
"""Head queue: entries leave in order however both sides wait, and as many have room as were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.checks import Check, Sheet, Table, run_here
from lstmith.rtl.link.queue import HeadQueue

#: Few, which the register at the head has a part in, and so many that their number needs a bit more.
PLACES = (1, 2, 6)


def _queue(rng: np.random.Generator, places: int, spare: bool) -> Check:
    """Bursts that fill it, and pauses that empty it."""
    unit, sheet = HeadQueue(width=8, places=places, spare=spare), Sheet(3000)
    offered = rng.integers(0, 256, sheet.cycles)
    puts, takes = (np.repeat(rng.random(sheet.cycles // 10) < 0.5, 10) for _ in range(2))
    puts &= rng.random(sheet.cycles) < 0.8
    takes |= rng.random(sheet.cycles) < 0.2
    sheet.put("w_data", slice(0, sheet.cycles), offered)
    sheet.put("w_en", slice(0, sheet.cycles), puts)
    sheet.put("r_en", slice(0, sheet.cycles), takes)

    def verify(outputs: Table) -> None:
        held: list[tuple[int, int]] = []
        full = 0
        for cycle in range(sheet.cycles):
            assert outputs["level"][cycle] == len(held), f"level in cycle {cycle}"
            assert outputs["w_rdy"][cycle] or len(held) >= places, f"room in cycle {cycle}"
            full += not outputs["w_rdy"][cycle]
            if held and held[0][0] + unit.latency <= cycle:
                assert outputs["r_rdy"][cycle], f"the head in cycle {cycle}"
            if outputs["r_rdy"][cycle]:
                assert outputs["r_data"][cycle] == held[0][1], f"order in cycle {cycle}"
            taken = outputs["r_rdy"][cycle] and takes[cycle]
            if outputs["w_rdy"][cycle] and puts[cycle]:
                held.append((cycle, int(offered[cycle])))
            if taken:
                held.pop(0)
        assert full > 20

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Filled and emptied at random."""
    return {
        f"queue_{places}{'_spare' * spare}": _queue(rng, places, spare) for places in PLACES for spare in (False, True)
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


def test_places_are_a_number() -> None:
    with pytest.raises(ValueError, match="Queue places"):
        HeadQueue(width=8, places=0)
