"""Feeder: names the row sums that leave the array and hands them on at the cell unit's pace."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import (
    fold_layout,
    fold_shift_bits,
    of_sequence,
    pair_layout,
    rows_layout,
    sequence_of,
    set_sequence,
)
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig, bits_for

#: Cycles from naming rows to their sums: what memories take to answer.
READ = 2


class Feeder(wiring.Component):
    """Counts units and gates beside the drain chain.

    With two rows per cycle the chain's own pace fits and sums pass straight through; with one, a
    fold's pairs wait in a small memory. Fixed latency, no handshakes: folds are at least
    ``unit_cycles`` times their lanes apart.

    Parameters
    ----------
    config : EngineConfig
    array_latency : int
        From a capturing slot, which comes with ``fold``, to its pair at ``drain``.

    Members
    -------
    fold, fold_valid
        Comes in the cycle of the capturing slot at the array's input.
    unit_base
        First unit of the layer that drains, per sequence.
    drain
        Pairs from lane 0.
    rows, rows_valid
        Rows to fetch kept sums and parameters for; their sums come two cycles later.
    sums
        Row sums, one per way, in the scale of the layer's own image.
    """

    def __init__(self, config: EngineConfig, array_latency: int):
        self._config, self._array_latency = config, array_latency
        super().__init__(
            {
                "fold": In(fold_layout(config)),
                "fold_valid": In(1),
                "unit_base": In(data.ArrayLayout(config.unit_bits, config.sequences)),
                "drain": In(pair_layout(config)),
                "rows": Out(rows_layout(config)),
                "rows_valid": Out(1),
                "sums": Out(data.ArrayLayout(signed(config.acc_width), config.rows_per_cycle)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a pair at ``drain`` to its first row's sum."""
        return 0 if self._config.rows_per_cycle == 2 else 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        lead = self._array_latency + self.latency - READ  # from fold to its first rows
        begin = delayed(m, self.fold_valid, lead - 1, "begin")
        fold = Signal(fold_layout(config))
        m.d.comb += fold.eq(delayed(m, self.fold.as_value(), lead - 1, "fold"))

        running, lanes_left, last_fold = Signal(), Signal(bits_for(config.lanes)), Signal()
        unit, gate = Signal(config.unit_bits), Signal(2)
        sequence = Signal() if config.sequences > 1 else Const(0, 0)
        last_gate = gate == 4 - config.rows_per_cycle
        with m.If(running):
            m.d.sync += gate.eq(gate + config.rows_per_cycle)
            with m.If(last_gate):
                m.d.sync += [unit.eq(unit + 1), lanes_left.eq(lanes_left - 1), running.eq(lanes_left != 0)]
        with m.If(begin):
            m.d.sync += [running.eq(1), gate.eq(0), lanes_left.eq(fold.lanes), last_fold.eq(fold.last)]
            with m.If(fold.first):
                m.d.sync += unit.eq(of_sequence(self.unit_base, sequence_of(fold)))
            if config.sequences > 1:
                m.d.sync += sequence.eq(sequence_of(fold))
        m.d.comb += [
            self.rows_valid.eq(running),
            *set_sequence(self.rows, sequence),
            self.rows.unit.eq(unit),
            self.rows.gate.eq(gate),
            self.rows.last.eq(last_fold & (lanes_left == 0)),
        ]
        if config.rows_per_cycle == 2:
            sums = [self.drain.first, self.drain.second]
        else:
            sums = [self._elaborate_queue(m, running & (gate == 0), gate)]
        if config.monitor:
            held = Signal(fold_shift_bits(config))
            with m.If(begin):
                m.d.sync += held.eq(fold.shift)
            shift = delayed(m, held, READ, "shift")
            sums = [total << (shift << 2) for total in sums]
        for way, total in enumerate(sums):
            m.d.comb += self.sums[way].eq(total)
        return m

    def _elaborate_queue(self, m: Module, next_unit: Signal, gate: Signal) -> Value:
        """Write pairs at the chain's pace, read rows at half of it; two halves alternate by fold."""
        config = self._config
        place = bits_for(2 * config.lanes)
        m.submodules.queue = queue = Ram(pair_layout(config), 2 << place)
        arriving = delayed(m, self.fold_valid, self._array_latency, "arriving")
        w_half, w_place = Signal(), Signal(place + 1, init=1 << place)
        full = w_place[place]
        with m.If(~full):
            m.d.sync += w_place.eq(w_place + 1)
        with m.If(arriving):
            m.d.sync += [w_place.eq(1), w_half.eq(~w_half)]
        m.d.comb += [
            queue.w_addr.eq(Mux(arriving, Cat(Const(0, place), ~w_half), Cat(w_place[:place], w_half))),
            queue.w_data.eq(self.drain),
            # Beyond the lanes in use the chain holds leftovers; they are written and never read.
            queue.w_en.eq(arriving | ~full),
        ]
        r_half, r_place = Signal(), Signal(place - 1)
        began = delayed(m, self.fold_valid, self._array_latency + self.latency - READ, "began")
        now_place, now_half = Signal(place - 1), Signal()
        m.d.comb += [
            now_place.eq(Mux(began, 0, Mux(next_unit, r_place + 1, r_place))),
            now_half.eq(Mux(began, ~r_half, r_half)),
            queue.r_addr.eq(Cat(gate[1], now_place, now_half)),
        ]
        m.d.sync += [r_place.eq(now_place), r_half.eq(now_half)]
        second = delayed(m, gate[0], READ, "second")
        return Mux(second, queue.r_data.second, queue.r_data.first)
