"""Frames of the host link against another receiver: which are kept, and which are a HELLO."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Const, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Fault, proves
from lstmith.rtl.link import executor, receiver
from lstmith.spec.link_identity import IDENTITY_BYTES
from lstmith.spec.link_map import FRAME_BYTES_MIN, Command, Status

#: What a CRC-32 holds, before its last inversion, behind data that ends with its own CRC.
RESIDUE = 0xDEBB_20E3
#: Cycles in which a HELLO of eight bytes has come.
HELLO_CYCLES = 8 * receiver.BYTE_CYCLES + 2


def crc_bits(value: Any, byte: Any, bits: int) -> Any:
    """A CRC-32, as zlib has it and before its last inversion, behind so many more bits, the lowest first."""
    for index in range(bits):
        value = (value >> 1) ^ Mux(value[0] ^ byte[index], 0xEDB8_8320, 0)
    return value[:32]


class FrameBench(wiring.Component):
    """Any bytes, damage and releases, and a decoder that takes a byte and its CRC at once.

    What it says is compared with the receiver, and so is the receiver's state with its own.
    """

    def __init__(self) -> None:
        super().__init__({"data": In(8), "valid": In(1), "error": In(1), "release": In(receiver.TAILS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = receiver.FrameReceiver(identity=bytes(IDENTITY_BYTES))
        m.d.comb += [
            unit.data.eq(self.data),
            unit.valid.eq(self.valid),
            unit.error.eq(self.error),
            unit.release.eq(self.release),
            Assume(~(self.valid & self.error)),
        ]
        self._decode(m, unit)
        self._relate(m, unit)
        self.ask(m, unit)
        return m

    def _decode(self, m: Module, unit: Any) -> None:
        """The frame as it should be: ``right`` at the zero byte behind one whose CRC is right."""
        left, begun, hurt = Signal(8), Signal(), Signal()
        self.count, self.second, self.sum = Signal(range(512)), Signal(8), Signal(32, init=0xFFFF_FFFF)
        self.left, self.begun, self.hurt, self.since = left, begun, hurt, Signal(4, init=receiver.BYTE_CYCLES)
        zero = self.valid & (self.data == 0)
        byte = Mux(left == 0, 0, self.data)
        with m.If(zero):
            m.d.sync += [left.eq(0), begun.eq(0), hurt.eq(0), self.count.eq(0), self.sum.eq(self.sum.init)]
        with m.Elif(self.valid):
            m.d.sync += [begun.eq(1), left.eq(Mux(left == 0, self.data, left) - 1)]
            with m.If(begun & (self.count < 511)):
                m.d.sync += [self.count.eq(self.count + 1), self.sum.eq(crc_bits(self.sum, byte, 8))]
                with m.If(self.count == 1):
                    m.d.sync += self.second.eq(byte)
        with m.If(self.error):
            m.d.sync += hurt.eq(1)
        with m.If(self.valid):
            m.d.sync += self.since.eq(1)
        with m.Elif(self.since < receiver.BYTE_CYCLES):
            m.d.sync += self.since.eq(self.since + 1)
        m.d.comb += Assume(~self.valid | (self.since == receiver.BYTE_CYCLES))
        fits = (self.count >= FRAME_BYTES_MIN) & (self.count <= receiver.TAIL)
        self.right = Signal()
        m.d.comb += self.right.eq(zero & begun & (left == 0) & ~hurt & fits & (self.sum == RESIDUE))

    def _relate(self, m: Module, unit: Any) -> None:
        """The receiver's state is this decoder's, but for bits that are still to go into its CRC."""
        register = ~unit.check.crc
        m.d.comb += [
            Assert(unit.left == self.left),
            Assert(unit.begun == self.begun),
            Assert(unit.bad == (self.hurt | (self.count > receiver.TAIL))),
            Assert(unit.bad | (unit.place == receiver.FRAME_START + self.count)),
            Assert(self.begun | ((self.count == 0) & (self.left == 0))),
            Assert((unit.bits == 0) | (unit.bits + self.since == 9)),
            *(
                Assert(unit.bad | (unit.bits != bits) | (self.sum == crc_bits(register, unit.coded, bits)))
                for bits in range(9)
            ),
        ]

    def ask(self, m: Module, unit: Any) -> None:
        """What is claimed."""
        raise NotImplementedError


@proves(
    "full HELLO is heard",
    says="An undamaged HELLO is heard at its last byte whether there is a free buffer or not, and nothing else is one.",
    fault=Fault(
        receiver,
        "self.hello.eq(ends & greets & ~bad)",
        "self.hello.eq(ends & greets & ~bad & kept)",
    ),
    depth=2,
    cover=HELLO_CYCLES,
)
class HelloBench(FrameBench):
    def ask(self, m: Module, unit: Any) -> None:
        hello = self.right & (self.second == Command.HELLO) & (self.count == FRAME_BYTES_MIN)
        m.d.comb += [
            Assert(unit.hello == hello),
            Assert((self.count < 2) | unit.bad | (unit.is_hello == (self.second == Command.HELLO))),
            Cover(hello),
        ]


@proves(
    "frame is kept if its CRC is right",
    says="A frame with the right CRC fills a buffer if all were free when it began; none other ever fills one.",
    fault=Fault(receiver, "check.match_detected & ", ""),
    depth=2,
    cover=HELLO_CYCLES,
)
class CrcBench(FrameBench):
    def ask(self, m: Module, unit: Any) -> None:
        empty, was_right, was_empty, before = Signal(), Signal(), Signal(), Signal.like(unit.full)
        heard, filled = Signal(), Signal.like(unit.full)
        with m.If(self.valid & (self.data != 0) & ~self.begun):
            m.d.sync += empty.eq(unit.full == 0)
        m.d.sync += [
            was_right.eq(self.right),
            was_empty.eq(empty),
            heard.eq(unit.hello),
            before.eq(unit.full & ~self.release),
            filled.eq(unit.filled),
        ]
        # A cycle after its end a frame is written, and another one later its buffer is full.
        m.d.comb += [
            Assert(~unit.filled.any() | was_right),
            Assert(~(was_right & was_empty & ~heard) | unit.filled.any()),
            Assert(~(unit.full & ~before).any() | filled.any()),
            Assert((filled & ~unit.full) == 0),
            Assert(~unit.filled.any() | (self.since == 1)),
            Assert(~unit.filled.bit_select(unit.buffer, 1)),
            Assert(~(self.begun & empty) | unit.kept),
            Assert(~(self.begun & unit.kept) | ~unit.full.bit_select(unit.buffer, 1)),
            Cover((filled & unit.full).any()),
        ]


@proves(
    "repeat is refused",
    says="A request with another number than the expected one does nothing, counts for nothing and is rejected.",
    fault=Fault(executor, "with m.Elif(~frame.matches):", "with m.Elif(frame.matches & 0):"),
    depth=28,
    cover=28,
    enough="one request, from its buffer to its first action; how many cycles that takes is an estimate by hand",
)
class RepeatBench(wiring.Component):
    """A request of any bytes in a session; its number is the answer's first byte."""

    def __init__(self) -> None:
        super().__init__({"full": In(2), "r_data": In(8), "ready": In(1), "x_ready": In(1), "finished": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = executor.Executor()
        answered, other, began = Signal(3), Signal(), Signal(8)
        sent = unit.answer.valid & self.ready
        m.d.comb += [
            unit.full.eq(self.full),
            unit.r_data.eq(self.r_data),
            unit.answer.ready.eq(self.ready),
            unit.x.ready.eq(self.x_ready),
            unit.finished.eq(self.finished),
            unit.session.eq(1),
        ]
        with m.If(unit.release.any()):
            m.d.sync += [answered.eq(0), other.eq(0)]
        with m.Elif(sent & (answered < 7)):
            m.d.sync += answered.eq(answered + 1)
            with m.If(answered == 0):
                m.d.sync += [other.eq(unit.answer.payload != unit.frame.expected), began.eq(unit.frame.expected)]
        acts = unit.bus.w_en | unit.bus.r_en | unit.x.valid | unit.ring_release | unit.ring_seek
        m.d.comb += [
            Assert(~(other & acts)),
            Assert(~other | (unit.frame.expected == began)),
            Assert(~(other & sent & (answered == 2)) | (unit.answer.payload == Const(Status.REJECTED, 8))),
            Cover(other & unit.release.any()),
        ]
        return m
