"""Issue: a fired list entry to the weight-word slots of the array."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig, bits_for

from .arith import delayed
from .feeder import fold_layout
from .sequencer import fire_layout
from .types import entry_layout, slot_layout

#: Cycles that the list memories take.
READ = 2


class Issue(wiring.Component):
    """Turns an entry into 1, 2 or 4 consecutive slots and a fold's end into captures.

    The first slot is at ``slot`` three cycles after ``fire``.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    fire, fire_valid
        From the sequencer.
    x_entry, h_entry
        The list memories' outputs, two cycles after ``fire``.
    load_address, load_lane, load_data, load_valid
        A weight word to write; only while idle.
    slot
        To lane 0.
        After a reset, one that clears the lanes.
    fold, fold_valid
        With the capturing slot: whose sums leave.
    word_valid
        A weight word is issued.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "fire": In(fire_layout(config)),
                "fire_valid": In(1),
                "x_entry": In(entry_layout(config, config.inputs)),
                "h_entry": In(entry_layout(config, config.units)),
                "load_address": In(config.address_bits),
                "load_lane": In(bits_for(config.lanes)),
                "load_data": In(16),
                "load_valid": In(1),
                "slot": Out(slot_layout(config)),
                "fold": Out(fold_layout(config)),
                "fold_valid": Out(1),
                "word_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config

        # Stages 1 and 2: the entry is read; place its first word.
        fire = Signal(fire_layout(config))
        m.d.comb += fire.eq(delayed(m, self.fire.as_value(), READ, "fire"))
        valid = delayed(m, self.fire_valid, READ, "fire_valid")
        column = Mux(fire.from_x, self.x_entry.column, self.h_entry.column)
        operand = Mux(fire.from_x, self.x_entry.operand, self.h_entry.operand)

        # Stage 3: words of the entry, one per cycle.
        address, value = Signal(config.address_bits), Signal(signed(config.operand_width))
        precision, sub, words_left = Signal(2), Signal(2), Signal(3)
        m.d.sync += [address.eq(address + 1), sub.eq(sub + 1)]
        with m.If(words_left != 0):
            m.d.sync += words_left.eq(words_left - 1)
        with m.If(valid):
            m.d.sync += [
                address.eq(fire.base + (column << fire.precision)),
                value.eq(Mux(fire.empty, 0, operand)),
                precision.eq(fire.precision),
                sub.eq(0),
                words_left.eq(1 << fire.precision),
            ]
        ending = Signal()
        m.d.sync += ending.eq(valid & fire.last)
        held = Signal(fold_layout(config))
        long_entry = Signal()
        with m.If(valid & fire.last):
            m.d.sync += [
                held.first.eq(fire.first_fold),
                held.last.eq(fire.last_fold),
                held.lanes.eq(fire.lanes),
                long_entry.eq(fire.precision == 2),
            ]

        # Captures follow the fold's last word: gates i and f beside or after it, g and o a cycle later.
        capture = delayed(m, ending & ~long_entry, 1, "capture_short") | delayed(
            m, ending & long_entry, 3, "capture_long"
        )
        second = delayed(m, capture, 1, "capture_second")
        # Lanes have no reset: a slot that captures everything clears them from end to end.
        clears = Signal(init=1)
        m.d.sync += clears.eq(0)
        m.d.comb += [
            self.word_valid.eq(words_left != 0),
            self.slot.valid.eq(words_left != 0),
            self.slot.address.eq(Mux(self.load_valid, self.load_address, address)),
            self.slot.operand.eq(Mux(self.load_valid, self.load_data.as_signed(), value)),
            self.slot.precision.eq(precision),
            self.slot.sub.eq(sub),
            self.slot.capture.eq(Cat(capture, second) | clears.replicate(2)),
            self.slot.load.eq(self.load_valid),
            self.slot.lane.eq(self.load_lane),
            self.fold.eq(held),
            self.fold_valid.eq(capture),
        ]
        return m
