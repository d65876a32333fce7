"""The host link: bytes, frames, requests, answers, and words in the ring."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Around, Fault, proves
from lstmith.rtl.link import answer, executor, receiver, ring, uart
from lstmith.spec.link_identity import IDENTITY_BYTES

#: Cycles from a request in a buffer to its first action, by an estimate, and some more.
FRAME = 28


@proves(
    "ring gives what it took",
    says="A word that is read at a place of the ring is the one that was written there.",
    fault=Fault(ring, "self.i.payload.word_select(upper, 8)", "self.i.payload.word_select(~upper, 8)"),
    depth=20,
    cover=16,
    enough="a ring of two words is filled, released and filled again in twelve cycles",
)
class RingDataBench(Around):
    """One word, any, is remembered beside the ring."""

    def __init__(self) -> None:
        super().__init__(ring.ResultRing(words=2), pick=In(1))

    def ask(self, m: Module, unit: Any) -> None:
        width = len(unit.written)
        enters, held, offered = Signal(), Signal(), Signal(16)
        word, place, kept = Signal(16), Signal(width), Signal()
        reading, upper = Signal(width), Signal()
        m.d.comb += enters.eq(unit.i.valid & unit.i.ready)
        m.d.sync += [held.eq(unit.i.valid & ~unit.i.ready), offered.eq(unit.i.payload)]
        freed = (unit.release_place - unit.released)[:width]
        first = Mux(unit.release, unit.release_place, unit.released)
        m.d.comb += [
            Assume(~held | (unit.i.valid & (unit.i.payload == offered))),
            # The host reads on from words that it keeps, and goes on from those that are there.
            Assume(~unit.release | unit.seek),
            Assume(~unit.seek | ((unit.seek_place - first)[:width] <= (unit.written - first)[:width])),
            Assume(~unit.next | (unit.ready & unit.valid)),
            Assume(~unit.release | (freed <= (unit.written - unit.released)[:width])),
        ]
        with m.If(enters & ~kept & self.pick):
            m.d.sync += [kept.eq(1), word.eq(unit.i.payload), place.eq(unit.written)]
        # A place that is released may be written again.
        with m.If(kept & unit.release & ((place - unit.released)[:width] < freed)):
            m.d.sync += kept.eq(0)
        with m.If(unit.seek):
            m.d.sync += [reading.eq(unit.seek_place[:width]), upper.eq(0)]
        with m.Elif(unit.next):
            m.d.sync += upper.eq(~upper)
            with m.If(upper):
                m.d.sync += reading.eq(reading + 1)
        shown = kept & unit.ready & unit.valid & (reading == place)
        m.d.comb += [Assert(~shown | (unit.data == word.word_select(upper, 8))), Cover(shown & upper & (place == 2))]


@proves(
    "damaged frame leaves no trace",
    says="A frame with a damaged byte becomes neither a full buffer nor a HELLO.",
    fault=Fault(
        receiver,
        "with m.If(self.error):\n            m.d.sync += bad.eq(1)",
        "with m.If(self.error):\n            m.d.sync += bad.eq(0)",
    ),
    depth=4,
    cover=6,
)
class DamageBench(wiring.Component):
    """Any bytes and any damage."""

    def __init__(self) -> None:
        super().__init__({"data": In(8), "valid": In(1), "error": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = receiver.FrameReceiver(identity=bytes(IDENTITY_BYTES))
        damaged, ended, before, hurt = Signal(), Signal(), Signal(2), Signal()
        ends = self.valid & (self.data == 0)
        m.d.comb += [
            unit.data.eq(self.data),
            unit.valid.eq(self.valid),
            unit.error.eq(self.error),
            Assume(~(self.valid & self.error)),
            Assert(~damaged | unit.bad),
            Assert(~(unit.hello & damaged)),
            Assert(~(ended & hurt) | ((unit.full & ~before) == 0)),
            Cover(ended & hurt),
        ]
        m.d.sync += [ended.eq(ends), hurt.eq(damaged), before.eq(unit.full)]
        with m.If(ends):
            m.d.sync += damaged.eq(0)
        with m.Elif(self.error):
            m.d.sync += damaged.eq(1)
        return m


class ExecutorBench(Around):
    """Requests of any bytes, and answers that are taken at any pace."""

    def __init__(self) -> None:
        super().__init__(executor.Executor())

    def ask(self, m: Module, unit: Any) -> None:
        self.acts = unit.bus.w_en | unit.bus.r_en | unit.x.valid | unit.ring_release | unit.ring_seek
        # The expected number outlives a reset.
        m.d.comb += [Assume(~unit.greet), Assume(~ResetSignal())]


@proves(
    "no access without a session",
    says="Before a HELLO no request reaches the bus, the input stream or the ring.",
    fault=Fault(executor, "with m.If(~self.session):", "with m.If(self.session):"),
    depth=FRAME,
    cover=FRAME,
    enough="one request, from its buffer to its first action; how many cycles that takes is an estimate by hand",
)
class SessionBench(ExecutorBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        m.d.comb += [Assume(~unit.session), Assert(~self.acts), Cover(unit.finish)]


@proves(
    "request is counted before it acts",
    says="A request does something only after its sequence number was counted.",
    fault=Fault(
        executor,
        "frame.expected.eq(frame.expected + 1)\n                m.next",
        "frame.expected.eq(frame.expected)\n                m.next",
    ),
    depth=FRAME,
    cover=FRAME,
    enough="one request, from its buffer to its first action; how many cycles that takes is an estimate by hand",
)
class OnceBench(ExecutorBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        expected, counted, began = unit.frame.expected, Signal(), Signal(8)
        m.d.sync += began.eq(expected)
        with m.If(unit.release.any()):
            m.d.sync += counted.eq(0)
        with m.Elif(expected == (began + 1)[:8]):
            m.d.sync += counted.eq(1)
        first = Signal(init=1)
        m.d.sync += first.eq(0)
        m.d.comb += [
            Assert(~self.acts | counted | (expected == (began + 1)[:8])),
            Assert(first | ~counted | (expected == began)),
            Cover(self.acts),
        ]


@proves(
    "answers wait their turn",
    says="An answer is complete only when the one before is out of the other buffer.",
    fault=Fault(answer, "with m.If(~self.sending):", "with m.If(self.sending | 1):"),
    depth=3,
    cover=44,
)
class TurnBench(Around):
    def __init__(self) -> None:
        super().__init__(answer.AnswerBuilder())

    def ask(self, m: Module, unit: Any) -> None:
        m.d.comb += [Assert(~unit.finished | ~unit.sending), Cover(unit.finished)]


@proves(
    "byte arrives as it was sent",
    says="A byte that is sent arrives without error and as it was, at the fastest baud.",
    fault=Fault(uart, "with m.Case(_STOP):", "with m.Case(_STOP - 1):"),
    depth=60,
    cover=40,
    enough="two bytes follow each other, each of ten bits of two cycles, after any rest of the line",
)
class ByteBench(wiring.Component):
    """A transmitter and a receiver, and a byte that holds still until it is taken."""

    def __init__(self) -> None:
        super().__init__({"data": In(8), "valid": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sends = sends = uart.UartTransmitter(clock_hz=2, baud=1)
        m.submodules.takes = takes = uart.UartReceiver(clock_hz=2, baud=1)
        held, offered, sent, filled = Signal(), Signal(8), Signal(8), Signal()
        m.d.sync += [held.eq(self.valid & ~sends.i.ready), offered.eq(self.data)]
        m.d.comb += [
            sends.i.payload.eq(self.data),
            sends.i.valid.eq(self.valid),
            takes.pin.eq(sends.pin),
            Assume(~held | (self.valid & (self.data == offered))),
            # A reset in mid-byte leaves half a byte on the line.
            Assume(~ResetSignal()),
            Assert(~takes.error),
            Assert(~takes.valid | (filled & (takes.data == sent))),
            Cover(takes.valid & (takes.data == 0xA5)),
        ]
        with m.If(takes.valid):
            m.d.sync += filled.eq(0)
        with m.If(sends.i.valid & sends.i.ready):
            m.d.sync += [sent.eq(self.data), filled.eq(1)]
            m.d.comb += Assert(~filled | takes.valid)
        return m
