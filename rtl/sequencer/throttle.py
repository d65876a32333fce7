"""Throttle: when the next list entry may enter the array."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from lstmith.rtl.layouts import offer_layout, single_of
from lstmith.spec.codes import Precision
from lstmith.spec.latency import unseen_units

#: Most words of an entry.
MOST_WORDS = Precision.W16.words


def entry_cycles(m: Module, word: Value, pair: Value, single: Value, *, together: bool) -> tuple[Signal, Signal]:
    """Cycles that an entry takes, and those until the capture if it is its fold's last.

    Parameters
    ----------
    m : Module
    word : unsigned(2)
        Width of a digit, a ``Precision``.
    pair : unsigned(1)
        The entry has two digits, of 8 bits at most.
    single : unsigned(1)
        A digit has one word, that of a unit's single row; always 0 in an engine without such layers.
    together : bool
        All four sums of a lane are captured together.

    Returns
    -------
    words : unsigned(3)
        Weight words.
    capture : unsigned(2)
        ``spec.latency.capture_delay``; one bit more where all four leave together.
    """
    words, capture = Signal(range(MOST_WORDS + 1)), Signal(range(MOST_WORDS + together))
    m.d.comb += [
        words.eq(1 << (Mux(single, 0, word) + pair)),
        # A word of 4-bit digits holds all rows, as that of a single row does; else the last one holds no more of gates
        # i and f.
        capture.eq(words if together else Mux((word == Precision.W4) | single, words, words - 1)),
    ]
    return words, capture


class IssueThrottle(wiring.Component):
    """Takes an entry when the one before has had its cycles.

    An entry of 4-bit digits also waits until the sums of the fold before have been captured, since it adds to all four
    rows. A fold's last entry also waits until the fold before has left the chain and the output queue has room. An
    entry that need not wait is taken in the cycle in which it comes.

    Parameters
    ----------
    lanes : int
        Lanes of the array.
    unit_cycles : int
        Cycles between two units that leave the array, 1, 2 or 4.
    slot_lanes : int
        Lanes that a slot reaches at a time: behind so many units comes one a cycle later. More than 1 with one cycle
        per unit only, when all sums of a unit leave together.
    out_depth : int
        Places of the output queue.
    single_rows : bool
        Whether units may have a single row.

    Members
    -------
    entry : In(stream of offer_layout(lanes, single_rows=single_rows))
        A transfer lets the entry into the array. ``ready`` depends on the payload, but not on ``valid``.
    popped : In(1)
        For one cycle per result that leaves the output queue.

    Attributes
    ----------
    outstanding : Signal
        Places of the output queue that are taken, without those of the cycle before; no part of the interface, proofs
        look at it.
    reserved : Signal
        Places that the entry of the cycle before has taken.
    """

    def __init__(self, *, lanes: int, unit_cycles: int, slot_lanes: int, out_depth: int, single_rows: bool = False):
        self._lanes, self._unit_cycles, self._out_depth = lanes, unit_cycles, out_depth
        self._slot_lanes = slot_lanes
        offer = offer_layout(lanes, single_rows=single_rows)
        super().__init__({"entry": In(stream.Signature(offer)), "popped": In(1)})
        self.outstanding = Signal(range(out_depth + 1))
        self.reserved = Signal(range(lanes + 1))

    @property
    def places_latency(self) -> int:
        """Cycles from a fold's end to the ``ready`` that knows its places in the output queue to be taken."""
        # Reserved, counted, compared.
        return 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        entry = self.entry.payload
        gap = Signal(range(MOST_WORDS + 1))
        capturing = Signal(range(MOST_WORDS + 1))
        spacing = Signal(range(self._unit_cycles * self._lanes + self._lanes // self._slot_lanes + MOST_WORDS))
        room, spaced, taken = Signal(), Signal(init=1), Signal()
        together = self._unit_cycles == 1
        words, capture = entry_cycles(m, entry.word, entry.pair, single_of(entry), together=together)
        adds_to_all = Const(0) if together else entry.word == Precision.W4
        m.d.comb += [
            self.entry.ready.eq(
                (gap == 0) & ~(adds_to_all & (capturing != 0)) & (~entry.last | (spaced & (room | ~entry.emits)))
            ),
            taken.eq(self.entry.valid & self.entry.ready),
        ]
        # A full fold must fit beside the units that ended since the count was taken.
        most = self._out_depth - self._lanes - unseen_units(self._unit_cycles)
        m.d.sync += [room.eq(self.outstanding <= most), spaced.eq(spacing <= 1)]

        for counter in (gap, capturing, spacing):
            with m.If(counter != 0):
                m.d.sync += counter.eq(counter - 1)
        with m.If(taken):
            m.d.sync += gap.eq(words - 1)
            with m.If(entry.last):
                # The next entry may follow in the cycle after the capture of gates i and f, or of all gates
                # (``spec.latency.fold_gap``); the next capture when the lanes have left.
                m.d.sync += [
                    gap.eq(capture),
                    capturing.eq(capture + 1),
                    spacing.eq(self._drained(entry.lanes) + capture - 2),
                    spaced.eq(0),
                ]
        m.d.sync += [
            self.reserved.eq(Mux(taken & entry.last & entry.emits, entry.lanes + 1, 0)),
            self.outstanding.eq(self.outstanding + self.reserved - self.popped),
        ]
        return m

    def _drained(self, last_lane: Value) -> Value:
        """Cycles from a fold's first capture to the next one's, ``spec.latency.unit_place`` and the last unit's own."""
        pauses = last_lane // self._slot_lanes if self._slot_lanes > 1 else 0
        return self._unit_cycles * (last_lane + 1) + pauses
