"""One layer of the golden model, step by step for all sequences at once."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import RECORDS, RELOAD, LayerState, LayerTrace
from lstmith.golden.cell import cell_step
from lstmith.golden.encoder import BoolArray, distance, follow, listed, one_hot
from lstmith.golden.monitor import judge
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import LAG_H, LAG_INPUT
from lstmith.spec.policy import Mode, Policy, Scope
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

Floats = npt.NDArray[np.floating]
T = TypeVar("T", bound="np.integer[Any]")


@dataclass(frozen=True)
class Matrices:
    """A layer's digits as exact floating-point matrices, transposed; those of all planes below each other."""

    x: Floats  # [P * I, rows]
    h: Floats  # [P * recurrent columns, rows]

    @classmethod
    def of(cls, layer: QuantLayer) -> Matrices:
        """A layer's matrices; exact as long as every partial sum stays below 2^53."""
        digits = [layer.plane(plane) << layer.plane_shift(plane) for plane in range(layer.planes)]
        scale = float(1 << layer.x_grid.exponent)
        return cls(
            np.concatenate([part[:, : layer.inputs].T * scale for part in digits]),
            np.concatenate([part[:, layer.inputs :].T for part in digits]).astype(np.float64),
        )


def index_of_active(layer: QuantLayer, policy: Policy) -> int:
    """Index of the policy's active count."""
    return (layer.units, *layer.counts).index(policy.active) if policy.active else 0


def first_whole(active_indices: npt.NDArray[T]) -> npt.NDArray[T]:
    """Indices of active counts by step of sequences that skim, [N, T]: the first step of each computes all units."""
    found = active_indices.copy()
    found[:, :1] = 0
    return found


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
        self._grid_x = one_hot(self._layer, x) if self._layer.symbols else self._layer.x_grid.apply(x)
        self._rule = policies[0].skip
        self._marked = self.skipped = np.zeros(x.shape[:2], dtype=bool)
        layer, policy = self._layer, self._policy
        self._snaps = config.planes > 1
        self._lag = LAG_H if index else LAG_INPUT
        # Symbols have no thresholds: they are the same or they are not.
        x_kept, h_kept = policy.keeps_sums and not layer.symbols, policy.keeps_sums
        self._theta_x, self._theta_h = (
            np.array(thetas if kept else [0] * layer.planes).reshape(1, -1, 1)
            for thetas, kept in ((policy.thetas_x(layer.planes), x_kept), (policy.thetas_h(layer.planes), h_kept))
        )
        # With known references the input's sums need no loop over steps.
        self._known: tuple[IntArray, Floats] | None = None
        exact = layer.symbols or not policy.monitors
        if not self._theta_x.any() and not policies[0].skip.active and not layer.counts and exact:
            known = np.repeat(self._grid_x[:, :, None], layer.planes, axis=2)
            self._known = known, known.reshape(*x.shape[:2], -1) @ self._matrices.x

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
        trace.renewal[:, t] = RECORDS * state.fresh + RELOAD * state.resumed
        if layer.counts:
            changes, recomputes, active = self._change_mask(t, computed)
            exact = exact | recomputes
            trace.renewal[changes & ~state.fresh, t] = RECORDS
            trace.renewal[recomputes & ~state.fresh, t] = RELOAD
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
            skips |= distance(self._grid_x[:, t], state.x_reference[:, 0]).sum(axis=1) < rule.change
        return self._marked[:, t] | (skips & (state.skip_run < rule.limit))

    def _change_mask(self, t: int, computed: BoolArray | None) -> tuple[BoolArray, BoolArray, BoolArray]:
        """Another active count lists h anew: what it drops and what it adds begins at zero.

        A layer that skims drops nothing. The sums of units that it left lack what changed meanwhile, so that only a
        step that computes them again has to list h anew.

        Returns who changes and who recomputes sums, bool [N] each, and the active units, bool [N, H].
        """
        state, layer = self._state, self._layer
        wanted = self._masks[:, t].astype(np.int64)
        counts = np.array([layer.units, *layer.counts])
        units = np.arange(layer.units)
        changes = (wanted != state.active_index) & (True if computed is None else computed)
        recomputes = changes
        if layer.skims:
            recomputes = changes & (wanted == 0)
        else:
            kept = units < np.minimum(counts[wanted], counts[state.active_index])[:, None]
            state.h = np.where(changes[:, None] & ~kept, 0, state.h)
            state.c = np.where(changes[:, None] & ~kept, 0, state.c)
        listed_anew = layer.h_grid.apply(state.h)[:, None]
        state.h_reference = np.where(recomputes[:, None, None], listed_anew, state.h_reference)
        state.active_index = np.where(changes, wanted, state.active_index)
        return changes, recomputes, units < counts[state.active_index][:, None]

    def _columns(
        self, t: int, exact: BoolArray, x_exact: BoolArray, active: BoolArray | None, trace: LayerTrace
    ) -> None:
        state, layer, policy, matrices = self._state, self._layer, self._policy, self._matrices
        # Units of which nothing is left; those that a step leaves as they are do not count among them.
        dropping = None if layer.skims else active
        steps, x_steps = np.where(exact, 0, state.steps), np.where(x_exact, 0, state.x_steps)

        # What each list would hold.
        if self._known:
            x_reference = self._known[0][:, t]
        else:
            thetas = np.where(x_exact[:, None, None], 0, self._theta_x)
            held = self._held_x(steps if self._index else x_steps)
            x_reference = follow(self._grid_x[:, t, None], state.x_reference, thetas, held=held, snaps=self._snaps)
        inputs = None
        if dropping is not None and self._feeder is not None:
            counts = np.array([self._feeder.units, *self._feeder.counts])
            inputs = (np.arange(layer.inputs) < counts[state.active_index][:, None])[:, None]
            x_reference = x_reference * inputs
        x_change, h_change, h_reference = x_reference - state.x_reference, state.h_change, state.h_reference
        restart = self._restarts(exact, x_change, x_reference, h_change, h_reference)
        values = restart[:, None, None]
        mode = Mode.SKIP if layer.symbols else policy.mode
        trace.x_planes[:, t] = self._planes(np.where(values, x_reference, x_change), mode, inputs)
        recurrent = ~state.fresh[:, None] & (True if dropping is None else dropping[:, : layer.recurrent])
        trace.h_planes[:, t] = self._planes(np.where(values, h_reference, h_change), policy.mode, recurrent[:, None])
        trace.restart[:, t] = restart

        # The sums.
        rows = len(restart)
        from_x = self._known[1][:, t] if self._known else x_reference.reshape(rows, -1) @ matrices.x
        total = from_x + h_reference.reshape(rows, -1) @ matrices.h

        # The cell.
        h_old, c_old, bias = state.h, state.c, None
        if layer.counts:
            bias = np.stack([layer.bias_at(active_index) for active_index in range(1 + len(layer.counts))])[
                state.active_index
            ]
        state.h, state.c = cell_step(total.astype(np.int64), c_old, layer, self._config, bias)
        if dropping is not None:
            state.h, state.c = state.h * dropping, state.c * dropping
        elif active is not None:
            state.h, state.c = np.where(active, state.h, h_old), np.where(active, state.c, c_old)
        if self._index == 0 and self._rule.predictor and self._predictor is not None:
            columns = np.concatenate([x_reference[:, 0] << layer.x_grid.exponent, h_reference[:, 0]], axis=1)
            state.predicted = columns @ self._predictor >= self._rule.threshold

        # References of the next step.
        state.x_reference = x_reference
        grid_h = layer.h_grid.apply(state.h)[:, None, : layer.recurrent]
        held = self._held_h(steps + 1)
        state.h_reference = follow(grid_h, h_reference, self._theta_h, held=held, snaps=self._snaps)
        if dropping is not None:
            state.h_reference = state.h_reference * dropping[:, None]
        elif active is not None:
            # What is left as it is does not come to the encoder.
            state.h_reference = np.where(active[:, None], state.h_reference, h_reference)
        state.h_change = state.h_reference - h_reference
        if policy.monitors:
            before = state.deferred[0] & (steps > 0)[:, None]
            judged = judge(c_old, state.c, active, before, policy.monitor, self._config)
            state.deferred = [judged, *state.deferred[:-1]]
            trace.deferred[:, t] = judged
        state.steps, state.x_steps = steps + 1, x_steps + 1
        state.fresh, state.resumed = np.zeros_like(state.fresh), np.zeros_like(state.resumed)
        trace.h[:, t], trace.c[:, t] = state.h, state.c

    def _held_x(self, steps: IntArray) -> BoolArray:
        """References of x that stay in step number ``steps``, as the monitor said, bool [N, P, I]."""
        layer, state, monitor = self._layer, self._state, self._policy.monitor
        held = np.zeros(state.x_reference.shape, dtype=bool)
        if self._policy.monitors and monitor.scope is Scope.LAYER and not layer.symbols:
            settled = steps >= max(self._lag, monitor.warmup)
            held[:, layer.planes - 1] = (settled & state.deferred[self._lag - 1][:, 0])[:, None]
        return held

    def _held_h(self, steps: IntArray) -> BoolArray:
        """The same of h, bool [N, P, H]; the present step is not judged yet."""
        layer, state, monitor = self._layer, self._state, self._policy.monitor
        held = np.zeros(state.h_reference.shape, dtype=bool)
        if self._policy.monitors:
            settled = steps >= max(LAG_H, monitor.warmup)
            deferred = np.repeat(state.deferred[LAG_H - 2], self._config.lanes, axis=1)[:, : layer.recurrent]
            held[:, layer.planes - 1] = settled[:, None] & deferred
        return held

    def _restarts(
        self, exact: BoolArray, x_change: IntArray, x_reference: IntArray, h_change: IntArray, h_reference: IntArray
    ) -> BoolArray:
        """Which sequences recompute their sums."""
        state, policy = self._state, self._policy
        if not policy.keeps_sums:
            return np.ones(len(exact), dtype=bool)
        restart = exact.copy()
        if policy.mode is Mode.AUTO:
            x_cost, h_cost = (
                np.stack([(operand != 0).sum(axis=(1, 2)) for operand in pair], axis=1)
                for pair in ((x_change, x_reference), (h_change, h_reference))
            )
            # A list that still grows when the step begins counts as its predecessor did.
            known, late_cost = (x_cost, h_cost) if self._index == 0 else (h_cost, x_cost)
            stacked_first = self._index == 0 and self._layers > 1
            cost = known + (late_cost if stacked_first else state.late_cost)
            # After loading, changes mean nothing: a list that had to restart tells nothing of the next.
            state.late_cost = np.where(exact[:, None], 0, late_cost)
            restart |= cost[:, 1] <= cost[:, 0]
        return restart

    def _planes(self, operand: IntArray, mode: Mode, among: BoolArray | None) -> npt.NDArray[np.int8]:
        """Planes in which columns are listed, a set of bits: [N, P, C] to int8 [N, C]."""
        found = listed(operand, mode)
        if among is not None:
            found &= among
        bits = np.int8(1) << np.arange(found.shape[1], dtype=np.int8)
        return (found * bits[None, :, None]).sum(axis=1, dtype=np.int8)

    def _shown(self) -> IntArray:
        """h with what dropped units count as, int64 [N, H]."""
        state, layer = self._state, self._layer
        if layer.idle_h is None:
            return state.h
        active = np.arange(layer.units) < np.array([layer.units, *layer.counts])[state.active_index][:, None]
        return np.where(active, state.h, layer.idle_h)

    def _blank(self, t: int, skipped: BoolArray, trace: LayerTrace) -> None:
        """A skipped step holds h and c and does nothing else."""
        for name in ("x_planes", "h_planes", "restart"):
            getattr(trace, name)[skipped, t] = 0
        previous = trace.h[:, t - 1] if t else self._shown()
        trace.h[skipped, t] = previous[skipped]
        trace.c[skipped, t] = self._state.c[skipped]
