"""Feedback: every h to the list of the next step and, in a stack, to the next layer's x list."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig, bits_for

from .encoder import Encoder
from .ram import Ram
from .types import entry_layout, record_layout


def pass_layout(config: EngineConfig) -> data.StructLayout:
    """A layer's step on its way through the drain side."""
    return data.StructLayout(
        {
            "record": record_layout(),
            "layer": unsigned(bits_for(config.layers)),
            "parity": 1,  # of the step: which half of the lists it reads
            "start": 1,  # first step of a sequence: no state before it
            "exact": 1,  # x lists hold values, sums are computed anew
            "clear": 1,  # kept sums count as zero
            "columns": unsigned(bits_for(config.inputs + 2 * config.units + 1)),
        }
    )


class Feedback(wiring.Component):
    """Encodes h and keeps the lists that come from it.

    Own lists alternate halves by step, since the next step's is written while the present one is
    still read. ``counts`` grow while a pass drains; ``drained`` ends it, and from the next cycle
    ``done`` holds its totals. In a stack each h is encoded twice, in consecutive cycles.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    pass_
        The pass that drains.
    h, h_unit, h_last, h_valid
        From the cell unit, at least ``kinds`` cycles apart.
    load_begin, load_end, load_valid, load_parity, load_h
        The host loads the h of ``pass_.layer``, in order.
    counts, done
        Entries of the lists of the draining and of the last drained pass: own, next layer's x.
    own_counts
        Own list length of every layer.
    drained
        The pass's last entry is being written.
    r_addr, entry
        Read port: place, kind (0 own, 1 next layer's x) in a stack, half; entry ``Ram.latency`` cycles later.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._kinds = 2 if config.layers > 1 else 1
        count = unsigned(bits_for(config.units + 1))
        super().__init__(
            {
                "pass_": In(pass_layout(config)),
                "h": In(signed(16)),
                "h_unit": In(config.unit_bits),
                "h_last": In(1),
                "h_valid": In(1),
                "load_begin": In(1),
                "load_end": In(1),
                "load_valid": In(1),
                "load_parity": In(1),
                "load_h": In(signed(16)),
                "counts": Out(data.ArrayLayout(count, self._kinds)),
                "done": Out(data.ArrayLayout(count, self._kinds)),
                "own_counts": Out(data.ArrayLayout(count, config.layers)),
                "drained": Out(1),
                "r_addr": In(config.unit_bits + self._kinds),
                "entry": Out(entry_layout(config, config.units)),
            }
        )

    @property
    def kinds(self) -> int:
        """Lists per pass: the own one, and in a stack the next layer's x."""
        return self._kinds

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, kinds = self._config, self._kinds
        fields = self.pass_.record
        tag = data.StructLayout({"column": config.unit_bits, "kind": 1, "last": 1})
        m.submodules.encoder = encoder = Encoder(config, kinds << config.unit_bits, tag)
        entry = entry_layout(config, config.units)
        m.submodules.lists = lists = Ram(entry, 2 * kinds << config.unit_bits)

        # A value takes one turn per kind; the second turn repeats it a cycle later.
        loading = Signal()
        value, column, last, unit = Signal(signed(16)), Signal(config.unit_bits), Signal(), Signal(config.unit_bits)
        again, turn = Signal(), Signal()
        held = Signal(
            data.StructLayout({"value": signed(16), "column": config.unit_bits, "last": 1, "unit": config.unit_bits})
        )
        next_column = Signal(config.unit_bits)
        fresh = self.h_valid | self.load_valid
        with m.If(fresh):
            m.d.comb += [
                value.eq(Mux(loading, self.load_h, self.h)),
                column.eq(next_column),
                last.eq(self.h_last & ~loading),
                unit.eq(Mux(loading, fields.unit_base + next_column, self.h_unit)),
            ]
            m.d.sync += [
                next_column.eq(Mux(last, 0, next_column + 1)),
                held.value.eq(value),
                held.column.eq(column),
                held.last.eq(last),
                held.unit.eq(unit),
            ]
        with m.Else():
            m.d.comb += [value.eq(held.value), column.eq(held.column), last.eq(held.last), unit.eq(held.unit)]
        if kinds == 2:
            m.d.sync += again.eq(fresh & ~loading)
            m.d.comb += turn.eq(~fresh)
        with m.If(self.load_begin):
            m.d.sync += [loading.eq(1), next_column.eq(0)]
        with m.If(self.load_end):
            m.d.sync += [loading.eq(0), next_column.eq(0)]

        grid = encoder.grid
        m.d.comb += [
            encoder.valid.eq(fresh | again),
            encoder.value.eq(value),
            encoder.index.eq(Cat(unit, turn)[: config.unit_bits + kinds - 1]),
            encoder.tag.column.eq(column),
            encoder.tag.kind.eq(turn),
            encoder.tag.last.eq(last),
            grid.shift.eq(Mux(turn, fields.x_shift_next, fields.h_shift)),
            grid.exponent.eq(Mux(turn, fields.x_exponent_next, 0)),
            grid.mode.eq(Mux(turn, fields.mode_next, fields.mode)),
            grid.theta.eq(Mux(turn, fields.theta_x_next, fields.theta_h)),
            # After a start nothing of h is in the sums yet; a restart recomputes the next layer's as well.
            grid.forget.eq(self.pass_.start),
            grid.exact.eq(Mux(turn, self.pass_.exact, loading)),
        ]

        kind = encoder.o_tag.kind
        count = Array(self.counts[index] for index in range(kinds))
        parity = Mux(loading, self.load_parity, self.pass_.parity ^ ~kind)
        m.d.comb += [
            lists.w_addr.eq(
                Cat((fields.unit_base + count[kind])[: config.unit_bits], *([kind] if kinds == 2 else []), parity)
            ),
            lists.w_data.column.eq(encoder.o_tag.column),
            lists.w_data.operand.eq(encoder.o_operand),
            lists.w_en.eq(encoder.o_valid & encoder.o_listed),
            lists.r_addr.eq(self.r_addr),
            self.entry.eq(lists.r_data),
            self.drained.eq(encoder.o_valid & encoder.o_tag.last & (kind == kinds - 1)),
        ]
        finish = self.drained | self.load_end
        for index in range(kinds):
            total = Signal.like(self.counts[index], name=f"total_{index}")
            m.d.comb += total.eq(self.counts[index] + (encoder.o_valid & encoder.o_listed & (kind == index)))
            m.d.sync += self.counts[index].eq(Mux(finish, 0, total))
            with m.If(finish):
                m.d.sync += self.done[index].eq(total)
                if index == 0:
                    for layer in range(config.layers):
                        with m.If(self.pass_.layer == layer):
                            m.d.sync += self.own_counts[layer].eq(total)
        return m
