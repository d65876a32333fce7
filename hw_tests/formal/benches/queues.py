"""Order: what goes through a queue comes out as it went in, and an input buffer is released once per step."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Cat, Cover, Module, Mux, Signal
from amaranth.lib.wiring import In

from hw_tests.formal.benches.slot_issuer import Issuing
from hw_tests.formal.properties import Around, Fault, proves
from lstmith.rtl.link import queue
from lstmith.rtl.sequencer import slot_issuer

#: Entries that the queue of the proof has room for.
PLACES = 2


@proves(
    "queue gives what it took",
    says="A queue with its oldest entry in a register gives each entry once, in order, and takes all that have room.",
    fault=Fault(queue, "follows.eq(~self.r_rdy | self.r_en)", "follows.eq(self.r_en | ~fifo.r_rdy)"),
    depth=18,
    cover=14,
    enough="five entries fill a queue of two places, its register and the one behind its memory, and leave it again",
)
class HeadQueueBench(Around):
    """One entry, any, is remembered beside the queue, with the number of those before it."""

    spare = False

    def __init__(self) -> None:
        super().__init__(queue.HeadQueue(width=2, places=PLACES, spare=self.spare), pick=In(1))

    def ask(self, m: Module, unit: Any) -> None:
        enters, leaves, inside = Signal(), Signal(), Signal(range(2 * PLACES + 8))
        marked, kept, before = Signal(), Signal(2), Signal.like(inside)
        full = Signal()
        m.d.comb += [enters.eq(unit.w_en & unit.w_rdy), leaves.eq(unit.r_en & unit.r_rdy)]
        m.d.sync += [inside.eq(inside + enters - leaves), full.eq(full | ~unit.w_rdy)]
        with m.If(enters & self.pick & ~marked):
            m.d.sync += [marked.eq(1), kept.eq(unit.w_data), before.eq(inside - leaves)]
        with m.If(marked & leaves):
            m.d.sync += [before.eq(before - 1), marked.eq(before != 0)]
        m.d.comb += [
            Assert(unit.level == inside),
            Assert((inside >= PLACES) | unit.w_rdy),
            Assert(~(marked & unit.r_rdy & (before == 0)) | (unit.r_data == kept)),
            Cover(full & marked & leaves & (before == 0)),
        ]


@proves(
    "queue with a spare register gives what it took",
    says="So does one with a second register, which takes what its memory gives while the oldest entry stays.",
    fault=Fault(queue, "held.eq(given_valid & ~follows)", "held.eq(fifo.r_rdy & ~follows)"),
    depth=20,
    cover=16,
    enough="six entries fill a queue of two places, its registers and the one behind its memory, and leave it again",
)
class SpareQueueBench(HeadQueueBench):
    """As without it."""

    spare = True


@proves(
    "entries reach the array in order",
    says="Entries leave the queue before the array as they were fetched, each once, and free their step's buffer then.",
    fault=Fault(slot_issuer, "queue.r_en.eq(fires | ~waits),", "queue.r_en.eq(fires | ~waits | queue.r_rdy),"),
    depth=14,
    cover=12,
    enough="six cycles from the lists to the head of the queue, and eight in which others fill it, wait and leave",
)
class IssueOrderBench(Issuing):
    """One entry, any, is remembered when it is fetched, with the number of those before it."""

    def __init__(self) -> None:
        super().__init__(pick=In(1))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.issuer = issuer = self.issuer
        fetch, given = issuer.fetch, issuer._throttle.entry
        taken, fires = Signal(), Signal()
        marked, kept, before = Signal(), Signal.like(self.entry), Signal.like(issuer.queued)
        named = given.payload
        m.d.comb += [
            *self.given(),
            taken.eq(fetch.offer.valid & fetch.offer.ready),
            fires.eq(given.valid & given.ready),
        ]
        m.d.sync += fetch.valid.eq(taken)
        inside = Signal.like(issuer.queued)
        m.d.sync += inside.eq(inside + taken - fires)
        with m.If(fetch.valid & self.pick & ~marked):
            # What is fetched now was taken in the cycle before.
            m.d.sync += [marked.eq(1), kept.eq(self.entry), before.eq(inside - 1 - fires)]
        with m.If(marked & fires):
            m.d.sync += [before.eq(before - 1), marked.eq(before != 0)]
        mine = marked & fires & (before == 0)
        m.d.comb += [
            Assert(~(marked & given.valid & (before == 0)) | (named.word == kept.word)),
            Assert(~mine | (Cat(named.last, named.lanes, named.emits) == Cat(kept.last, kept.lanes, kept.emits))),
            Assert(~mine | (issuer.release == Mux(kept.frees, 1 << kept.x_buffer, 0))),
            Assert(fires | (issuer.release == 0)),
            Cover(mine & kept.frees & (inside > 2)),
        ]
        return m
