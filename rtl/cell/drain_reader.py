"""Drain reader: tells which unit and gates the row sums belong to that leave the array, and slows them down."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import (
    drain_layout,
    fold_layout,
    of_sequence,
    rows_layout,
    sequence_of,
    set_sequence,
)
from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import BLOCK, RAM_LATENCY, Ram
from lstmith.spec.codes import Gate
from lstmith.spec.config import EngineConfig, bits_for


class DrainReader(wiring.Component):
    """Counts units and gates beside the drain chain, so that it can tell to which of them each sum belongs.

    A cell unit that takes two or four rows per cycle takes sums as they come out of the chain. For one that takes a
    single row per cycle, a fold's pairs wait in a small memory. There are no handshakes, since folds come at least
    ``unit_cycles`` times their lanes after each other.

    Parameters
    ----------
    config : EngineConfig
        The drain reader reads ``lanes``, ``units``, ``rows_per_cycle``, ``acc_width`` and ``sequences``.
    array_latency : int
        Cycles from a capturing slot, which comes with ``fold``, to its pair at ``drain``.

    Members
    -------
    fold : In(fold_layout)
        The fold whose sums are captured; valid with ``fold_valid``.
    fold_valid : In(1)
        A fold's first capture is in the slot at the array's input, for one cycle.
    unit_base : In(range(units)), one per sequence
        First unit of the layer that drains; valid when the first fold's rows begin.
    drain : In(drain_layout)
        Sums from lane 0; those of a fold from ``array_latency`` cycles after ``fold_valid`` on.
    rows : Out(rows_layout)
        Rows to fetch kept sums and parameters for; valid with ``rows_valid``.
    rows_valid : Out(1)
        Rows come next: their sums follow ``RAM_LATENCY`` cycles later.
    sums : Out(signed(acc_width)), one per way
        Row sums, ``RAM_LATENCY`` cycles after ``rows``.

    Raises
    ------
    TypeError
        If ``array_latency`` is no integer.
    ValueError
        If ``array_latency`` is too short for the rows to be named in time.
    """

    def __init__(self, config: EngineConfig, *, array_latency: int):
        self._config = config
        self._array_latency = check.integer("Drain reader array_latency", array_latency, 1 + RAM_LATENCY)
        super().__init__(
            {
                "fold": In(fold_layout(config)),
                "fold_valid": In(1),
                "unit_base": In(data.ArrayLayout(config.unit_bits, config.sequences)),
                "drain": In(drain_layout(acc_width=config.acc_width, rows=config.drain_rows)),
                "rows": Out(rows_layout(config)),
                "rows_valid": Out(1),
                "sums": Out(data.ArrayLayout(signed(config.acc_width), config.rows_per_cycle)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a pair at ``drain`` to its first row's sum."""
        # The queue's memory, and the register of its read place.
        return RAM_LATENCY + 1 if self._config.rows_per_cycle == 1 else 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        lead = self._array_latency + self.latency - RAM_LATENCY  # from fold to its first rows
        begin = delayed(m, self.fold_valid, lead - 1, "begin")
        fold = Signal(fold_layout(config))
        m.d.comb += fold.eq(delayed(m, self.fold.as_value(), lead - 1, "fold"))

        running, lanes_left, last_fold = Signal(), Signal(bits_for(config.lanes)), Signal()
        unit, gate = Signal(config.unit_bits), Signal(bits_for(len(Gate)))
        sequence = Signal() if config.sequences > 1 else Const(0, 0)
        last_gate = gate == len(Gate) - config.rows_per_cycle
        # Lanes that a slot reaches in the same cycle drain one after the other; the next ones come a cycle later.
        place, pauses = Signal(range(config.slot_lanes + 1)), Signal()
        m.d.comb += pauses.eq(place == config.slot_lanes if config.slot_lanes > 1 else 0)
        with m.If(running & pauses):
            m.d.sync += place.eq(0)
        with m.Elif(running):
            m.d.sync += gate.eq(gate + config.rows_per_cycle)
            with m.If(last_gate):
                m.d.sync += [unit.eq(unit + 1), lanes_left.eq(lanes_left - 1), running.eq(lanes_left != 0)]
                m.d.sync += place.eq(place + 1)
        with m.If(begin):
            m.d.sync += [running.eq(1), gate.eq(0), lanes_left.eq(fold.lanes), last_fold.eq(fold.last), place.eq(0)]
            with m.If(fold.first):
                m.d.sync += unit.eq(of_sequence(self.unit_base, sequence_of(fold)))
            if config.sequences > 1:
                m.d.sync += sequence.eq(sequence_of(fold))
        m.d.comb += [
            self.rows_valid.eq(running & ~pauses),
            *set_sequence(self.rows, sequence),
            self.rows.unit.eq(unit),
            self.rows.gate.eq(gate),
            self.rows.last.eq(last_fold & (lanes_left == 0)),
        ]
        if config.rows_per_cycle == 1:
            sums = [self._elaborate_queue(m, running & (gate == Gate.INPUT), gate)]
        else:
            sums = [self.drain[name] for name in self.drain.shape().members]
        for way, total in enumerate(sums):
            m.d.comb += self.sums[way].eq(total)
        return m

    def _elaborate_queue(self, m: Module, next_unit: Signal, gate: Signal) -> Value:
        """Write pairs as the chain brings them, and read rows at half that rate; folds alternate between two halves."""
        config = self._config
        place = bits_for(2 * config.lanes)
        attrs = BLOCK if config.few_lanes else None
        m.submodules.queue = queue = Ram(drain_layout(acc_width=config.acc_width, rows=2), 2 << place, attrs=attrs)
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
        began = delayed(m, self.fold_valid, self._array_latency + self.latency - RAM_LATENCY, "began")
        now_place, now_half = Signal(place - 1), Signal()
        m.d.comb += [
            now_place.eq(Mux(began, 0, Mux(next_unit, r_place + 1, r_place))),
            now_half.eq(Mux(began, ~r_half, r_half)),
            queue.r_addr.eq(Cat(gate[1], now_place, now_half)),
        ]
        m.d.sync += [r_place.eq(now_place), r_half.eq(now_half)]
        second = delayed(m, gate[0], RAM_LATENCY, "second")
        return Mux(second, queue.r_data.second, queue.r_data.first)
