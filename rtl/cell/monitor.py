"""Cell-state monitor: chooses the precision of the coming steps, after Silfa, Arnau and González (HiPC 2020)."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import pass_layout
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.codes import Precision
from lstmith.spec.config import PRECISIONS, EngineConfig, bits_for
from lstmith.spec.layer_descriptor import FIELDS
from lstmith.spec.monitor_rule import DROP, RATIO_FRAC, spare_bits
from lstmith.spec.policy import Rule, Scope

#: Width of a precision's code.
_PRECISION_BITS = bits_for(len(Precision))


class Monitor(wiring.Component):
    """Sums how far the cell state moved, over a fold or a layer, and compares it with the policy's thresholds.

    A decision is stored ``latency`` cycles after the last cell state that it judges; two banks alternate by
    step, so that the decision before stays readable. See ``golden.monitor.judge``.

    Parameters
    ----------
    config : EngineConfig
        The monitor reads ``precisions``, ``rows_per_cycle``, ``lanes``, ``units``, ``layers``, ``c_width`` and what
        :func:`~lstmith.rtl.lists.feedback.pass_layout` does.

    Members
    -------
    pass_ : In(pass_layout)
        The pass that drains; valid from its first cell state until ``latency`` cycles after its last one.
    c_new : In(signed(c_width))
        A unit's new cell state; valid with ``c_valid``.
    c_before : In(signed(c_width))
        Its cell state of the step before; valid with ``c_valid``.
    c_last : In(1)
        The unit is its layer's last one; valid with ``c_valid``.
    c_valid : In(1)
        There is a new cell state; every ``unit_cycles`` cycles at most.
    r_layer : In(range(layers))
        Layer of the decision to read; every cycle.
    r_bank : In(1)
        Bank of the decision to read: the parity of its step; every cycle.
    r_fold : In(FIELDS["folds"])
        Fold of the decision to read, 0 for a decision about a layer; every cycle.
    level : Out(Precision)
        That decision, in the same cycle; undefined if none was stored.
    restart_requests : Out(2), one per layer
        A bit per bank: some judged part moved so much that a restart is requested. It changes ``latency`` cycles after
        the layer's last cell state.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        # Only with three precisions there is a middle one. Sums last until the next ones come, and the last fold of a
        # layer may have a single unit, so as many limits are compared at once as one unit leaves cycles for.
        self._limits = 3 if config.precisions == PRECISIONS else 2
        self._at_once = min(config.unit_cycles, self._limits)
        super().__init__(
            {
                "pass_": In(pass_layout(config)),
                "c_new": In(signed(config.c_width)),
                "c_before": In(signed(config.c_width)),
                "c_last": In(1),
                "c_valid": In(1),
                "r_layer": In(bits_for(config.layers)),
                "r_bank": In(1),
                "r_fold": In(FIELDS["folds"]),
                "level": Out(_PRECISION_BITS),
                "restart_requests": Out(data.ArrayLayout(2, config.layers)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last cell state that is judged to the stored decision."""
        # The change, whether it counts, the sums; the comparisons, one per cycle and two cycles deep.
        return 3 + self._at_once + 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, fields = self._config, self.pass_.descriptor
        by_fold = fields.scope == Scope.FOLD

        # Stages 1 and 2: how far one unit moved, and whether that counts as a change.
        change = Signal(signed(config.c_width + 1))
        m.d.comb += change.eq(self.c_new - self.c_before)
        moved, size = Signal(config.c_width - DROP), Signal(config.c_width - 1 - DROP)
        m.d.sync += [moved.eq(_magnitude(change)), size.eq(_magnitude(self.c_new))]
        lane = Signal(bits_for(config.lanes))
        fold_ends = self.c_last | (lane == config.lanes - 1)
        with m.If(self.c_valid):
            m.d.sync += lane.eq(Mux(fold_ends, 0, lane + 1))
        changed = Signal()
        m.d.sync += changed.eq((moved << fields.monitor_theta) > size)
        valid = delayed(m, self.c_valid, 2, "valid")
        ends = delayed(m, self.c_valid & Mux(by_fold, fold_ends, self.c_last), 2, "ends")
        last = delayed(m, self.c_valid & self.c_last, 2, "last")
        moved, size = delayed(m, moved, 1, "moved"), delayed(m, size, 1, "size")

        # Stage 3: sums, and those that are judged.
        sums = []
        spare = spare_bits(config.lanes)
        for name, value, dropped in (("moved", moved, spare), ("size", size, spare), ("changed", changed, 0)):
            total = Signal(len(value) + bits_for(config.units), name=f"sum_{name}")
            judged = Signal(len(total) - dropped, name=f"judged_{name}")
            with m.If(ends):
                m.d.sync += [total.eq(0), judged.eq((total + value)[dropped:])]
            with m.Elif(valid):
                m.d.sync += total.eq(total + value)
            sums.append(judged)

        # From stage 4 on: one comparison per cycle.
        fold, previous = Signal(bits_for(config.folds(config.units))), Signal(_PRECISION_BITS)
        judges, judges_last = delayed(m, ends, 1, "judges"), delayed(m, last, 1, "judges_last")
        levels = {"low": fields.level_low, "middle": fields.level_middle}
        limits = {
            "low": Mux(previous <= fields.level_low, fields.low_leave, fields.monitor_low),
            "restless": fields.restart_above,
            "middle": Mux(previous <= fields.level_middle, fields.middle_leave, fields.monitor_middle),
        }
        at_once = self._at_once
        found: dict[str, Value] = {}
        names = list(limits)[: self._limits]
        for begin in range(0, len(names), at_once):
            group = {name: limits[name] for name in names[begin : begin + at_once]}
            found |= self._compare(m, f"group_{begin}", group, judges, sums)
        turns = at_once + 2
        stored = delayed(m, judges, turns, "stored")
        decision = Signal(_PRECISION_BITS)
        m.d.comb += decision.eq(fields.precision)
        if "middle" in found:
            with m.If(found["middle"]):
                m.d.comb += decision.eq(levels["middle"])
        with m.If(found["low"]):
            m.d.comb += decision.eq(levels["low"])

        # The fold is that of the sums until the next ones are judged.
        with m.If(judges):
            m.d.sync += fold.eq(Mux(judges_last, 0, fold + 1))
        self._elaborate_levels(m, fold, previous, judges, turns, stored, decision)
        requested, restart_request, ends_layer = Signal(), Signal(), delayed(m, judges_last, turns, "ends_layer")
        m.d.comb += restart_request.eq(requested | (stored & found["restless"]))
        m.d.sync += requested.eq(restart_request & ~ends_layer)
        banks = Array(self.restart_requests[layer] for layer in range(config.layers))
        with m.If(ends_layer):
            m.d.sync += banks[self.pass_.layer].bit_select(self.pass_.list_half, 1).eq(restart_request)
        return m

    def _compare(
        self, m: Module, name: str, limits: dict[str, Value], judges: Signal, sums: list[Signal]
    ) -> dict[str, Value]:
        """Compare the sums with some limits in turn; all are known ``len(limits) + 2`` cycles after ``judges``.

        Sums last as many cycles as there are limits here, at least.
        """
        # The next sums may come before the last comparison is through.
        moved, size, changed = (
            delayed(m, value, cycles, f"{name}_sum_{index}")
            for index, (value, cycles) in enumerate(zip(sums, (2, 1, 1), strict=True))
        )
        count = len(limits)
        turn = [judges, *(delayed(m, judges, cycle, f"{name}_turn_{cycle}") for cycle in range(1, count))]
        limit = Signal(max(len(value) for value in limits.values()), name=f"{name}_limit")
        few = Signal(name=f"{name}_few")
        for strobe, value in zip(turn, limits.values(), strict=True):
            with m.If(strobe):
                m.d.sync += limit.eq(value)
        product = Signal(len(limit) + len(size), name=f"{name}_product", reset_less=True)
        m.d.sync += [product.eq(limit * size), few.eq(changed < limit)]
        scaled = Signal(len(moved) + RATIO_FRAC, name=f"{name}_scaled")
        below = Signal(name=f"{name}_below")
        m.d.comb += [scaled.eq(moved << RATIO_FRAC), below.eq(scaled < product)]
        rule = self.pass_.descriptor.rule
        results: dict[str, Value] = {}
        for cycle, meant in enumerate(limits):
            result = Signal(name=f"{name}_{meant}")
            judged = ~below if meant == "restless" else Mux(rule == Rule.COUNT, few, below)
            with m.If(delayed(m, turn[cycle], 2, f"{name}_{meant}_due")):
                m.d.sync += result.eq(judged)
            results[meant] = result
        return results

    def _elaborate_levels(
        self, m: Module, fold: Signal, previous: Signal, judges: Signal, turns: int, stored: Signal, decision: Signal
    ) -> None:
        """Decisions by bank, layer and fold; one of each step is read back for the hysteresis."""
        config, fields = self._config, self.pass_.descriptor
        layer = self.pass_.layer[: config.layer_bits]
        folds = config.folds(config.units)
        fold_bits = bits_for(folds) if folds > 1 else 0
        place = fold_bits + config.layer_bits + 1
        m.submodules.levels = memory = Memory(shape=_PRECISION_BITS, depth=1 << place, init=[])
        write, ahead, back = memory.write_port(), memory.read_port(domain="comb"), memory.read_port(domain="comb")
        judged = Signal.like(fold)
        with m.If(judges):
            m.d.sync += judged.eq(fold)
        m.d.comb += [
            write.addr.eq(Cat(delayed(m, fold, turns, "stored_fold")[:fold_bits], layer, self.pass_.list_half)),
            write.data.eq(decision),
            write.en.eq(stored),
            ahead.addr.eq(Cat(self.r_fold[:fold_bits], self.r_layer[: config.layer_bits], self.r_bank)),
            self.level.eq(ahead.data),
            # The limits are chosen one cycle after the other, so the fold must last.
            back.addr.eq(Cat(Mux(judges, fold, judged)[:fold_bits], layer, ~self.pass_.list_half)),
            # A sequence begins at the layer's own precision.
            previous.eq(Mux(self.pass_.exact, fields.precision, back.data)),
        ]


def _magnitude(value: Signal) -> Value:
    """``golden.monitor.magnitude``."""
    return (value ^ value[-1].replicate(len(value)))[DROP:-1]
