"""The queue before the array: an entry that the sequencer fetches always has a place in it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Fault, proves
from lstmith.rtl.layouts import fetch_layout
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.sequencer import slot_issuer
from lstmith.spec.codes import Precision
from lstmith.spec.config import PRECISIONS, EngineConfig

#: Longer than an entry is on its way to the queue.
DEPTH = RAM_LATENCY + 5
#: Cycles from fetching an entry to its write into the queue.
ON_THE_WAY = RAM_LATENCY + 1
CONFIG = EngineConfig(lanes=2, precisions=PRECISIONS, weight_depth=4, units=2, inputs=2, planes=2)


class Issuing(wiring.Component):
    """An issuer that is offered entries of any kind.

    Parameters
    ----------
    more : In
        Further inputs of the bench.
    """

    def __init__(self, **more: In) -> None:
        self.issuer = slot_issuer.SlotIssuer(CONFIG)
        super().__init__(
            {
                "offered": In(1),
                "entry": In(fetch_layout(CONFIG)),
                "x_entry": In(self.issuer.x_list.entry.shape()),
                "h_entry": In(self.issuer.h_list.entry.shape()),
                "popped": In(1),
                **more,
            }
        )

    def given(self) -> list[Any]:
        """The inputs reach the issuer."""
        issuer = self.issuer
        return [
            issuer.fetch.offer.valid.eq(self.offered),
            issuer.fetch.entry.eq(self.entry),
            issuer.x_list.entry.eq(self.x_entry),
            issuer.h_list.entry.eq(self.h_entry),
            issuer.popped.eq(self.popped),
            # A 16-bit weight is two digits of 8 bits.
            Assume(self.entry.word < Precision.W16),
        ]


@proves(
    "fetched entry has a place",
    says="An entry that the sequencer fetches always has a place in the queue before the array.",
    fault=Fault(slot_issuer, "room.eq(fires | ~filled)", "room.eq(fires | ~filled | ~takes)"),
    depth=DEPTH,
    cover=DEPTH + 6,
)
class IssuerBench(Issuing):
    """Offers of any kind, which are fetched when they are taken; the array may be as slow as it likes."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.issuer = issuer = self.issuer
        fetch = issuer.fetch
        taken = fetch.offer.valid & fetch.offer.ready
        coming = Signal(ON_THE_WAY + 1)
        m.d.sync += [fetch.valid.eq(taken), coming.eq(coming << 1 | taken)]
        on_the_way = sum(coming[bit] for bit in range(ON_THE_WAY + 1))
        m.d.comb += [
            *self.given(),
            Assert(issuer.queued <= slot_issuer.QUEUE),
            Assert(fetch.offer.ready == (issuer.queued != slot_issuer.QUEUE)),
            Assert(issuer.queued == issuer.queue.level + issuer.waits + on_the_way),
            Assert(~issuer.queue.w_en | issuer.queue.w_rdy),
            Cover(issuer.queued == ON_THE_WAY + 3),
        ]
        return m
