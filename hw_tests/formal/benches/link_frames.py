"""Frames of the host link: what an answer is made of, and words that are freed once; a frame begins from any state."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Const, Cover, Module, Mux, ResetSignal, Signal

from hw_tests.formal.properties import Around, Fault, proves
from lstmith.rtl.link import answer, receiver, ring
from lstmith.spec.link_identity import IDENTITY_BYTES


@proves(
    "ring frees once",
    says="Places are freed by a release alone, exactly the ones before its place, and never again without another.",
    fault=Fault(ring, "Mux(self.release, self.release_place", "Mux(self.release | self.seek, self.release_place"),
    depth=2,
    cover=12,
)
class ReleaseBench(Around):
    """Any words, releases of words that are there, and any reading."""

    def __init__(self) -> None:
        super().__init__(ring.ResultRing(words=4))

    def ask(self, m: Module, unit: Any) -> None:
        before, asked, place = Signal.like(unit.released), Signal(), Signal.like(unit.released)
        first = Signal(init=1)
        m.d.sync += [before.eq(unit.released), asked.eq(unit.release), place.eq(unit.release_place), first.eq(0)]
        with m.If(~first):
            m.d.comb += Assert(unit.released == Mux(asked, place, before))
        m.d.comb += [Assume(~ResetSignal()), Cover(asked & ~first & (unit.released != before))]


def _crc(data: list[Any]) -> Any:
    """CRC-32 of bytes as zlib has it, a bit at a time."""
    value: Any = Const(0xFFFF_FFFF, 32)
    for byte in data:
        for index in range(8):
            value = (value >> 1) ^ Mux(value[0] ^ byte[index], 0xEDB8_8320, 0)
    return (~value)[:32]


@proves(
    "answer is the COBS of its frame",
    says="What is in the buffer of an answer is the COBS of its byte and of the CRC, with one zero, at its end.",
    fault=Fault(answer, "Mux(zero, place - code, byte)", "Mux(zero, place - code - 1, byte)"),
    depth=52,
    cover=52,
    enough="an answer of one byte is complete after 49 cycles, and zeros may be at any of five places",
)
class CobsBench(Around):
    """One byte, any, and its end at once; what is written is kept."""

    def __init__(self) -> None:
        super().__init__(answer.AnswerBuilder())

    def ask(self, m: Module, unit: Any) -> None:
        taken, kept, done = Signal(), Signal(8), Signal()
        written = [Signal(8, name=f"written_{place}") for place in range(7)]
        m.d.comb += [
            Assume(~ResetSignal()),
            Assume(~unit.sending),
            Assume(unit.i.valid == ~taken),
            Assume(unit.finish == (taken & ~done)),
        ]
        with m.If(unit.i.valid & unit.i.ready):
            m.d.sync += [taken.eq(1), kept.eq(unit.i.payload)]
        with m.If(unit.finished):
            m.d.sync += done.eq(1)
        with m.If(unit.w_en):
            m.d.comb += Assert(unit.w_addr < len(written))
            for place, word in enumerate(written):
                with m.If(unit.w_addr == place):
                    m.d.sync += word.eq(unit.w_data)
        # Each code byte leads to the next; where one stands, the frame has a zero.
        crc = _crc([kept])
        frame = [kept, *(crc.word_select(index, 8) for index in range(4))]
        code = [Const(1, 1), *(byte == 0 for byte in frame), Const(1, 1)]
        for place in range(6):
            distance: Any = Const(0, 8)
            for later in reversed(range(place + 1, 7)):
                distance = Mux(code[later], later - place, distance)
            right = distance if place == 0 else Mux(code[place], distance, frame[place - 1])
            m.d.comb += Assert(~done | (written[place] == right))
        m.d.comb += [Assert(~done | (written[6] == 0)), Cover(done & (kept == 0))]


@proves(
    "frame begins from any state",
    says="Behind a zero byte a frame is received as the first one after a reset, whatever came before and is kept.",
    fault=Fault(receiver, "[left.eq(0), begun.eq(0), bad.eq(0)", "[left.eq(0), begun.eq(bad), bad.eq(0)"),
    depth=2,
    cover=6,
)
class BeginBench(Around):
    """Any bytes, damage and releases; a byte and damage do not come together."""

    def __init__(self) -> None:
        super().__init__(receiver.FrameReceiver(identity=bytes(IDENTITY_BYTES)))

    def ask(self, m: Module, unit: Any) -> None:
        ended, fresh, damaged = Signal(), Signal(), Signal()
        m.d.sync += [
            ended.eq(unit.valid & (unit.data == 0)),
            damaged.eq(unit.bad & (unit.place != receiver.FRAME_START)),
        ]
        m.d.comb += [
            fresh.eq((unit.left == 0) & ~unit.begun & ~unit.bad & (unit.place == receiver.FRAME_START)),
            Assume(~(unit.valid & unit.error)),
            Assert(~ended | fresh),
            Cover(ended & damaged),
        ]
