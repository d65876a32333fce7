"""One layer of the golden model, step by step for all sequences at once."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LOW, RELOAD, START, LayerState, LayerTrace
from lstmith.golden.cell import cell_step
from lstmith.golden.encoder import BoolArray, distance, follow, listed
from lstmith.golden.monitor import judge
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import lag
from lstmith.spec.policy import Mode, Policy, Rule
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Matrices:
    """A layer's weights as exact floating-point matrices, transposed: [columns, 4H]."""

    x: Floats
    h: Floats
    missed: dict[int, npt.NDArray[np.float64]]  # by image: what an operand on it misses, [I + H, 4H]

    @classmethod
    def of(cls, layer: QuantLayer) -> Matrices:
        """A layer's matrices; exact as long as every partial sum stays below 2^53."""
        scale = float(1 << layer.x_grid.exponent)
        weights = layer.weights
        return cls(
            np.ascontiguousarray(weights[:, : layer.inputs].T * scale),
            np.ascontiguousarray(weights[:, layer.inputs :].T, dtype=np.float64),
            {bits: np.ascontiguousarray(layer.variant_error(bits).T, dtype=np.float64) for bits in layer.variants},
        )


def index_of_active(layer: QuantLayer, policy: Policy) -> int:
    """Index of the policy's active count."""
    return (layer.units, *layer.counts).index(policy.active) if policy.active else 0


class LayerRun:
    """One layer's way through a run."""

    def __init__(
        self,
        network: QuantNetwork,
        config: EngineConfig,
        matrices: Matrices,
        index: int,
        policies: list[Policy],
        state: LayerState,
        x: npt.NDArray[np.int16],
        active_indices: npt.NDArray[np.integer],
    ):
        self._config, self._index = config, index
        self._layer, self._policy, self._state = network.layers[index], policies[index], state
        self._layers = len(network.layers)
        self._matrices, self._predictor = matrices, network.predictor
        self._masks = active_indices
        self._feeder = network.layers[index - 1] if index else None
        self._grid_x = self._layer.x_grid.apply(x)
        self._rule = policies[0].skip
        self._marked = self.skipped = np.zeros(x.shape[:2], dtype=bool)
        layer, policy = self._layer, self._policy
        self._low = layer.entry_variant if policy.mixes else None
        self._monitors = policy.monitor.rule is not Rule.OFF and bool(layer.variants)
        self._words = np.array([layer.precision // 4, (layer.entry_variant or layer.precision) // 4])
        # With known references the input's sums need no loop over steps.
        self._known: tuple[IntArray, Floats] | None = None
        if policy.theta_x == 0 and not policies[0].skip.active and not layer.counts:
            self._known = self._grid_x, self._grid_x @ self._matrices.x

    def skip(self, marked: BoolArray) -> None:
        """First layer: decide which steps are skipped, beginning with the marked ones."""
        self._marked, self.skipped = marked, marked.copy()

    def step(self, t: int, first: bool, trace: LayerTrace) -> None:
        """Compute step ``t`` of all sequences and write it down."""
        state, layer = self._state, self._layer
        before = copy.copy(state)
        computed: BoolArray | None = None
        if self._index == 0 and self._rule.active:
            self.skipped[:, t] = self._skips(t, first)
            trace.skipped[:, t] = self.skipped[:, t]
        elif self._rule.active:
            trace.skipped[:, t] = self.skipped[:, t]
        if self._rule.active:
            computed = ~self.skipped[:, t]

        x_exact = exact = np.full(len(state.h), first)
        active: BoolArray | None = None
        trace.renewal[:, t] = START * state.fresh
        if layer.counts:
            changes, active = self._change_mask(t, computed)
            exact = exact | changes
            trace.renewal[changes & ~state.fresh, t] = RELOAD
        # The first layer's x was encoded before its step's active count took effect.
        self._columns(t, exact, x_exact if self._index == 0 else exact, active, trace)
        if layer.counts:
            assert active is not None
            trace.active_index[:, t], trace.h[:, t] = state.active_index, self._shown()
        if computed is not None:
            state.keep(computed, before)
            self._blank(t, ~computed, trace)
            if self._index == 0:
                rule_skipped = ~computed & ~self._marked[:, t]
                state.skip_run = np.where(computed, 0, before.skip_run + rule_skipped)

    def _skips(self, t: int, first: bool) -> BoolArray:
        state, rule = self._state, self._rule
        if first:
            return np.zeros(len(state.h), dtype=bool)
        skips = np.zeros(len(state.h), dtype=bool)
        if rule.predictor:
            skips |= state.predicted
        if rule.change:
            skips |= distance(self._grid_x[:, t], state.x_reference).sum(axis=1) < rule.change
        return self._marked[:, t] | (skips & (state.skip_run < rule.limit))

    def _change_mask(self, t: int, computed: BoolArray | None) -> tuple[BoolArray, BoolArray]:
        """Another active count lists h anew: what it drops and what it adds begins at zero.

        Returns who changes, bool [N], and the active units, bool [N, H].
        """
        state, layer = self._state, self._layer
        wanted = self._masks[:, t].astype(np.int64)
        counts = np.array([layer.units, *layer.counts])
        units = np.arange(layer.units)
        changes = (wanted != state.active_index) & (True if computed is None else computed)
        kept = units < np.minimum(counts[wanted], counts[state.active_index])[:, None]
        state.h = np.where(changes[:, None] & ~kept, 0, state.h)
        state.c = np.where(changes[:, None] & ~kept, 0, state.c)
        state.h_reference = np.where(changes[:, None], layer.h_grid.apply(state.h), state.h_reference)
        state.active_index = np.where(changes, wanted, state.active_index)
        return changes, units < counts[state.active_index][:, None]

    def _columns(
        self, t: int, exact: BoolArray, x_exact: BoolArray, active: BoolArray | None, trace: LayerTrace
    ) -> None:
        state, layer, policy, matrices = self._state, self._layer, self._policy, self._matrices
        steps = np.where(exact, 0, state.steps)

        # What each list would hold.
        x_reference = (
            self._known[0][:, t]
            if self._known
            else follow(self._grid_x[:, t], state.x_reference, policy.mode, policy.theta_x, x_exact[:, None])
        )
        inputs = None
        if active is not None and self._feeder is not None:
            counts = np.array([self._feeder.units, *self._feeder.counts])
            inputs = np.arange(layer.inputs) < counts[state.active_index][:, None]
            x_reference = x_reference * inputs
        x_change, h_change, h_reference = x_reference - state.x_reference, state.h_change, state.h_reference
        restart = self._restarts(exact, steps, x_change, x_reference, h_change, h_reference)
        values, taus = restart[:, None], (policy.restart_tau_x, policy.restart_tau_h, policy.tau_x, policy.tau_h)
        x_operand = np.where(values, x_reference, x_change)
        h_operand = np.where(values, h_reference, h_change)
        x_class = self.classes(x_operand, np.where(values, taus[0], taus[2]), inputs)
        recurrent = ~state.fresh[:, None] & (True if active is None else active)
        h_class = self.classes(h_operand, np.where(values, taus[1], taus[3]), recurrent)
        fold_precisions = self._fold_precisions(steps)

        # The sums.
        from_x = self._known[1][:, t] if self._known else x_reference @ matrices.x
        total = from_x + h_reference @ matrices.h
        if self._low is not None:
            state.missed = np.where(values, 0, state.missed) + self._missed(
                x_operand, h_operand, x_class, h_class, fold_precisions
            )
            total = total - state.missed

        # The cell.
        c_old, bias = state.c, None
        if layer.counts:
            bias = np.stack([layer.bias_at(active_index) for active_index in range(1 + len(layer.counts))])[
                state.active_index
            ]
        state.h, state.c = cell_step(total.astype(np.int64), c_old, layer, self._config, bias)
        if active is not None:
            state.h, state.c = state.h * active, state.c * active
        if self._monitors:
            previous = np.where(steps[:, None] == 0, layer.precision, state.fold_precisions[0])
            chosen, requested = judge(c_old, state.c, active, previous, policy.monitor, layer, self._config)
            state.fold_precisions, state.restart_requests = (
                [chosen, state.fold_precisions[0]],
                [requested, state.restart_requests[0]],
            )
        if self._index == 0 and self._rule.predictor and self._predictor is not None:
            columns = np.concatenate([x_reference << layer.x_grid.exponent, h_reference], axis=1)
            state.predicted = columns @ self._predictor >= self._rule.threshold

        # References of the next step.
        state.x_reference = x_reference
        grid_h = layer.h_grid.apply(state.h)
        state.h_reference = follow(grid_h, h_reference, policy.mode, policy.theta_h, exact=False)
        if active is not None:
            state.h_reference = state.h_reference * active
        state.h_change = state.h_reference - h_reference
        state.age = np.where(restart, 0, state.age + 1)
        state.steps = steps + 1
        state.fresh = np.zeros_like(state.fresh)

        trace.h[:, t], trace.c[:, t] = state.h, state.c
        trace.x_class[:, t], trace.h_class[:, t] = x_class, h_class
        # Folds of dropped units alone do not happen.
        happens = 1 if active is None else active[:, :: self._config.lanes]
        trace.fold_precisions[:, t], trace.restart[:, t] = fold_precisions * happens, restart

    def _restarts(
        self,
        exact: BoolArray,
        steps: IntArray,
        x_change: IntArray,
        x_reference: IntArray,
        h_change: IntArray,
        h_reference: IntArray,
    ) -> BoolArray:
        """Which sequences recompute their sums."""
        state, policy = self._state, self._policy
        if not policy.keeps_sums:
            return np.ones(len(exact), dtype=bool)
        restart = exact.copy()
        if policy.refresh:
            restart |= state.age + 1 >= policy.refresh
        if self._monitors:
            late = lag(self._layers)
            restart |= state.restart_requests[late - 1] & (steps >= late)
        if policy.mode is Mode.AUTO:
            x_cost = np.stack([self._cost(x_change, policy.tau_x), self._cost(x_reference, policy.restart_tau_x)], 1)
            h_cost = np.stack([self._cost(h_change, policy.tau_h), self._cost(h_reference, policy.restart_tau_h)], 1)
            # A list that still grows when the step begins counts as its predecessor did.
            known, late_cost = (x_cost, h_cost) if self._index == 0 else (h_cost, x_cost)
            stacked_first = self._index == 0 and self._layers > 1
            cost = known + (late_cost if stacked_first else state.late_cost)
            # After loading, changes mean nothing: a list that had to restart tells nothing of the next.
            state.late_cost = np.where(exact[:, None], 0, late_cost)
            restart |= cost[:, 1] <= cost[:, 0]
        return restart

    def _cost(self, operand: IntArray, tau: int) -> IntArray:
        """Weight words of a list, per fold."""
        main, low = self._words
        every = (operand != 0).sum(axis=1)
        if self._low is None or tau == 0:
            return every * main
        small = ((operand != 0) & (np.abs(operand) <= tau)).sum(axis=1)
        return (every - small) * main + small * low

    def classes(self, operand: IntArray, tau: IntArray, among: BoolArray | None) -> npt.NDArray[np.int8]:
        found = listed(operand, self._policy.mode)
        if among is not None:
            found &= among
        classes = found.astype(np.int8)
        if self._low is not None:
            # A threshold of zero means none, also for the zeros that a dense step lists.
            classes[found & (np.abs(operand) <= tau) & (tau != 0)] = LOW
        return classes

    def _fold_precisions(self, steps: IntArray) -> IntArray:
        """Precision of each fold, int64 [N, F]."""
        state, precision = self._state, self._layer.precision
        if not self._monitors:
            return np.full(state.fold_precisions[0].shape, precision)
        late = lag(self._layers)
        settled = steps >= max(late, self._policy.monitor.warmup)
        return np.where(settled[:, None], state.fold_precisions[late - 1], precision)

    def _missed(
        self,
        x_operand: IntArray,
        h_operand: IntArray,
        x_class: npt.NDArray[np.int8],
        h_class: npt.NDArray[np.int8],
        fold_precisions: IntArray,
    ) -> Floats:
        """What lower variants leave out of this step's sums, float64 [N, 4H]."""
        layer, matrices = self._layer, self._matrices.missed
        assert self._low is not None
        operand = np.concatenate([x_operand << layer.x_grid.exponent, h_operand], axis=1)
        low = np.concatenate([x_class, h_class], axis=1) == LOW
        missed: Floats = (operand * low) @ matrices[self._low]
        if self._monitors:
            unit_precision = np.repeat(fold_precisions, self._config.lanes, axis=1)[:, : layer.units]
            row_precision = np.tile(unit_precision, 4)
            issued = operand * (np.concatenate([x_class, h_class], axis=1) != 0)
            for precision, matrix in matrices.items():
                if (fold_precisions == precision).any():
                    missed = np.where(row_precision == precision, issued @ matrix, missed)
        return missed

    def _shown(self) -> IntArray:
        """h with what dropped units count as, int64 [N, H]."""
        state, layer = self._state, self._layer
        if layer.idle_h is None:
            return state.h
        active = np.arange(layer.units) < np.array([layer.units, *layer.counts])[state.active_index][:, None]
        return np.where(active, state.h, layer.idle_h)

    def _blank(self, t: int, skipped: BoolArray, trace: LayerTrace) -> None:
        """A skipped step holds h and c and does nothing else."""
        for name in ("x_class", "h_class", "fold_precisions", "restart"):
            getattr(trace, name)[skipped, t] = 0
        previous = trace.h[:, t - 1] if t else self._shown()
        trace.h[skipped, t] = previous[skipped]
        trace.c[skipped, t] = self._state.c[skipped]
