"""The frame that the executor works on: lengths of its parts, its last bytes, and signals that all states share."""

from __future__ import annotations

from struct import calcsize

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from lstmith.rtl.link.receiver import BUFFER_BYTES, FRAME_START
from lstmith.spec.link_map import (
    FETCH_HEAD,
    NARROW_HEAD,
    READ_HEAD,
    REQUEST_HEAD,
    STREAM_HEAD,
    UNSIGNED,
    WRITE_HEAD,
    Command,
    Status,
    StreamFlag,
)
from lstmith.spec.registers import DATA_BITS, READ_LATENCY

#: Bytes of a word of the bus, and of a value of the input stream.
WORD_BYTES, VALUE_BYTES = DATA_BITS // 8, 2
#: Where a frame's body begins, behind sequence and command.
BODY = FRAME_START + REQUEST_HEAD
#: Where the body's head ends, by command; words or values begin there.
HEAD_END = {
    Command.READ: BODY + calcsize(READ_HEAD),
    Command.WRITE: BODY + calcsize(WRITE_HEAD),
    Command.STREAM: BODY + calcsize(STREAM_HEAD),
    Command.FETCH: BODY + calcsize(FETCH_HEAD),
    Command.NARROW: BODY + calcsize(NARROW_HEAD),
}
#: Cycles from a read to its word: between executor and engine there is a register each way (rtl/link/core.py).
READ_CYCLES = READ_LATENCY + 2


def flag_bit(flag: int) -> int:
    """Place of a flag's bit."""
    return flag.bit_length() - 1


class Frame:
    """Registers and strobes that the executor's states share: the frame that is executed, and where they are in it.

    Attributes
    ----------
    place, buffer : Signal
        Byte of the buffer, and buffer, that is looked at.
    advance : Signal
        Strobe: go on to the next byte.
    settled : Signal
        The byte at ``place`` is there: it comes two cycles after ``place`` has changed, through memory and register.
    moved : Signal
        ``place`` has just changed, and a byte that was taken enters ``word`` at the end of this cycle.
    word : Signal
        The last four bytes, the newest one lowest; words go out of it by rotation.
    shift, rotate, load, widen, scale : Signal
        Strobes: a cycle later the byte at ``place`` enters ``word``; ``word`` turns by a byte; it becomes the word
        from the bus; its newest byte becomes a value of two; that value doubles.
    turns : Signal
        ``word`` turns at the end of this cycle.
    end : Signal
        Place behind the body.
    head_end : Signal
        Place behind the body's head.
    fits : Signal
        The body has a length that the command allows.
    command, flags, grid, address : Signal
        Fields of the request; ``address`` goes on from word to word.
    known, matches : Signal
        The request's command is a known one; its sequence number is the expected one.
    expected, status : Signal
        Fields of the answer: the sequence number that is expected next, and how the request went.
    waits : Signal
        Strobe: the engine is waited for.
    due : Signal
        What is waited for in this cycle is given up. A state looks at it beside what it waits for: whether any state
        waits is known late in the cycle.
    left : Signal
        Cycles, bytes or bits that are left in a state.
    """

    def __init__(self, buffers: int, address_bits: int):
        self.place = Signal(range(BUFFER_BYTES))
        self.buffer = Signal(range(buffers))
        self.advance = Signal()
        self.settled = Signal()
        self.moved = Signal(init=1)
        self.word = Signal(8 * WORD_BYTES)
        self.shift, self.rotate, self.load, self.widen, self.scale = (
            Signal(name=name) for name in ("shift", "rotate", "load", "widen", "scale")
        )
        self.turns = Signal()
        self.end = Signal(range(BUFFER_BYTES))
        self.head_end = Signal(range(BUFFER_BYTES))
        self.fits = Signal()
        self.command = Signal(range(max(Command) + 1))
        self.flags = Signal(8)
        self.grid = Signal(flag_bit(UNSIGNED) + 1)
        self.address = Signal(address_bits)
        self.known = Signal()
        self.matches = Signal()
        self.expected = Signal(8, reset_less=True)
        self.status = Signal(Status)
        self.waits = Signal()
        self.due = Signal()
        self.left = Signal(range(max(READ_CYCLES + 1, UNSIGNED)))

    def elaborate_word(self, m: Module, byte: Value, read: Value) -> None:
        """Change the last bytes as the strobes of the cycle before say: all states have a part in those.

        Parameters
        ----------
        m : Module
        byte : Value
            The byte at ``place``.
        read : Value
            Word from the bus.
        """
        shifts, loads, widens, scales = (Signal(name=name) for name in ("shifts", "loads", "widens", "scales"))
        m.d.sync += [
            shifts.eq(self.shift),
            self.turns.eq(self.rotate),
            loads.eq(self.load),
            widens.eq(self.widen),
            scales.eq(self.scale),
        ]
        oldest, others = self.word[-8:], self.word[:-8]
        newest, value = self.newest[0], Cat(self.newest[1], self.newest[0])
        with m.If(shifts | self.turns):
            m.d.sync += self.word.eq(Cat(Mux(shifts, byte, oldest), others))
        with m.If(loads):
            # The lowest byte goes out first, and each turn brings the next one.
            first, second, third, fourth = (read.word_select(place, 8) for place in range(WORD_BYTES))
            m.d.sync += self.word.eq(Cat(first, fourth, third, second))
        with m.If(widens):
            m.d.sync += value.eq(Cat(newest, (newest[-1] & ~self.grid[-1]).replicate(8)))
        with m.If(scales):
            m.d.sync += value.eq(value << 1)

    def elaborate_lengths(self, m: Module) -> None:
        """Work out where the body's head ends, and whether the body has a length that the command allows."""
        end, least = self.end, HEAD_END[Command.WRITE] + WORD_BYTES
        with m.Switch(self.command):
            with m.Case(Command.WRITE):
                m.d.comb += self.fits.eq((end[:2] == least % WORD_BYTES) & (end >= least))
            with m.Case(Command.STREAM):
                head = HEAD_END[Command.STREAM]
                m.d.comb += self.fits.eq((end[0] == head % VALUE_BYTES) & (end >= head))
            with m.Case(Command.NARROW):
                m.d.comb += self.fits.eq(end >= HEAD_END[Command.NARROW])
            with m.Case(Command.READ, Command.FETCH):
                m.d.comb += self.fits.eq(end == HEAD_END[Command.READ])
        with m.Switch(self.command):
            with m.Case(Command.WRITE):
                m.d.comb += self.head_end.eq(HEAD_END[Command.WRITE])
            with m.Case(Command.STREAM):
                m.d.comb += self.head_end.eq(HEAD_END[Command.STREAM])
            with m.Case(Command.NARROW):
                m.d.comb += self.head_end.eq(HEAD_END[Command.NARROW])
            with m.Default():
                m.d.comb += self.head_end.eq(HEAD_END[Command.READ])

    @property
    def newest(self) -> list[Value]:
        """The last four bytes, from the newest on."""
        return [self.word.word_select(age, 8) for age in range(WORD_BYTES)]

    @property
    def done(self) -> Value:
        """The body has been taken."""
        return self.place == self.end

    def flag(self, flag: StreamFlag) -> Value:
        """Whether the request has a flag."""
        return self.flags[flag_bit(flag)]
