"""A queue whose oldest entry is in a register: block memories answer late in the cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
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
    level : Out(range(places + 3))
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

    def __init__(self, *, width: int, places: int):
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
                "level": Out(range(places + 3)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = self.fifo
        follows, oldest = Signal(), Signal(len(self.r_data), reset_less=True)
        m.d.comb += [
            fifo.w_data.eq(self.w_data),
            fifo.w_en.eq(self.w_en),
            self.w_rdy.eq(fifo.w_rdy),
            follows.eq(~self.r_rdy | self.r_en),
            fifo.r_en.eq(follows),
            self.level.eq(fifo.level + self.r_rdy),
        ]
        with m.If(follows):
            m.d.sync += self.r_rdy.eq(fifo.r_rdy)
            # The memory holds nothing that is known before its first word.
            with m.If(fifo.r_rdy):
                m.d.sync += oldest.eq(fifo.r_data)
        m.d.comb += self.r_data.eq(oldest)
        return m
