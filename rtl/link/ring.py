"""The result ring: 16-bit words in a block memory, until the host releases them."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.spec.link_map import PLACES

#: Width of a word of the ring.
RING_WORD_BITS = 16
#: Width of a place, which counts words modulo ``PLACES``.
PLACE_BITS = (PLACES - 1).bit_length()


class ResultRing(wiring.Component):
    """Words come in, in two cycles each, and are read byte by byte from any place that was not released.

    Parameters
    ----------
    words : int
        A power of two, 2 to half of ``PLACES``.

    Members
    -------
    i : In(stream of 16 bits)
        Words; one every other cycle at most.
    release_place : In(PLACE_BITS)
        Place before which everything is freed; places count words since reset. Valid with ``release``.
    release : In(1)
        Frees words, for one cycle.
    seek_place : In(PLACE_BITS)
        Place to read on from, of a word that was not released; valid with ``seek``.
    seek : In(1)
        Reads on from another place, for one cycle.
    data : Out(8)
        The present byte of the word at the reading place, the lower one first; valid with ``ready`` and ``valid``.
    valid : Out(1)
        There is a word at the reading place; valid with ``ready``.
    ready : Out(1)
        The byte is there: from ``latency`` cycles after ``seek`` or ``next`` on.
    next : In(1)
        Goes on to the following byte, for one cycle.
    full : Out(1)
        No more words can come in; valid always.
    held : Out(1)
        There are words that were not released; valid always.

    Attributes
    ----------
    written, released : Signal
        Places behind the last word and of the first one kept; no part of the interface, proofs look at them.

    Raises
    ------
    TypeError
        If ``words`` is no power of two in its range.
    """

    def __init__(self, *, words: int):
        if not isinstance(words, int) or not 2 <= words <= PLACES // 2 or words & (words - 1):
            raise TypeError(f"Ring size must be a power of two up to {PLACES // 2}, not {words!r}")
        self._bits = words.bit_length() - 1
        super().__init__(
            {
                "i": In(stream.Signature(RING_WORD_BITS)),
                "release_place": In(PLACE_BITS),
                "release": In(1),
                "seek_place": In(PLACE_BITS),
                "seek": In(1),
                "data": Out(8),
                "valid": Out(1),
                "ready": Out(1),
                "next": In(1),
                "full": Out(1),
                "held": Out(1),
            }
        )
        self.written, self.released = Signal(self._bits + 1), Signal(self._bits + 1)

    @property
    def latency(self) -> int:
        """Cycles from ``seek`` or ``next`` to the byte: the reading place, the memory, and a register."""
        return 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self._bits
        # Places have one bit more than addresses, which tells a full ring from an empty one; bytes have another.
        m.submodules.memory = memory = Memory(shape=8, depth=2 << bits, init=[])
        write, read = memory.write_port(), memory.read_port()
        written, released, reading = self.written, self.released, Signal(bits + 2)
        upper, ahead = Signal(), Signal(bits + 1)
        # What is written comes straight from the engine's memories, so it waits a cycle, and so does the place.
        accepted, visible = Signal(), Signal(bits + 1)
        m.d.sync += [
            write.addr.eq(Cat(upper, written[:-1])),
            write.data.eq(self.i.payload.word_select(upper, 8)),
            write.en.eq(accepted),
            visible.eq(written),
        ]
        # Whether it is full decides much, so it is worked out a cycle before, for a word that comes and for none.
        first, grown, takes = Signal.like(released), Signal.like(written), Signal()
        m.d.comb += [
            first.eq(Mux(self.release, self.release_place, released)),
            grown.eq(written + 1),
            takes.eq(accepted & upper),
        ]
        m.d.sync += self.full.eq(Mux(takes, _apart(grown, first), _apart(written, first)))
        m.d.comb += [
            self.held.eq(written != released),
            accepted.eq(self.i.valid & ~self.full),
            # A word's first half has been taken only where the ring had room for both.
            self.i.ready.eq(upper),
            read.addr.eq(reading),
            read.en.eq(1),
            # A place beyond the last word looks as if more than the whole ring lay ahead.
            ahead.eq(visible - reading[1:]),
        ]
        # Memories answer late in the cycle, and the executor decides much by what is here.
        m.d.sync += [
            self.data.eq(read.data),
            self.valid.eq(reading[0] | ((ahead != 0) & ~(ahead[-1] & ahead[:-1].any()))),
        ]
        with m.If(accepted):
            m.d.sync += upper.eq(~upper)
            with m.If(upper):
                m.d.sync += written.eq(grown)
        m.d.sync += released.eq(first)
        moves, moved = self.seek | self.next, Signal()
        m.d.sync += [moved.eq(moves), self.ready.eq(~moves & ~moved)]
        with m.If(self.seek):
            m.d.sync += reading.eq(Cat(C(0, 1), self.seek_place))
        with m.Elif(self.next):
            m.d.sync += reading.eq(reading + 1)
        return m


def _apart(written: Value, released: Value) -> Value:
    """Whether places lie a whole ring apart."""
    return (written[:-1] == released[:-1]) & (written[-1] != released[-1])
