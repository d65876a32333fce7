"""Recompute decision: whether a pass recomputes its sums or adds what changed."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import DELTA, RESTART, length_layout
from lstmith.spec.config import bits_for
from lstmith.spec.policy import Mode


class RecomputeDecision(wiring.Component):
    """Decides when a pass begins, from lists that are complete by then: the list with fewer digits is taken.

    All digits of a layer take as many weight words. A list that still grows counts as its predecessor did, so the
    decision waits for nothing; the golden model decides likewise (``golden.layer_run``).

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
    mode : In(Mode)
        Its layer's mode.
    exact : In(1)
        Its sums must be recomputed.
    first : In(array of 2 length_layout(columns, 2))
        Lengths of the lists of its first segment, ``DELTA`` and ``RESTART``.
    second : In(array of 2 length_layout(columns, 2))
        Lengths of those of its second segment, unless ``second_live``.
    second_live : In(1)
        The second segment may still grow: it counts as it was when the same context began before.
    recomputes : Out(1)
        The sums are recomputed; ``latency`` cycles after the last change of any input above.
    late_context : In(unsigned)
        Context of a pass whose second segment has become whole; while ``late_valid``.
    late : In(array of 2 length_layout(columns, 2))
        Lengths of that segment's lists; while ``late_valid``.
    late_valid : In(1)
        For one cycle.
    """

    def __init__(self, *, columns: int, contexts: int):
        self._columns, self._contexts = columns, contexts
        self._pair = pair = data.ArrayLayout(length_layout(columns, 2), 2)
        super().__init__(
            {
                "context": In(bits_for(contexts)),
                "mode": In(Mode),
                "exact": In(1),
                "first": In(pair),
                "second": In(pair),
                "second_live": In(1),
                "recomputes": Out(1),
                "late_context": In(bits_for(contexts)),
                "late": In(pair),
                "late_valid": In(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last of what it looks at to ``recomputes``."""
        # What each list costs, and the decision.
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A sequence begins with a step that is exact, so that nothing is known by chance.
        late = [Signal(self._pair, name=f"late_{context}", reset_less=True) for context in range(self._contexts)]
        for context, kept in enumerate(late):
            with m.If(self.late_valid & (self.late_context == context)):
                m.d.sync += kept.eq(self.late)

        second = Signal(self._pair)
        m.d.comb += second.eq(Mux(self.second_live, Array(late)[self.context], self.second))
        costs = []
        for index in (DELTA, RESTART):
            cost = Signal(bits_for(4 * self._columns + 1), name=f"cost_{index}", reset_less=True)
            m.d.sync += cost.eq(self.first[index].digits + second[index].digits)
            costs.append(cost)
        always, auto = Signal(), Signal()
        m.d.sync += [
            always.eq((self.mode == Mode.DENSE) | (self.mode == Mode.SKIP) | self.exact),
            auto.eq(self.mode == Mode.AUTO),
            self.recomputes.eq(always | (auto & (costs[RESTART] <= costs[DELTA]))),
        ]
        return m
