"""A queue whose oldest entry is in a register: block memories answer late in the cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim import parameters as check


class HeadQueue(wiring.Component):
    """Takes and gives an entry per cycle; one that finds it empty is at its head ``latency`` cycles later.

    Parameters
    ----------
    width : int
        Bits of an entry.
    places : int
        Entries that always have room.
    spare : bool
        Whether a second register takes what the memory gives while the oldest entry stays: ``r_en``, if it comes
        late in the cycle, then reaches the two registers alone, in place of the memory, its places and their count.
        It costs ``width`` flip-flops and lookup tables.

    Members
    -------
    w_data : In(width)
        The entry to take; valid with ``w_en``.
    w_en : In(1)
        Takes an entry, if ``w_rdy``.
    w_rdy : Out(1)
        There is room; valid always.
    r_data : Out(width)
        The oldest entry, from a register; valid with ``r_rdy``, and known always.
    r_rdy : Out(1)
        There is an entry at the head; valid always.
    r_en : In(1)
        Goes on to the next entry, if ``r_rdy``.
    level : Out(range(places + 3 + spare))
        Entries that it holds; valid always.

    Attributes
    ----------
    latency : int
        Cycles from an entry that finds the queue empty to ``r_rdy``: into the memory, out of it, the register.
    fifo : SyncFIFOBuffered
        All entries but the oldest; no part of the interface, proofs look at it.

    Raises
    ------
    TypeError
        If a number is no integer.
    ValueError
        If a number is out of range.
    """

    latency = 3

    def __init__(self, *, width: int, places: int, spare: bool = False):
        self._spare = spare
        check.integer("Queue width", width, 1)
        # The register behind its memory may be empty while that is full.
        self.fifo = SyncFIFOBuffered(width=width, depth=check.integer("Queue places", places, 1) + 1)
        super().__init__(
            {
                "w_data": In(width),
                "w_en": In(1),
                "w_rdy": Out(1),
                "r_data": Out(width),
                "r_rdy": Out(1),
                "r_en": In(1),
                "level": Out(range(places + 3 + spare)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = self.fifo
        follows, oldest = Signal(), Signal(len(self.r_data), reset_less=True)
        given_valid, given = self._given(m, follows)
        m.d.comb += [
            fifo.w_data.eq(self.w_data),
            fifo.w_en.eq(self.w_en),
            self.w_rdy.eq(fifo.w_rdy),
            follows.eq(~self.r_rdy | self.r_en),
        ]
        with m.If(follows):
            m.d.sync += self.r_rdy.eq(given_valid)
            # The memory holds nothing that is known before its first word.
            with m.If(given_valid):
                m.d.sync += oldest.eq(given)
        m.d.comb += self.r_data.eq(oldest)
        return m

    def _given(self, m: Module, follows: Signal) -> tuple[Signal, Signal]:
        """Whether there is an entry behind the oldest one, and which; it is taken if the oldest one ``follows``."""
        fifo = self.fifo
        if not self._spare:
            m.d.comb += [fifo.r_en.eq(follows), self.level.eq(fifo.level + self.r_rdy)]
            return fifo.r_rdy, fifo.r_data
        held, spare = Signal(), Signal(len(self.r_data), reset_less=True)
        given_valid, given = Signal(), Signal.like(spare)
        m.d.comb += [
            fifo.r_en.eq(~held),
            given_valid.eq(held | fifo.r_rdy),
            given.eq(Mux(held, spare, fifo.r_data)),
            self.level.eq(fifo.level + self.r_rdy + held),
        ]
        m.d.sync += held.eq(given_valid & ~follows)
        with m.If(~held):
            m.d.sync += spare.eq(fifo.r_data)
        return given_valid, given
