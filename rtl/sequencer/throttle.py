"""Throttle: when the next list entry may enter the array."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.latency import fold_gap, unseen_units


class IssueThrottle(wiring.Component):
    """Fires an entry when the one before has had its cycles; a 4-bit entry also waits until the sums of
    the fold before have been captured, since it adds to all four rows. A fold's last entry also waits until
    the fold before has left the chain and the output queue has room.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    valid, precision, last, lanes, emits
        The entry; of a fold's last one the lanes in use, minus 1, and whether its units are sent.
    popped
        One result left the output queue.
    fires
        The entry enters the array.

    Attributes
    ----------
    outstanding : Signal
        Places of the output queue that are taken, without those of the cycle before; no part of the interface, proofs
        look at it.
    reserved : Signal
        Places that the entry of the cycle before has taken.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "valid": In(1),
                "precision": In(2),
                "last": In(1),
                "lanes": In(unsigned(bits_for(config.lanes))),
                "emits": In(1),
                "popped": In(1),
                "fires": Out(1),
            }
        )
        self.outstanding = Signal(range(config.out_depth + 1))
        self.reserved = Signal(range(config.lanes + 1))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        gap, capturing = Signal(2), Signal(3)
        spacing = Signal(range(config.unit_cycles * config.lanes + 4))
        room, spaced, is_4bit = Signal(), Signal(init=1), Signal()
        m.d.comb += [
            is_4bit.eq(self.precision == 0),
            self.fires.eq(
                self.valid & (gap == 0) & ~(is_4bit & (capturing != 0)) & (~self.last | (spaced & (room | ~self.emits)))
            ),
        ]
        # A full fold must fit beside the units that ended since the count was taken.
        most = config.out_depth - config.lanes - unseen_units(config)
        m.d.sync += [room.eq(self.outstanding <= most), spaced.eq(spacing <= 1)]

        for counter in (gap, capturing, spacing):
            with m.If(counter != 0):
                m.d.sync += counter.eq(counter - 1)
        words = Signal(3)
        m.d.comb += words.eq(1 << self.precision)
        with m.If(self.fires):
            m.d.sync += gap.eq(words - 1)
            with m.If(self.last):
                m.d.sync += [
                    gap.eq(Mux(is_4bit, fold_gap(1, 2), words) - 1),
                    capturing.eq(Mux(is_4bit, fold_gap(1, 1), words + 1) - 1),
                    # Capture is words - 1 (at least 1) cycles from now; the next may follow when the lanes have left.
                    spacing.eq(config.unit_cycles * (self.lanes + 1) + Mux(self.precision == 2, 3, 1) - 2),
                    spaced.eq(0),
                ]
        m.d.sync += [
            self.reserved.eq(Mux(self.fires & self.last & self.emits, self.lanes + 1, 0)),
            self.outstanding.eq(self.outstanding + self.reserved - self.popped),
        ]
        return m
