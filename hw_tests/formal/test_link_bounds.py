"""Bounds of the host link: no outcome and no result word is overwritten before it was read."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.prover import Bench
from lstmith.rtl.layouts import output_layout
from lstmith.rtl.link.collect import OUTCOMES, TRANSFER_CYCLES, CompactCollector
from lstmith.rtl.link.ring import ResultRing
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import MARK, input_ready

CONFIGS = {
    "full": EngineConfig(lanes=1, precisions=(4, 8), units=2, inputs=2, planes=2, monitor=True, skip=True),
    "small": EngineConfig(lanes=1, precisions=(8,), units=2, inputs=2, rows_per_cycle=1, delta=False),
}
WORDS = 8


class CollectorBench(wiring.Component):
    """Transfers that each end a step, as fast as the executor makes them; outcomes as late as an engine gives them.

    Parameters
    ----------
    config : EngineConfig
    apart : int
        Fewest cycles between two transfers.
    """

    def __init__(self, config: EngineConfig, apart: int = TRANSFER_CYCLES):
        self._config, self._apart = config, apart
        self.late = max(MARK, input_ready(config))
        super().__init__({"transfer": In(1), "outcome": In(1), "skipped": In(1), "ready": In(1), "h_valid": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.collector = collector = CompactCollector(
            result=output_layout(self._config), layers=self._config.layers, outcome_latency=self.late
        )
        # A bit per step whose outcome has not come, by age; the oldest comes first.
        ages = Signal(self.late)
        rests = Signal(range(self._apart))
        oldest = Signal(self.late)
        for age in range(self.late):
            m.d.comb += oldest[age].eq(ages[age] & ~ages[age + 1 :].any())
        m.d.comb += [
            collector.outcome_valid.eq(self.outcome),
            collector.outcome_skipped.eq(self.skipped),
            collector.o.ready.eq(self.ready),
            collector.h.valid.eq(self.h_valid),
            collector.h.payload.last.eq(1),
            Assume(~self.transfer | (collector.room & (rests == 0))),
            Assume(~self.outcome | ages.any()),
            Assume(~ages[-1] | self.outcome),
        ]
        m.d.sync += ages.eq((ages & ~self._when(self.outcome, oldest)) << 1 | self.transfer)
        with m.If(self.transfer):
            m.d.sync += rests.eq(self._apart - 1)
        with m.Elif(rests != 0):
            m.d.sync += rests.eq(rests - 1)
        pending = sum(ages[age] for age in range(self.late))
        m.d.comb += [Assert(collector.level + pending < OUTCOMES), Cover(collector.level == OUTCOMES // 2 + 1)]
        return m

    @staticmethod
    def _when(condition: Signal, value: Signal) -> Signal:
        return value & condition.replicate(len(value))


class RingBench(wiring.Component):
    """Words come whenever there is a place; the host releases only what was written, in order."""

    def __init__(self) -> None:
        super().__init__({"valid": In(1), "release": In(1), "release_place": In(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = ResultRing(words=WORDS)
        held, freed = Signal.like(ring.written), Signal.like(ring.written)
        m.d.comb += [
            ring.i.valid.eq(self.valid),
            ring.release.eq(self.release),
            ring.release_place.eq(self.release_place),
            held.eq(ring.written - ring.released),
            freed.eq(self.release_place - ring.released),
            Assume(~self.release | (freed <= held)),
            Assert(held <= WORDS),
            Assert(ring.full == (held == WORDS)),
            Cover(ring.full),
        ]
        return m


@pytest.mark.parametrize("name", CONFIGS)
def test_no_outcome_is_overwritten(name: str, tmp_path: Path) -> None:
    design = CollectorBench(CONFIGS[name])
    verdict = Bench(design, tmp_path).proves(2 * design.late)
    assert verdict.holds, verdict.log


def test_outcomes_gather(tmp_path: Path) -> None:
    verdict = Bench(CollectorBench(CONFIGS["full"]), tmp_path).covers(40)
    assert verdict.holds, verdict.log


def test_faster_transfers_would_lose_outcomes(tmp_path: Path) -> None:
    design = CollectorBench(CONFIGS["full"], apart=1)
    assert not Bench(design, tmp_path).induction(2 * design.late).holds


def test_ring_holds_what_it_took(tmp_path: Path) -> None:
    bench = Bench(RingBench(), tmp_path)
    verdict = bench.proves(3)
    assert verdict.holds, verdict.log
    assert bench.covers(2 * WORDS + 2).holds
