"""Throttle: when the next list entry may enter the array."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from lstmith.rtl.layouts import offer_layout
from lstmith.spec.codes import Precision
from lstmith.spec.latency import capture_delay, fold_gap, unseen_units


class IssueThrottle(wiring.Component):
    """Takes an entry when the one before has had its cycles.

    A 4-bit entry also waits until the sums of the fold before have been captured, since it adds to all four rows. A
    fold's last entry also waits until the fold before has left the chain and the output queue has room. An entry that
    need not wait is taken in the cycle in which it comes.

    Parameters
    ----------
    lanes : int
        Lanes of the array.
    unit_cycles : int
        Cycles between two units that leave the array, 2 or 4.
    out_depth : int
        Places of the output queue.

    Members
    -------
    entry : In(stream of offer_layout(lanes))
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

    def __init__(self, *, lanes: int, unit_cycles: int, out_depth: int):
        self._lanes, self._unit_cycles, self._out_depth = lanes, unit_cycles, out_depth
        super().__init__({"entry": In(stream.Signature(offer_layout(lanes))), "popped": In(1)})
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
        most_words = Precision.W16.words
        gap = Signal(range(most_words))
        capturing = Signal(range(most_words + 1))
        spacing = Signal(range(self._unit_cycles * self._lanes + most_words))
        room, spaced, is_4bit, taken = Signal(), Signal(init=1), Signal(), Signal()
        m.d.comb += [
            is_4bit.eq(entry.precision == Precision.W4),
            self.entry.ready.eq(
                (gap == 0) & ~(is_4bit & (capturing != 0)) & (~entry.last | (spaced & (room | ~entry.emits)))
            ),
            taken.eq(self.entry.valid & self.entry.ready),
        ]
        # A full fold must fit beside the units that ended since the count was taken.
        most = self._out_depth - self._lanes - unseen_units(self._unit_cycles)
        m.d.sync += [room.eq(self.outstanding <= most), spaced.eq(spacing <= 1)]

        for counter in (gap, capturing, spacing):
            with m.If(counter != 0):
                m.d.sync += counter.eq(counter - 1)
        words = Signal(range(most_words + 1))
        m.d.comb += words.eq(1 << entry.precision)
        with m.If(taken):
            m.d.sync += gap.eq(words - 1)
            with m.If(entry.last):
                m.d.sync += [
                    gap.eq(Mux(is_4bit, fold_gap(1, 2), words) - 1),
                    capturing.eq(Mux(is_4bit, fold_gap(1, 1), words + 1) - 1),
                    # The capture comes this many cycles from now; the next may follow when the lanes have left.
                    spacing.eq(
                        self._unit_cycles * (entry.lanes + 1)
                        + Mux(entry.precision == Precision.W16, capture_delay(most_words), capture_delay(1))
                        - 2
                    ),
                    spaced.eq(0),
                ]
        m.d.sync += [
            self.reserved.eq(Mux(taken & entry.last & entry.emits, entry.lanes + 1, 0)),
            self.outstanding.eq(self.outstanding + self.reserved - self.popped),
        ]
        return m
