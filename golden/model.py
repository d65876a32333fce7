"""The exact integer model of a whole network, vectorised over sequences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerState, LayerTrace
from lstmith.golden.encoder import BoolArray
from lstmith.golden.layer_run import LayerRun, Matrices, first_whole, index_of_active
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import check_policies, check_skims
from lstmith.spec.quantised import IntArray, QuantNetwork


class GoldenModel:
    """Bit-exact model of an engine that runs a network.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig

    Raises
    ------
    ValueError
        If a row sum may leave the engine's accumulator, or 2^53.
    """

    def __init__(self, network: QuantNetwork, config: EngineConfig):
        self.network, self.config = network, config
        self._matrices: list[Matrices] = []
        for index, layer in enumerate(network.layers):
            # float64 products and sums are exact as long as every partial sum stays below 2^53.
            if layer.sum_bound >= 1 << min(config.acc_width - 1, 53):
                raise ValueError(
                    f"Layer {index} sums reach {layer.sum_bound}, beyond {config.acc_width}-bit accumulators"
                )
            self._matrices.append(Matrices.of(layer))

    def zero_state(self, sequences: int) -> list[LayerState]:
        """States at a sequence start."""
        return [LayerState.zero(layer, sequences, self.config.folds(layer.units)) for layer in self.network.layers]

    def resumed_state(self, policies: list[Policy], states: list[tuple[IntArray, IntArray]]) -> list[LayerState]:
        """States that a program left in the engine: as :meth:`loaded_state`, but the engine lists h itself.

        A sequence begins with them that is not of the program that ran before, or that names another one.
        """
        resumed = self.loaded_state(policies, states)
        for state in resumed:
            state.resumed[:] = True
        return resumed

    def loaded_state(self, policies: list[Policy], states: list[tuple[IntArray, IntArray]]) -> list[LayerState]:
        """States written by the host, per layer (h, c), int64 [N, H] each; the step after it restarts the sums.

        Layers of other kinds than the LSTM have their h as c.
        """
        loaded = self.zero_state(len(states[0][0]))
        for state, layer, policy, (h, c) in zip(loaded, self.network.layers, policies, states, strict=True):
            index = 0 if layer.skims else index_of_active(layer, policy)
            state.active_index[:], state.fresh[:] = index, False
            active = np.arange(layer.units) < layer.active(index)
            state.h = h * active
            state.c = c * active if layer.kind is Kind.LSTM else state.h
            state.h_reference[:] = (layer.h_grid.apply(state.h) * active)[:, None, : layer.recurrent]
        return loaded

    def run(
        self,
        x: npt.NDArray[np.int16],
        policies: list[Policy],
        state: list[LayerState] | None = None,
        *,
        restart: bool = True,
        hints: BoolArray | None = None,
        active_indices: npt.NDArray[np.integer] | None = None,
    ) -> list[LayerTrace]:
        """Run N sequences of T steps.

        Parameters
        ----------
        x : int16 [N, T, I]
            Input stream.
        policies : list of Policy, one per layer
        state : list of LayerState or None
            Updated in place; a fresh zero state if None.
        restart : bool
            Whether the first step restarts (a zero or loaded state); False continues a run.
        hints : bool [N, T] or None
            Steps to skip, if the policy follows hints.
        active_indices : int [N, T] or None
            Index of the active count per step; None is the policy's own. The first step of a sequence never skims.

        Raises
        ------
        ValueError
            If the engine or the network cannot do what a policy asks.
        """
        check_policies(self.network, self.config, policies)
        if state is None:
            state = self.zero_state(x.shape[0])
        sequences, steps = x.shape[:2]
        wanted = (
            np.full((sequences, steps), index_of_active(self.network.layers[0], policies[0]))
            if active_indices is None
            else active_indices
        )
        if self.network.skims:
            wanted = first_whole(wanted) if restart else wanted
            if wanted.any():
                check_skims(policies)
        marked = hints if policies[0].skip.hints and hints is not None else np.zeros((sequences, steps), dtype=bool)
        traces: list[LayerTrace] = []
        values: npt.NDArray[np.int16] = x
        for index, layer in enumerate(self.network.layers):
            run = self.layer_run(index, policies, state[index], values, wanted)
            if index == 0:
                run.skip(marked)
            else:
                run.skipped = traces[0].skipped
            trace = LayerTrace.empty(layer, sequences, steps, self.config.folds(layer.units))
            for t in range(steps):
                run.step(t, restart and t == 0, trace)
            traces.append(trace)
            values = trace.h
        return traces

    def layer_run(
        self,
        index: int,
        policies: list[Policy],
        state: LayerState,
        x: npt.NDArray[np.int16],
        active_indices: npt.NDArray[np.integer],
    ) -> LayerRun:
        """One layer's way through a run; experiments put another rule in its place."""
        return LayerRun(self.network, self.config, self._matrices[index], index, policies, state, x, active_indices)
