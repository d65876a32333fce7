"""Feedback: every h to the list of the next step and, in a stack, to the next layer's x list."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import (
    entry_layout,
    length_layout,
    lists,
    of_sequence,
    pass_layout,
    sequence_field,
    sequence_of,
    set_sequence,
)
from lstmith.rtl.lists.column_lists import ColumnLists
from lstmith.rtl.lists.encoder import Encoder
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.config import EngineConfig


class Feedback(wiring.Component):
    """Encodes h and keeps the lists that come from it.

    Own lists alternate halves by step, since the next step's is written while the present one is
    still read. ``lengths`` grow while a pass drains; ``drained`` ends it, and from the next cycle
    ``done`` holds its totals. In a stack each h is encoded twice, in consecutive cycles.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    passes
        Per sequence the pass that drains; one sequence's begins after the other's has ended.
    h, h_place, h_last, h_valid
        From the cell unit, at least ``kinds`` cycles apart.
    load_begin, load_end, load_valid, load_sequence, load_half, load_h
        The host loads the h of a sequence's layer, that of its pass, in order.
    lengths, done
        Lengths of the lists of the draining and of the last drained pass: own, next layer's x.
    own_lengths
        Own lists' lengths by ``EngineConfig.contexts``.
    drained, drained_sequence
        A pass's last entry is being written; of which sequence.
    r_addr, r_kind, r_list, entry
        Read port: place and half; own list or next layer's x; which list of it; entry two cycles later.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._kinds = 2 if config.layers > 1 else 1
        pair = data.ArrayLayout(length_layout(config.units), lists(config))
        super().__init__(
            {
                "passes": In(data.ArrayLayout(pass_layout(config), config.sequences)),
                "h": In(signed(16)),
                "h_place": In(config.state_bits),
                "h_last": In(1),
                "h_valid": In(1),
                "load_begin": In(1),
                "load_end": In(1),
                "load_valid": In(1),
                "load_sequence": In(1),
                "load_half": In(1),
                "load_h": In(signed(16)),
                "lengths": Out(data.ArrayLayout(pair, self._kinds)),
                "done": Out(data.ArrayLayout(pair, self._kinds)),
                "own_lengths": Out(data.ArrayLayout(pair, config.contexts)),
                "drained": Out(1),
                "drained_sequence": Out(1),
                "r_addr": In(config.state_bits + 1),
                "r_kind": In(1),
                "r_list": In(1),
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
        tag = data.StructLayout({"column": config.unit_bits, "kind": 1, "last": 1, **sequence_field(config)})
        # Both kinds of a stack take turns; else all passes have the same record.
        m.submodules.encoder = encoder = Encoder(config, kinds << config.state_bits, tag, steady=kinds == 1)

        # A value takes one turn per kind; the second turn repeats it a cycle later.
        loading = Signal()
        load_sequence = self.load_sequence[: config.sequence_bits]
        value, column, last, place = Signal(signed(16)), Signal(config.unit_bits), Signal(), Signal(config.state_bits)
        again, turn = Signal(), Signal()
        sequence = place[config.unit_bits :]
        pass_ = of_sequence(self.passes, sequence)
        fields = pass_.record
        loaded_base = of_sequence(self.passes, load_sequence).record.unit_base
        next_column = Signal(config.unit_bits)
        fresh = self.h_valid | self.load_valid
        m.d.comb += [
            value.eq(Mux(loading, self.load_h, self.h)),
            column.eq(next_column),
            last.eq(self.h_last & ~loading),
            place.eq(Mux(loading, Cat((loaded_base + next_column)[: config.unit_bits], load_sequence), self.h_place)),
        ]
        with m.If(fresh):
            m.d.sync += next_column.eq(Mux(last, 0, next_column + 1))
        if kinds == 2:
            repeated = [
                (signal, Signal.like(signal, name=f"held_{signal.name}")) for signal in (value, column, last, place)
            ]
            with m.If(fresh):
                m.d.sync += [held.eq(signal) for signal, held in repeated]
            with m.Else():
                m.d.comb += [signal.eq(held) for signal, held in repeated]
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
            encoder.index.eq(Cat(place, turn)[: config.state_bits + kinds - 1]),
            encoder.tag.column.eq(column),
            encoder.tag.kind.eq(turn),
            encoder.tag.last.eq(last),
            *set_sequence(encoder.tag, sequence),
            grid.shift.eq(Mux(turn, fields.x_shift_next, fields.h_shift)),
            grid.exponent.eq(Mux(turn, fields.x_exponent_next, 0)),
            grid.mode.eq(Mux(turn, fields.mode_next, fields.mode)),
            grid.theta.eq(Mux(turn, fields.theta_x_next, fields.theta_h)),
            grid.tau.eq(Mux(turn, fields.tau_x_next, fields.tau_h)),
            grid.restart_tau.eq(Mux(turn, fields.restart_tau_x_next, fields.restart_tau_h)),
            # After a start nothing of h is in the sums yet; a restart recomputes the next layer's as well.
            grid.forget.eq(pass_.start),
            grid.exact.eq(Mux(turn, pass_.exact, loading)),
        ]

        # Behind the encoder another pass may drain already than before it.
        kind = encoder.o_tag.kind
        listed: Value = Const(0, 0)
        if config.sequences > 1:
            listed = Mux(loading, load_sequence, sequence_of(encoder.o_tag))
        listed_pass = of_sequence(self.passes, listed)
        m.d.comb += [
            self.drained.eq(encoder.o_valid & encoder.o_tag.last & (kind == kinds - 1)),
            self.drained_sequence.eq(listed),
        ]
        finish = self.drained | self.load_end
        entries = []
        for index in range(kinds):
            pair = ColumnLists(config, config.units, 2 * config.sequences)
            m.submodules[f"lists_{index}"] = pair
            # The own list is the next step's, the next layer's x this step's.
            half = listed_pass.list_half if index else Mux(loading, self.load_half, ~listed_pass.list_half)
            m.d.comb += [
                pair.valid.eq(encoder.o_valid & (kind == index)),
                pair.candidates.eq(encoder.o_candidates),
                pair.column.eq(encoder.o_tag.column),
                pair.base.eq(listed_pass.record.unit_base),
                pair.part.eq(Cat(half, listed)),
                pair.clear.eq(finish),
                pair.r_addr.eq(self.r_addr),
                pair.r_list.eq(self.r_list),
                self.lengths[index].eq(pair.lengths),
            ]
            with m.If(finish):
                m.d.sync += self.done[index].eq(pair.totals)
                if index == 0:
                    for context in range(config.contexts):
                        with m.If(Cat(listed, listed_pass.layer) == context):
                            m.d.sync += self.own_lengths[context].eq(pair.totals)
            entries.append(pair.entry)
        m.d.comb += self.entry.eq(entries[0])
        if kinds == 2:
            with m.If(delayed(m, self.r_kind, 2, "r_kind")):
                m.d.comb += self.entry.eq(entries[1])
        return m
