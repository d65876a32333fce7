"""Pace: when the next list entry may enter the array."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.latency import fold_gap


class Pace(wiring.Component):
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        gap, capturing = Signal(2), Signal(3)
        spacing = Signal(range(config.unit_cycles * config.lanes + 4))
        outstanding = Signal(range(config.out_depth + 1))
        room, spaced, is_4bit = Signal(), Signal(init=1), Signal()
        m.d.comb += [
            is_4bit.eq(self.precision == 0),
            self.fires.eq(
                self.valid & (gap == 0) & ~(is_4bit & (capturing != 0)) & (~self.last | (spaced & (room | ~self.emits)))
            ),
        ]
        # Two cycles old is recent enough: only the folds of a single lane may end so soon after each other.
        m.d.sync += [room.eq(outstanding <= config.out_depth - max(config.lanes, 2)), spaced.eq(spacing <= 1)]

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
        reserved = Signal(range(config.lanes + 1))
        m.d.sync += [
            reserved.eq(Mux(self.fires & self.last & self.emits, self.lanes + 1, 0)),
            outstanding.eq(outstanding + reserved - self.popped),
        ]
        return m
