"""Recompute decision: whether a pass recomputes its sums or adds what changed."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import DELTA, RESTART, descriptor_layout, length_layout
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.policy import Mode


def columns_of(config: EngineConfig) -> int:
    """Most columns of a segment."""
    return max(config.units, config.inputs)


class RecomputeDecision(wiring.Component):
    """Decides when a pass begins, from lists that are complete by then.

    A list that still grows counts as its predecessor did, so the decision waits for nothing; the golden
    model decides likewise (``golden.model``).

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    context, record, exact, wish
        The pass that may begin, of which layer and sequence (``EngineConfig.contexts``); it must restart; the monitor
        wishes it would.
    first, second, second_live
        Lengths of its segments' lists, and whether the second still grows.
    begins
        It begins.
    restart
        In the same cycle: the sums are recomputed. It takes ``latency`` cycles from the last change of any
        input but ``begins``.
    late_context, late, late_valid
        The lengths that a list finally had which was growing when its pass began.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        pair = data.ArrayLayout(length_layout(columns_of(config)), 2)
        super().__init__(
            {
                "context": In(bits_for(config.contexts)),
                "record": In(descriptor_layout()),
                "exact": In(1),
                "wish": In(1),
                "first": In(pair),
                "second": In(pair),
                "second_live": In(1),
                "begins": In(1),
                "restart": Out(1),
                "late_context": In(bits_for(config.contexts)),
                "late": In(pair),
                "late_valid": In(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last of what it looks at to ``restart``."""
        return 4

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        pair = data.ArrayLayout(length_layout(columns_of(config)), 2)
        late = [Signal(pair, name=f"late_{context}") for context in range(config.contexts)]
        ages = [Signal(16, name=f"age_{context}") for context in range(config.contexts)]
        for context, kept in enumerate(late):
            with m.If(self.late_valid & (self.late_context == context)):
                m.d.sync += kept.eq(self.late)

        # Stages 1 to 3: what each list costs, in weight words.
        second = Signal(pair)
        m.d.comb += second.eq(Mux(self.second_live, Array(late)[self.context], self.second))
        costs = []
        for index in (DELTA, RESTART):
            count, low, low_before, main = (
                Signal(bits_for(2 * columns_of(config) + 1), name=f"{name}_{index}")
                for name in ("count", "low", "low_before", "main")
            )
            cost = Signal(unsigned(bits_for(columns_of(config) + 1) + 4), name=f"cost_{index}")
            m.d.sync += [
                count.eq(self.first[index].count + second[index].count),
                low.eq(self.first[index].low + second[index].low),
                main.eq(count - low),
                low_before.eq(low),
                cost.eq((main << self.record.precision) + (low_before << self.record.low)),
            ]
            costs.append(cost)

        # Stage 4: the decision.
        age, older = Signal(16), Signal(16)
        always, auto, due = Signal(), Signal(), Signal()
        m.d.comb += [age.eq(Array(ages)[self.context]), older.eq(Mux(age.all(), age, age + 1))]
        m.d.sync += [
            always.eq((self.record.mode == Mode.DENSE) | (self.record.mode == Mode.SKIP) | self.exact | self.wish),
            auto.eq(self.record.mode == Mode.AUTO),
            due.eq((self.record.refresh != 0) & (age + 1 >= self.record.refresh)),
            self.restart.eq(always | due | (auto & (costs[RESTART] <= costs[DELTA]))),
        ]
        for context, kept in enumerate(ages):
            with m.If(self.begins & (self.context == context)):
                m.d.sync += kept.eq(Mux(self.restart, 0, older))
        return m
