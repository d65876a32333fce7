"""List reader: the place in a pass's lists, and whether the entry there may be fetched."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
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
        # Of a bit more than a single entry needs, so that comparisons with two are none of constants.
        count = unsigned(max(2, bits_for(columns + 1)))
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
        m.d.sync += a_none.eq(a_count == 0)
        none = a_none & whole & (b_count == 0)

        # Where a segment begins, its count alone tells what is known of its first entry.
        turns, at_start, opening = Signal(), Signal(), wait != 0
        b_first = Mux(opening, a_none, ~self.last | a_none)
        m.d.comb += at_start.eq(self.fetches & (self.last | turns))
        first_count = Mux(b_first, b_count, a_count)
        # Within it, what follows the entry after this one was counted a cycle ago, before the latest fetch.
        after, gap = Signal.like(a_count, init=1), Signal(signed(len(a_count) + 1))
        fetched, fresh = Signal(), Signal()
        anew = opening | at_start
        m.d.sync += [
            gap.eq(Mux(self.in_b, self.b_count, a_count) - after),
            fetched.eq(self.fetches),
            fresh.eq(anew),
        ]
        count = Mux(self.in_b, b_count, a_count)

        # What is known of the entry here, of the next one in its segment, and of the first one of the segment after it.
        first = self._known(b_first, first_count > 1, first_count == 1, b_count, whole, none)
        here, following = (
            self._known(
                self.in_b,
                Mux(fresh, count > steps + 1, Mux(fetched, gap > steps + 1, gap > steps)),
                Mux(fresh, count == steps + 1, Mux(fetched, gap == steps + 1, gap == steps)),
                b_count,
                whole,
                none,
            )
            for steps in range(2)
        )
        state = Signal(data.StructLayout({"known": 1, "last": 1, "turns": 1, "empty": 1}))
        m.d.sync += state.eq(Mux(anew, first, Mux(self.fetches, following, here)))
        m.d.comb += [
            turns.eq(state.turns),
            self.last.eq(state.last),
            self.empty.eq(state.empty),
            self.ready.eq(state.known & ~opening),
        ]

        with m.If(self.fetches):
            m.d.sync += [self.place.eq(after), after.eq(after + 1)]
            m.d.sync += self.opens.eq(self.last)
        with m.If(self.begins | at_start):
            m.d.sync += [self.place.eq(0), after.eq(1)]
        with m.If(at_start):
            m.d.sync += self.in_b.eq(b_first)
        with m.If(opening):
            m.d.sync += [wait.eq(wait - 1), self.in_b.eq(a_none), self.opens.eq(1)]
        with m.If(self.begins):
            m.d.sync += wait.eq(OPEN - 1)
        return m

    @staticmethod
    def _known(in_b: Value, more: Value, is_last: Value, b_count: Signal, whole: Signal, none: Value) -> Value:
        """Of an entry: known, last of the fold, turns from a to b, empty.

        More follow it so far, or it is its segment's last so far; b may still grow.
        """
        some = b_count != 0
        known = Mux(in_b, more | (whole & (is_last | none)), ~is_last | some | whole)
        last = whole & Mux(in_b, is_last | none, is_last & ~some)
        return Cat(known, last, ~in_b & is_last, none)
