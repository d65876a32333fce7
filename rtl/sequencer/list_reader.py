"""List reader: the place in a pass's lists, and whether the entry there may be fetched."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.spec.config import bits_for
from lstmith.spec.latency import OPEN


class ListReader(wiring.Component):
    """Streams two list segments, a and then b, once per fold; b may still grow.

    An entry may be fetched when it is known whether another follows. What is known of the entry after
    this one is worked out beside it, for every place the reader may go to, so that each cycle can fetch one
    and decides from registers alone.

    Parameters
    ----------
    columns : int
        Most entries of a segment.

    Members
    -------
    begins : In(1)
        For one cycle: a pass begins; ``a_count``, ``b_count`` and ``b_whole`` are its own from the next cycle on.
    a_count : In(unsigned)
        Entries of a.
    b_count : In(unsigned)
        Entries of b so far.
    b_whole : In(1)
        That is all of b.
    fetches : In(1)
        The entry is fetched; only while ``ready``.
    ready : Out(1)
        It may be: ``OPEN`` cycles after ``begins`` at the earliest, ``LOOK`` after ``b_count`` or ``b_whole`` say so.
    in_b : Out(1)
        It is of segment b; while ``ready``, as all that follows.
    place : Out(unsigned)
        Its place in its segment.
    last : Out(1)
        It is its fold's last.
    empty : Out(1)
        There is none, in the whole fold.
    opens : Out(1)
        It is its fold's first.
    """

    def __init__(self, *, columns: int):
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

    @property
    def open_latency(self) -> int:
        """Cycles from ``begins`` to the first ``ready``, at the earliest."""
        return OPEN

    @property
    def look_latency(self) -> int:
        """Cycles from a change of ``b_count`` or ``b_whole`` to the ``ready`` that follows from it."""
        # The register that takes it, and that of what is known of an entry.
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a_count = self.a_count
        b_count, whole = Signal.like(self.b_count), Signal()
        m.d.sync += [b_count.eq(self.b_count), whole.eq(self.b_whole)]
        a_none, wait = Signal(), Signal(range(OPEN))
        after, after_that = Signal(len(a_count) + 1, init=1), Signal(len(a_count) + 1, init=2)

        # What is known of the entry here, of the next one in its segment, and of the first one of the segment after it.
        known, turns = Signal(), Signal()
        ends_segment = self.last | turns
        b_follows = ~self.last | a_none
        here, following, first = (
            self._look(m, name, in_b, place, b_count, whole, a_none)
            for name, in_b, place in (
                ("here", Mux(wait != 0, a_none, self.in_b), after),
                ("following", self.in_b, after_that),
                ("first", b_follows, Const(1, len(after))),
            )
        )
        at_start = self.fetches & ends_segment
        state = Signal(data.StructLayout({"known": 1, "last": 1, "turns": 1, "empty": 1}))
        with m.If(at_start):
            m.d.sync += state.eq(first)
        with m.Elif(self.fetches):
            m.d.sync += state.eq(following)
        with m.Else():
            m.d.sync += state.eq(here)
        m.d.sync += a_none.eq(a_count == 0)
        m.d.comb += [
            known.eq(state.known),
            turns.eq(state.turns),
            self.last.eq(state.last),
            self.empty.eq(state.empty),
            self.ready.eq(known & (wait == 0)),
        ]

        with m.If(self.fetches):
            m.d.sync += [self.place.eq(after), after.eq(after_that), after_that.eq(after_that + 1)]
            m.d.sync += self.opens.eq(self.last)
        with m.If(self.begins | at_start):
            m.d.sync += [self.place.eq(0), after.eq(1), after_that.eq(2)]
        with m.If(at_start):
            m.d.sync += self.in_b.eq(b_follows)
        with m.If(wait != 0):
            m.d.sync += [wait.eq(wait - 1), self.in_b.eq(a_none), self.opens.eq(1)]
        with m.If(self.begins):
            m.d.sync += wait.eq(OPEN - 1)
        return m

    def _look(
        self, m: Module, name: str, in_b: Value, after: Value, b_count: Signal, whole: Signal, a_none: Signal
    ) -> Value:
        """Of an entry of a segment and the place after it: known, last of the fold, turns from a to b, empty."""
        some, more, b_last, a_last, empty = (
            Signal(name=f"{name}_{part}") for part in ("some", "more", "b_last", "a_last", "empty")
        )
        m.d.comb += [
            some.eq(b_count != 0),
            more.eq(b_count > after),
            b_last.eq(b_count == after),
            a_last.eq(self.a_count == after),
            empty.eq(a_none & whole & ~some),
        ]
        known = Mux(in_b, more | (whole & (b_last | empty)), ~a_last | some | whole)
        last = whole & Mux(in_b, b_last | empty, a_last & ~some)
        return Cat(known, last, ~in_b & a_last, empty)
