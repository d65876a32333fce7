"""The output queue never takes more results than it has places: proven by induction for every way to stall it."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.prover import Bench
from lstmith.rtl.layouts import offer_layout
from lstmith.rtl.sequencer import throttle
from lstmith.spec.codes import Precision
from lstmith.spec.config import PRECISIONS, EngineConfig

#: Longer than anything that the throttle remembers of entries, but for long folds: their end is nearer than the next.
DEPTH = 6


class ThrottleBench(wiring.Component):
    """Entries come as they like, results leave as they like: a queue that is stalled for ever is one of the cases."""

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__({"valid": In(1), "payload": In(offer_layout(config.lanes, single_rows=True)), "popped": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.throttle = unit = throttle.IssueThrottle(
            lanes=config.lanes,
            unit_cycles=config.unit_cycles,
            slot_lanes=config.slot_lanes,
            out_depth=config.out_depth,
            single_rows=True,
        )
        m.d.comb += [
            unit.entry.valid.eq(self.valid),
            unit.entry.payload.eq(self.payload),
            unit.popped.eq(self.popped),
        ]
        taken = Signal(range(2 * config.out_depth))
        m.d.comb += [
            taken.eq(unit.outstanding + unit.reserved),
            Assume(self.payload.word < len(PRECISIONS)),
            Assume(~self.payload.pair | (self.payload.word != Precision.W16)),
            Assume(self.payload.lanes < config.lanes),
            # A result leaves only after it has come.
            Assume(~self.popped | (unit.outstanding != 0)),
            Assert(taken <= config.out_depth),
            Cover(taken == 2 * config.lanes),
        ]
        return m


def bench(lanes: int, rows_per_cycle: int, folder: Path) -> Bench:
    config = EngineConfig(lanes=lanes, precisions=PRECISIONS, rows_per_cycle=rows_per_cycle, units=16, inputs=8)
    return Bench(ThrottleBench(config), folder)


@pytest.mark.parametrize("rows_per_cycle", [1, 2, 4])
@pytest.mark.parametrize("lanes", [1, 2, 5, 16, 64])
def test_queue_never_overflows(lanes: int, rows_per_cycle: int, tmp_path: Path) -> None:
    verdict = bench(lanes, rows_per_cycle, tmp_path).proves(DEPTH)
    assert verdict.holds, verdict.log


def test_folds_follow_each_other(tmp_path: Path) -> None:
    """The assumptions leave the queue filling: two folds of two units end and wait. That it becomes full, and that only
    then an entry waits for room, is simulated (``test_queue``)."""
    verdict = bench(2, 2, tmp_path).covers(12)
    assert verdict.holds, verdict.log


@pytest.mark.parametrize("lanes", [2, 5])
def test_units_not_yet_seen_matter(lanes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them the queue takes a result more than it has places for."""
    monkeypatch.setattr(throttle, "unseen_units", lambda unit_cycles: 0)
    assert not bench(lanes, 2, tmp_path).induction(DEPTH).holds
