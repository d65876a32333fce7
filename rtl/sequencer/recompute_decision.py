"""Recompute decision: whether a pass recomputes its sums or adds what changed."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import DELTA, RESTART, descriptor_layout, length_layout
from lstmith.spec.config import bits_for
from lstmith.spec.layer_descriptor import FIELDS
from lstmith.spec.policy import Mode

#: Steps since the sums were recomputed are counted as far as ``refresh`` reaches.
AGE_BITS = FIELDS["refresh"]


class RecomputeDecision(wiring.Component):
    """Decides when a pass begins, from lists that are complete by then.

    A list that still grows counts as its predecessor did, so the decision waits for nothing; the golden
    model decides likewise (``golden.model``).

    Parameters
    ----------
    columns : int
        Most columns of a segment.
    contexts : int
        Layers' states, see ``EngineConfig.contexts``.

    Members
    -------
    context : In(unsigned)
        Layer and sequence of the pass that may begin.
    descriptor : In(descriptor_layout())
        Its descriptor.
    exact : In(1)
        Its sums must be recomputed.
    restart_request : In(1)
        The monitor restart_requests they were.
    first : In(array of 2 length_layout(columns))
        Lengths of the lists of its first segment, ``DELTA`` and ``RESTART``.
    second : In(array of 2 length_layout(columns))
        Lengths of those of its second segment, unless ``second_live``.
    second_live : In(1)
        The second segment may still grow: it counts as it was when the same context began before.
    begins : In(1)
        For one cycle: the pass begins.
    recomputes : Out(1)
        The sums are recomputed; ``latency`` cycles after the last change of any input above but ``begins``.
    late_context : In(unsigned)
        Context of a pass whose second segment has become whole; while ``late_valid``.
    late : In(array of 2 length_layout(columns))
        Lengths of that segment's lists; while ``late_valid``.
    late_valid : In(1)
        For one cycle.
    """

    def __init__(self, *, columns: int, contexts: int):
        self._columns, self._contexts = columns, contexts
        self._pair = pair = data.ArrayLayout(length_layout(columns), 2)
        super().__init__(
            {
                "context": In(bits_for(contexts)),
                "descriptor": In(descriptor_layout()),
                "exact": In(1),
                "restart_request": In(1),
                "first": In(pair),
                "second": In(pair),
                "second_live": In(1),
                "begins": In(1),
                "recomputes": Out(1),
                "late_context": In(bits_for(contexts)),
                "late": In(pair),
                "late_valid": In(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last of what it looks at to ``recomputes``."""
        return 4

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pair, columns = self._pair, self._columns
        late = [Signal(pair, name=f"late_{context}") for context in range(self._contexts)]
        ages = [Signal(AGE_BITS, name=f"age_{context}") for context in range(self._contexts)]
        for context, kept in enumerate(late):
            with m.If(self.late_valid & (self.late_context == context)):
                m.d.sync += kept.eq(self.late)

        # Stages 1 to 3: what each list costs, in weight words.
        second = Signal(pair)
        m.d.comb += second.eq(Mux(self.second_live, Array(late)[self.context], self.second))
        costs = []
        for index in (DELTA, RESTART):
            count, low, low_before, main = (
                Signal(bits_for(2 * columns + 1), name=f"{name}_{index}")
                for name in ("count", "low", "low_before", "main")
            )
            cost = Signal(unsigned(bits_for(columns + 1) + 4), name=f"cost_{index}")
            m.d.sync += [
                count.eq(self.first[index].count + second[index].count),
                low.eq(self.first[index].low + second[index].low),
                main.eq(count - low),
                low_before.eq(low),
                cost.eq((main << self.descriptor.precision) + (low_before << self.descriptor.low)),
            ]
            costs.append(cost)

        # Stage 4: the decision.
        age, older = Signal(AGE_BITS), Signal(AGE_BITS)
        always, auto, due = Signal(), Signal(), Signal()
        m.d.comb += [age.eq(Array(ages)[self.context]), older.eq(Mux(age.all(), age, age + 1))]
        m.d.sync += [
            always.eq(
                (self.descriptor.mode == Mode.DENSE)
                | (self.descriptor.mode == Mode.SKIP)
                | self.exact
                | self.restart_request
            ),
            auto.eq(self.descriptor.mode == Mode.AUTO),
            due.eq((self.descriptor.refresh != 0) & (age + 1 >= self.descriptor.refresh)),
            self.recomputes.eq(always | due | (auto & (costs[RESTART] <= costs[DELTA]))),
        ]
        for context, kept in enumerate(ages):
            with m.If(self.begins & (self.context == context)):
                m.d.sync += kept.eq(Mux(self.recomputes, 0, older))
        return m
