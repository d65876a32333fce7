"""The queue before the array: an entry that the sequencer fetches always has a place in it."""

from __future__ import annotations

from pathlib import Path

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.prover import Bench
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.sequencer.slot_issuer import QUEUE, SlotIssuer
from lstmith.spec.config import PRECISIONS, EngineConfig

#: Longer than an entry is on its way to the queue.
DEPTH = RAM_LATENCY + 5
#: Cycles from fetching an entry to its write into the queue.
ON_THE_WAY = RAM_LATENCY + 1
CONFIG = EngineConfig(lanes=2, precisions=PRECISIONS, weight_depth=4, units=2, inputs=2, mixed=True)


class IssuerBench(wiring.Component):
    """Entries of any kind, as many as the sequencer's count allows; the array may be as slow as it likes.

    Parameters
    ----------
    allowed : int
        What the sequencer takes for the size of the queue.
    """

    def __init__(self, allowed: int = QUEUE):
        self._allowed = allowed
        self.issuer = SlotIssuer(CONFIG)
        names = ("fetch", "fetch_valid", "x_entry", "h_entry", "popped")
        super().__init__({name: In(self.issuer.signature.members[name].shape) for name in names})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.issuer = issuer = self.issuer
        for name in self.signature.members:
            m.d.comb += getattr(issuer, name).eq(getattr(self, name))
        # As the sequencer counts.
        queued, coming = Signal(range(2 * QUEUE)), Signal(ON_THE_WAY)
        m.d.sync += [
            queued.eq(queued + self.fetch_valid - issuer.fired),
            coming.eq(coming << 1 | self.fetch_valid),
        ]
        m.d.comb += [
            Assume(~self.fetch_valid | (queued < self._allowed)),
            Assume(self.fetch.precision < len(PRECISIONS)),
            Assert(queued == issuer.queue.level + issuer.waits + sum(coming[bit] for bit in range(ON_THE_WAY))),
            Assert(~issuer.queue.w_en | issuer.queue.w_rdy),
            Cover(queued == ON_THE_WAY + 2),
        ]
        return m


def test_every_entry_has_a_place(tmp_path: Path) -> None:
    verdict = Bench(IssuerBench(), tmp_path).proves(DEPTH)
    assert verdict.holds, verdict.log


def test_entries_gather(tmp_path: Path) -> None:
    verdict = Bench(IssuerBench(), tmp_path).covers(DEPTH + 6)
    assert verdict.holds, verdict.log


def test_more_entries_would_be_lost(tmp_path: Path) -> None:
    """One is at the queue's head and some are on their way, but all may gather in it."""
    assert not Bench(IssuerBench(QUEUE + 2), tmp_path).induction(DEPTH).holds
