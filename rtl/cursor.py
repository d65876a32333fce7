"""Cursor: the place in a pass's lists, and whether the entry there may be fetched."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig, bits_for
from lstmith.golden.timing import OPEN


class Cursor(wiring.Component):
    """Streams two list segments, a and then b, once per fold; b may still grow.

    An entry may be fetched when it is known whether another follows. What is known of the entry after
    this one is worked out beside it, for every place the cursor may go to, so that each cycle can fetch one
    and decides from registers alone.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    begins
        A pass begins; ``a_count``, ``b_count`` and ``b_whole`` are its own from the next cycle on.
    a_count
        Entries of a.
    b_count, b_whole
        Entries of b so far, and whether that is all.
    fetches
        The entry is fetched.
    ready
        It may be: ``OPEN`` cycles after ``begins`` at the earliest, two after ``b_count`` or ``b_whole`` say so.
    in_b, place
        Its segment, and its place there.
    last, empty
        It is its fold's last; there is none, in the whole fold.
    opens
        It is its fold's first.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        columns = max(config.units, config.inputs)
        count = unsigned(bits_for(columns + 1))
        super().__init__(
            {
                "begins": In(1),
                "a_count": In(count),
                "b_count": In(count),
                "b_whole": In(1),
                "fetches": In(1),
                "ready": Out(1),
                "in_b": Out(1),
                "place": Out(count),
                "last": Out(1),
                "empty": Out(1),
                "opens": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a_count = self.a_count
        b_count, whole = Signal.like(self.b_count), Signal()
        m.d.sync += [b_count.eq(self.b_count), whole.eq(self.b_whole)]

        # Of the entry here; all of b are of the same age.
        a_none, a_last = Signal(), Signal()
        b_some, b_more, b_last, b_whole = Signal(), Signal(), Signal(), Signal()
        m.d.comb += self.empty.eq(a_none & b_whole & ~b_some)
        known_b = b_more | (b_whole & (b_last | self.empty))
        known_a = ~a_last | b_some | b_whole
        wait = Signal(range(OPEN))
        m.d.comb += [
            self.ready.eq((wait == 0) & ((self.in_b & known_b) | (~self.in_b & known_a))),
            self.last.eq(b_whole & ((self.in_b & (b_last | self.empty)) | (~self.in_b & a_last & ~b_some))),
        ]

        after, after_that = Signal(len(a_count) + 1, init=1), Signal(len(a_count) + 1, init=2)
        ends_segment = self.last | (~self.in_b & a_last)
        at_start = self.fetches & ends_segment
        m.d.sync += [a_none.eq(a_count == 0), b_some.eq(b_count != 0), b_whole.eq(whole)]
        with m.If(at_start):
            m.d.sync += [a_last.eq(a_count == 1), b_more.eq(b_count > 1), b_last.eq(b_count == 1)]
        with m.Elif(self.fetches):
            m.d.sync += [
                a_last.eq(a_count == after_that),
                b_more.eq(b_count > after_that),
                b_last.eq(b_count == after_that),
            ]
        with m.Else():
            m.d.sync += [a_last.eq(a_count == after), b_more.eq(b_count > after), b_last.eq(b_count == after)]

        with m.If(self.fetches):
            m.d.sync += [self.place.eq(after), after.eq(after_that), after_that.eq(after_that + 1)]
            m.d.sync += self.opens.eq(self.last)
        with m.If(self.begins | at_start):
            m.d.sync += [self.place.eq(0), after.eq(1), after_that.eq(2)]
        with m.If(at_start):
            m.d.sync += self.in_b.eq(~self.last | a_none)
        with m.If(wait != 0):
            m.d.sync += [wait.eq(wait - 1), self.in_b.eq(a_none), self.opens.eq(1)]
        with m.If(self.begins):
            m.d.sync += wait.eq(OPEN - 1)
        return m
