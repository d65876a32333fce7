"""Feedback: every h to the list of the next step and, in a stack, to the next layer's x list."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.interfaces import (
    DeferralSignature,
    HiddenListSignature,
    ListLengthsSignature,
    ResultSignature,
    StateLoadSignature,
)
from lstmith.rtl.layouts import (
    of_sequence,
    pass_layout,
    sequence_field,
    sequence_of,
    set_sequence,
)
from lstmith.rtl.lists.column_lists import ColumnLists
from lstmith.rtl.lists.encoder import Encoder
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.latency import encode, kinds
from lstmith.spec.monitor_rule import LAG_H
from lstmith.spec.policy import Rule, Scope


class Feedback(wiring.Component):
    """Encodes h and keeps the lists that come from it.

    Own lists alternate halves by step, since the next step's is written while the present one is
    still read. In a stack each h is encoded twice, in consecutive cycles.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    passes : In(array of pass_layout(config) by sequence)
        The pass that drains; one sequence's begins after the other's has ended.
    result : In(ResultSignature)
        From the cell unit, at least as many cycles apart as there are kinds of lists.
    load : In(StateLoadSignature)
        The h of a sequence's layer, that of its pass, is listed anew.
    list_halves : In(sequences)
        Per sequence, the half of the own lists that a load writes.
    deferral : Out(DeferralSignature)
        With a monitor: whether the low plane of the present value is deferred.
    lists : Out(ListLengthsSignature)
        How much of the lists is known.
    read : In(HiddenListSignature)
        The lists.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._kinds = kinds(config)
        super().__init__(
            {
                "passes": In(data.ArrayLayout(pass_layout(config), config.sequences)),
                "result": In(ResultSignature(config)),
                "load": In(StateLoadSignature()),
                "list_halves": In(config.sequences),
                **({"deferral": Out(DeferralSignature(config))} if config.monitor else {}),
                "lists": Out(ListLengthsSignature(config)),
                "read": In(HiddenListSignature(config)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a pass's last ``result`` to ``lists.drained``."""
        # The last kind of list comes last.
        return encode(self._config) - 1 + self._kinds - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, kind_count = self._config, self._kinds
        tag = data.StructLayout({"column": config.unit_bits, "kind": 1, "last": 1, **sequence_field(config)})
        # Both kinds of a stack take turns; else all passes have the same descriptor.
        m.submodules.encoder = encoder = Encoder(config, kind_count << config.state_bits, tag, steady=kind_count == 1)

        # A value takes one turn per kind; the second turn repeats it a cycle later.
        loading = Signal()
        load_sequence = self.load.sequence[: config.sequence_bits]
        load_half = self.list_halves.bit_select(load_sequence, 1)
        value, column, last, place = Signal(signed(16)), Signal(config.unit_bits), Signal(), Signal(config.state_bits)
        again, turn = Signal(), Signal()
        sequence = place[config.unit_bits :]
        pass_ = of_sequence(self.passes, sequence)
        fields = pass_.descriptor
        next_column = Signal(config.unit_bits)
        loaded = next_column + of_sequence(self.passes, load_sequence).descriptor.unit_base
        fresh = self.result.valid | self.load.valid
        m.d.comb += [
            value.eq(Mux(loading, self.load.h, self.result.h)),
            column.eq(next_column),
            last.eq(self.result.last & ~loading),
            place.eq(Mux(loading, Cat(loaded[: config.unit_bits], load_sequence), self.result.place)),
        ]
        with m.If(fresh):
            m.d.sync += next_column.eq(Mux(last, 0, next_column + 1))
        if kind_count == 2:
            repeated = [
                (signal, Signal.like(signal, name=f"held_{signal.name}")) for signal in (value, column, last, place)
            ]
            with m.If(fresh):
                m.d.sync += [held.eq(signal) for signal, held in repeated]
            with m.Else():
                m.d.comb += [signal.eq(held) for signal, held in repeated]
            m.d.sync += again.eq(fresh & ~loading)
            m.d.comb += turn.eq(~fresh)
        with m.If(self.load.begin):
            m.d.sync += [loading.eq(1), next_column.eq(0)]
        with m.If(self.load.end):
            m.d.sync += [loading.eq(0), next_column.eq(0)]

        grid = encoder.grid
        m.d.comb += [
            encoder.valid.eq(fresh | again),
            encoder.value.eq(value),
            encoder.index.eq(Cat(place, turn)[: config.state_bits + kind_count - 1]),
            encoder.tag.column.eq(column),
            encoder.tag.kind.eq(turn),
            encoder.tag.last.eq(last),
            *set_sequence(encoder.tag, sequence),
            grid.shift.eq(Mux(turn, fields.x_shift_next, fields.h_shift)),
            grid.exponent.eq(Mux(turn, fields.x_exponent_next, 0)),
            # A ReLU in front of a dense layer; other engines are spared the gates.
            grid.unsigned.eq(turn & fields.x_unsigned_next if Kind.DENSE in config.kinds else 0),
            grid.mode.eq(Mux(turn, fields.mode_next, fields.mode)),
            grid.theta.eq(Mux(turn, fields.theta_x_next, fields.theta_h)),
            grid.low_theta.eq(Mux(turn, fields.low_theta_x_next, fields.low_theta_h)),
            grid.pair.eq(Mux(turn, fields.planes_next, fields.planes)),
            # After a start nothing of h is in the sums yet; a restart recomputes the next layer's as well.
            grid.forget.eq(pass_.start),
            grid.exact.eq(Mux(turn, pass_.exact, loading)),
        ]

        if config.monitor:
            m.d.comb += grid.defers.eq(self._defers(m, turn))

        # Behind the encoder another pass may drain already than before it.
        kind = encoder.o_tag.kind
        listed: Value = Const(0, 0)
        if config.sequences > 1:
            listed = Mux(loading, load_sequence, sequence_of(encoder.o_tag))
        listed_pass = of_sequence(self.passes, listed)
        m.d.comb += [
            self.lists.drained.eq(encoder.o_valid & encoder.o_tag.last & (kind == kind_count - 1)),
            self.lists.sequence.eq(listed),
        ]
        finish = self.lists.drained | self.load.end
        entries = []
        for index in range(kind_count):
            lists = ColumnLists(
                columns=config.units,
                entries=config.units,
                parts=2 * config.sequences,
                operand_width=config.operand_width,
                planes=config.planes,
                block=config.few_lanes,
            )
            m.submodules[f"lists_{index}"] = lists
            # The own list is the next step's, the next layer's x this step's.
            half = listed_pass.list_half if index else Mux(loading, load_half, ~listed_pass.list_half)
            # A dense layer reads nothing of its own.
            counts = listed_pass.descriptor.kind != Kind.DENSE if Kind.DENSE in config.kinds and index == 0 else 1
            m.d.comb += [
                lists.valid.eq(encoder.o_valid & (kind == index) & counts),
                lists.candidates.eq(encoder.o_candidates),
                lists.column.eq(encoder.o_tag.column),
                lists.base.eq(listed_pass.descriptor.unit_base),
                lists.part.eq(Cat(half, listed)),
                lists.clear.eq(finish),
                lists.read.address.eq(self.read.address[:-1]),
                lists.read.list.eq(self.read.list),
                self.lists.growing[index].eq(lists.lengths),
            ]
            # After a reset no list is read before it was written, or its sequence began.
            written: list[tuple[Any, Value]] = [(self.lists.done[index], Const(1))]
            if index == 0:
                context = Cat(listed, listed_pass.layer)
                written += [(self.lists.own[number], context == number) for number in range(config.contexts)]
            for number, (kept, now) in enumerate(written):
                lengths = Signal.like(lists.totals, name=f"lengths_{index}_{number}", reset_less=True)
                m.d.comb += kept.eq(lengths)
                with m.If(finish & now):
                    m.d.sync += lengths.eq(lists.totals)
            entries.append(lists.read.entry)
        m.d.comb += self.read.entry.eq(entries[0])
        if kind_count == 2:
            with m.If(delayed(m, self.read.address[-1], RAM_LATENCY, "kind")):
                m.d.comb += self.read.entry.eq(entries[1])
        return m

    def _defers(self, m: Module, turn: Signal) -> Value:
        """Whether the present value's low plane is deferred; a load is exact, whatever this says.

        The own list is that of the coming step, as the step before the present one was judged; the next layer's x is
        listed for the present step, as its step before the last was judged.
        """
        config, pass_ = self._config, self.passes[0]
        fields = pass_.descriptor
        lane, fold = Signal(bits_for(config.lanes)), Signal(bits_for(config.folds(config.units)))
        last, fold_ends = self.result.last, lane == config.lanes - 1
        with m.If(self.result.valid):
            m.d.sync += [lane.eq(Mux(last | fold_ends, 0, lane + 1)), fold.eq(Mux(last, 0, fold + fold_ends))]
        m.d.comb += [
            self.deferral.layer.eq(pass_.layer + turn),
            self.deferral.step.eq(pass_.step_low + Mux(turn, -LAG_H, 1 - LAG_H)),
            self.deferral.fold.eq(Mux(~turn & (fields.scope == Scope.FOLD), fold, 0)),
        ]
        coming = pass_.step + 1
        own = (fields.rule != Rule.OFF) & (coming >= LAG_H) & (coming >= fields.warmup)
        # A layer's folds say nothing about its input.
        judged = (fields.rule_next != Rule.OFF) & (fields.scope_next == Scope.LAYER)
        following = judged & (pass_.step >= LAG_H) & (pass_.step >= fields.warmup_next)
        return Mux(turn, following, own) & self.deferral.defers
