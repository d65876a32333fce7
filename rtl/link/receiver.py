"""Receiver: bytes of the serial port to frames in a buffer, as spec/link_map.py describes them."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import crc, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.spec.link_identity import IDENTITY_BYTES
from lstmith.spec.link_map import CRC_BYTES, FRAME_BYTES, FRAME_BYTES_MIN, Command

#: A buffer holds one frame.
BUFFER_BYTES = 256
#: A buffer's first byte is the address behind its frame's body; then come sequence, command and body.
FRAME_START = 1
#: Fewest cycles between two bytes: the CRC takes one for each bit.
BYTE_CYCLES = 12
#: Buffers that share the identity, and where it begins in each; frames do not reach it.
TAILS = 2
TAIL = BUFFER_BYTES - IDENTITY_BYTES // TAILS


def check_buffers(buffers: int) -> int:
    """A number of buffers, if it is one; TypeError is raised otherwise."""
    if not isinstance(buffers, int) or buffers < TAILS or buffers & (buffers - 1):
        raise TypeError(f"Number of buffers must be a power of two from {TAILS} on, not {buffers!r}")
    return buffers


class FrameReceiver(wiring.Component):
    """Decodes COBS, checks the CRC and keeps what is right; everything else leaves no trace.

    A frame whose CRC is right is in the buffer two cycles after its zero byte has come, or, if it is a HELLO, strobes
    ``hello`` with that byte, whether there is a free buffer or not. A frame that comes when there is none is lost.

    Parameters
    ----------
    identity : bytes
        ``IDENTITY_BYTES`` bytes behind the frames: half of them at ``TAIL`` of each of the first two buffers.
    buffers : int
        Frames that it holds, a power of two from 2 on.

    Members
    -------
    data : In(8)
        Byte from the serial port; valid with ``valid``.
    valid : In(1)
        There is a byte, for one cycle; the next one comes ``BYTE_CYCLES`` cycles later or more.
    error : In(1)
        A byte was damaged, for one cycle.
    hello : Out(1)
        There was a HELLO, for one cycle; all buffers are free afterwards.
    sequence : Out(8)
        Sequence number of the latest frame; of the HELLO with ``hello``.
    full : Out(buffers)
        A bit per buffer: it holds a frame; valid always.
    release : In(buffers)
        Frees a buffer, for one cycle.
    r_addr : In(range(buffers * BUFFER_BYTES))
        Byte to read, the buffer above the place; every cycle.
    r_data : Out(8)
        The byte at the address of one cycle ago.

    Attributes
    ----------
    bad : Signal
        The frame that comes is damaged or too long.
    left, begun, place : Signal
        Bytes of the frame before its next zero, whether it has begun, and where its next byte goes.
    buffer, kept, is_hello : Signal
        Where the frame is written, whether there was a free buffer when it began, and whether it is a HELLO.
    filled : Signal
        A bit per buffer: from the next cycle on it holds a frame.
    check, coded, bits : Processor, Signal, Signal
        The CRC, the rest of the byte that goes into it, and how many bits that has. All of these are no part of the
        interface, proofs look at them.

    Raises
    ------
    TypeError
        If ``buffers`` is no power of two from ``TAILS`` on.
    ValueError
        If the identity is too short or too long.
    """

    def __init__(self, *, identity: bytes, buffers: int = TAILS):
        if len(identity) != IDENTITY_BYTES or TAIL < FRAME_BYTES:
            raise ValueError(f"Identity must have {IDENTITY_BYTES} bytes, not {len(identity)}")
        self._identity, self._buffers = identity, check_buffers(buffers)
        super().__init__(
            {
                "data": In(8),
                "valid": In(1),
                "error": In(1),
                "hello": Out(1),
                "sequence": Out(8),
                "full": Out(buffers),
                "release": In(buffers),
                "r_addr": In(range(buffers * BUFFER_BYTES)),
                "r_data": Out(8),
            }
        )
        self.left, self.begun, self.bad = Signal(8), Signal(), Signal()
        self.place = Signal(8, init=FRAME_START)
        self.buffer, self.kept, self.is_hello = Signal(range(buffers)), Signal(), Signal()
        self.filled = Signal(buffers)
        self.check = crc.catalog.CRC32_ISO_HDLC(data_width=1).create()
        self.coded, self.bits = Signal(8), Signal(range(9))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        half = IDENTITY_BYTES // TAILS
        content = b"".join(
            bytes(TAIL) + self._identity[start : start + half] for start in range(0, IDENTITY_BYTES, half)
        )
        m.submodules.memory = memory = Memory(shape=8, depth=self._buffers * BUFFER_BYTES, init=content)
        write, read = memory.write_port(), memory.read_port()
        m.submodules.check = check = self.check
        m.d.comb += [read.addr.eq(self.r_addr), read.en.eq(1), self.r_data.eq(read.data)]

        # COBS: a code byte says how many bytes lie before the next zero, which it stands for.
        left, begun, bad, place = self.left, self.begun, self.bad, self.place
        buffer, kept, is_hello = self.buffer, self.kept, self.is_hello
        is_code, ends = left == 0, Signal()
        decoded, pushes = Signal(8), Signal()
        m.d.comb += [
            ends.eq(self.valid & (self.data == 0)),
            pushes.eq(self.valid & ~ends & (begun | ~is_code)),
            decoded.eq(Mux(is_code, 0, self.data)),
        ]
        free = ~self.full.bit_select(buffer, 1)
        with m.If(self.valid & ~ends):
            m.d.sync += [begun.eq(1), left.eq(Mux(is_code, self.data, left) - 1)]
            with m.If(~begun):
                m.d.sync += kept.eq(free)

        # The CRC of a byte takes eight of the cycles until the next one.
        coded, bits = self.coded, self.bits
        with m.If(pushes):
            m.d.sync += [coded.eq(decoded), bits.eq(8)]
        with m.Elif(bits != 0):
            m.d.sync += [coded.eq(coded[1:]), bits.eq(bits - 1)]
        m.d.comb += [check.data.eq(coded[0]), check.valid.eq(bits != 0), check.start.eq(ends)]

        # The last byte of the longest frame, of its CRC, would already lie in the tail.
        in_tail = place[5:].all()
        with m.If(pushes):
            m.d.sync += place.eq(place + 1)
            with m.If(in_tail & (place[:5] != 0)):
                m.d.sync += bad.eq(1)
            with m.If(place == FRAME_START):
                m.d.sync += self.sequence.eq(decoded)
            with m.If(place == FRAME_START + 1):
                m.d.sync += is_hello.eq(decoded == Command.HELLO)
        with m.If(self.error):
            m.d.sync += bad.eq(1)

        least = FRAME_START + FRAME_BYTES_MIN
        greets, keeps, taken = Signal(), Signal(), Signal()
        # Nothing of this moves in the last cycles before a byte.
        whole = check.match_detected & (place >= least) & begun & is_code
        shortest = is_hello & (place == least)
        m.d.sync += [greets.eq(whole & shortest), keeps.eq(whole & kept & ~shortest)]
        m.d.comb += [self.hello.eq(ends & greets & ~bad), taken.eq(ends & keeps & ~bad)]
        # The memory may lie far away: what is written waits a cycle, and so does the word that the frame is there.
        m.d.sync += [
            # The body's end; pushes and ends never coincide.
            write.addr.eq(Cat(Mux(ends, 0, place), buffer)),
            write.data.eq(Mux(ends, place - CRC_BYTES, decoded)),
            write.en.eq(Mux(ends, taken, pushes & kept & ~in_tail)),
            self.filled.eq(Mux(taken, 1 << buffer, 0)),
        ]
        with m.If(ends):
            m.d.sync += [left.eq(0), begun.eq(0), bad.eq(0), place.eq(FRAME_START)]
        m.d.sync += self.full.eq((self.full & ~self.release) | self.filled)
        with m.If(taken):
            m.d.sync += buffer.eq(buffer + 1)
        with m.If(self.hello):
            m.d.sync += [self.full.eq(0), buffer.eq(0)]
        return m
