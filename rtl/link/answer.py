"""Answers: bytes to COBS frames with CRC, encoded in place, and on to the serial port."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import crc, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.spec.link_map import CRC_BYTES, FRAME_BYTES

BUFFER_BYTES = 256
#: Place of the first byte; the code byte before it is known when the next zero comes.
_FIRST = 1
#: Cycles to turn a byte around and to write it.
_BYTE_TURN = 8 + 1
#: Place behind the longest body.
BODY_END = _FIRST + FRAME_BYTES - CRC_BYTES


class AnswerBuilder(wiring.Component):
    """Encodes an answer: a byte every ``byte_cycles`` cycles.

    Each place of the buffer is written when it is known: a byte that is not zero at once; a zero becomes the
    code byte of what follows, so the code byte before it can be written. A zero byte ends the frame.

    Members
    -------
    i : In(stream of 8 bits)
        The answer's bytes, without its CRC.
    finish : In(1)
        Ends the answer; held until ``finished``.
    sending : In(1)
        The other buffer is not free yet; valid always.
    finished : Out(1)
        The frame is complete and the other buffer is free, for one cycle.
    body_full : Out(1)
        The longest body is complete; valid while ``i`` is ready.
    w_addr : Out(range(BUFFER_BYTES))
        Place in the buffer to write; valid with ``w_en``.
    w_data : Out(8)
        Byte to write; valid with ``w_en``.
    w_en : Out(1)
        Writes a byte at the end of this cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "finish": In(1),
                "sending": In(1),
                "finished": Out(1),
                "body_full": Out(1),
                "w_addr": Out(8),
                "w_data": Out(8),
                "w_en": Out(1),
            }
        )

    @property
    def byte_cycles(self) -> int:
        """Cycles from taking a byte to taking the next one: its bits enter the CRC, then it is written."""
        return 1 + _BYTE_TURN

    @property
    def latency(self) -> int:
        """Cycles from ``finish`` to ``finished`` if the other buffer is free."""
        # The CRC's bytes, the last code byte, and the zero byte.
        return CRC_BYTES * _BYTE_TURN + 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.check = check = crc.catalog.CRC32_ISO_HDLC(data_width=1).create()
        place, code = Signal(8, init=_FIRST), Signal(8)

        # A byte turns around once and leaves its bits in the CRC. In the tail the CRC's own bits come in its
        # place; they cancel what the CRC would feed back, so that it only shifts.
        byte, bits, tail = Signal(8), Signal(range(8)), Signal(range(CRC_BYTES + 1))
        turns, closes, ends, puts = Signal(), Signal(), Signal(), Signal()
        in_tail = tail != 0
        bit = Mux(in_tail, check.crc[0], byte[0])
        m.d.comb += [check.valid.eq(turns), check.data.eq(bit ^ in_tail), check.start.eq(self.finished)]
        with m.If(self.i.ready):
            m.d.sync += byte.eq(self.i.payload)
        with m.Elif(turns):
            m.d.sync += byte.eq(Cat(byte[1:], bit))

        zero = (byte == 0) | closes
        m.d.comb += [
            self.w_addr.eq(Mux(zero | ends, code, place)),
            self.w_data.eq(Mux(ends, 0, Mux(zero, place - code, byte))),
            self.w_en.eq(puts | ends),
            self.body_full.eq(place == BODY_END),
        ]
        with m.If(self.finished):
            m.d.sync += [place.eq(_FIRST), code.eq(0)]
        with m.Elif(puts):
            m.d.sync += place.eq(place + 1)
            with m.If(zero):
                m.d.sync += code.eq(place)

        with m.FSM():
            with m.State("Wait"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.finish):
                    m.d.sync += tail.eq(CRC_BYTES)
                with m.If(self.i.valid | self.finish):
                    m.next = "Turn"
            with m.State("Turn"):
                m.d.comb += turns.eq(1)
                m.d.sync += bits.eq(bits + 1)
                with m.If(bits == 7):
                    m.next = "Put"
            with m.State("Put"):
                m.d.comb += puts.eq(1)
                m.next = "Wait"
                with m.If(in_tail):
                    m.d.sync += tail.eq(tail - 1)
                    m.next = "Turn"
                with m.If(tail == 1):
                    m.next = "Close"
            with m.State("Close"):
                m.d.comb += [puts.eq(1), closes.eq(1)]
                m.next = "End"
            with m.State("End"):
                m.d.comb += ends.eq(1)
                with m.If(~self.sending):
                    m.d.comb += self.finished.eq(1)
                    m.next = "Wait"
        return m


class AnswerSender(wiring.Component):
    """Builds an answer in one buffer while the one before is sent from the other.

    Members
    -------
    i : In(stream of 8 bits)
        See :class:`AnswerBuilder`, as for the following three ports.
    finish : In(1)
        Ends the answer; held until ``finished``.
    finished : Out(1)
        The answer is complete and begins to be sent, for one cycle.
    body_full : Out(1)
        The longest body is complete; valid while ``i`` is ready.
    abort : In(1)
        Forgets what was built, for one cycle; an answer that is being sent stays whole.
    o : Out(stream of 8 bits)
        Bytes for the serial port; each comes two cycles after ``valid`` or after the one before was taken.
    sending : Out(1)
        An answer is being sent; valid always.
    """

    def __init__(self) -> None:
        self._builder = AnswerBuilder()
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "finish": In(1),
                "finished": Out(1),
                "body_full": Out(1),
                "abort": In(1),
                "o": Out(stream.Signature(8)),
                "sending": Out(1),
            }
        )

    @property
    def byte_cycles(self) -> int:
        """Cycles from taking a byte to taking the next one."""
        return self._builder.byte_cycles

    @property
    def latency(self) -> int:
        """Cycles from ``finish`` to ``finished`` if no answer is being sent."""
        return self._builder.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        builder = self._builder
        m.submodules.builder = ResetInserter(self.abort)(builder)
        m.submodules.memory = memory = Memory(shape=8, depth=2 * BUFFER_BYTES, init=[])
        write, read = memory.write_port(), memory.read_port()
        connect(m, flipped(self.i), builder.i)
        buffer, sent = Signal(), Signal(8)
        m.d.comb += [
            builder.finish.eq(self.finish),
            builder.sending.eq(self.sending),
            self.finished.eq(builder.finished & ~self.abort),
            self.body_full.eq(builder.body_full),
            read.addr.eq(Cat(sent, ~buffer)),
            read.en.eq(1),
            self.o.valid.eq(self.sending),
        ]
        # What the builder writes was decided in the same cycle, so it waits for one; what is written last is sent last.
        m.d.sync += [
            write.addr.eq(Cat(builder.w_addr, buffer)),
            write.data.eq(builder.w_data),
            write.en.eq(builder.w_en),
            self.o.payload.eq(read.data),
        ]
        with m.If(self.finished):
            m.d.sync += [self.sending.eq(1), sent.eq(0), buffer.eq(~buffer)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += sent.eq(sent + 1)
            with m.If(self.o.payload == 0):
                m.d.sync += self.sending.eq(0)
        return m
