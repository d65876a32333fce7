"""The exact integer model of a whole network, vectorised over sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cell import cell_step
from .config import EngineConfig
from .encoder import BoolArray, encode, encode_sequence
from .policy import Mode, Policy
from .quantised import IntArray, QuantLayer, QuantNetwork


@dataclass
class LayerState:
    """State of one layer for N sequences: what the hardware keeps between steps.

    Attributes
    ----------
    h : int64 [N, H], Q1.15
    c : int64 [N, H]
    x_reference : int64 [N, I]
    h_reference : int64 [N, H]
        Grid values that the kept sums stand for.
    h_listed : bool [N, H]
        Columns already listed for the coming step.
    """

    h: IntArray
    c: IntArray
    x_reference: IntArray
    h_reference: IntArray
    h_listed: BoolArray

    @classmethod
    def zero(cls, layer: QuantLayer, sequences: int) -> LayerState:
        """State at a sequence start: nothing is listed, since h is zero."""
        shape = (sequences, layer.units)
        return cls(
            np.zeros(shape, dtype=np.int64),
            np.zeros(shape, dtype=np.int64),
            np.zeros((sequences, layer.inputs), dtype=np.int64),
            np.zeros(shape, dtype=np.int64),
            np.zeros(shape, dtype=bool),
        )

    @classmethod
    def loaded(cls, layer: QuantLayer, policy: Policy, h: IntArray, c: IntArray) -> LayerState:
        """State written by the host; the step after it restarts the sums.

        Parameters
        ----------
        h : int64 [N, H], Q1.15
        c : int64 [N, H], ``c_frac`` fraction bits
        """
        value = layer.h_grid.apply(h)
        listed, reference = encode(value, value, policy.mode, 0, restart=True)
        x_reference = np.zeros((h.shape[0], layer.inputs), dtype=np.int64)
        return cls(h.copy(), c.copy(), x_reference, reference, listed)


@dataclass(frozen=True)
class LayerTrace:
    """What one layer did.

    Attributes
    ----------
    h : int16 [N, T, H], Q1.15
    c : int32 [N, T, H]
    x_listed : bool [N, T, I]
        Input columns issued in each step.
    h_listed : bool [N, T, H]
        Recurrent columns issued in each step.
    restart : bool [T]
        Steps that clear the sums.
    """

    h: npt.NDArray[np.int16]
    c: npt.NDArray[np.int32]
    x_listed: BoolArray
    h_listed: BoolArray
    restart: BoolArray

    @property
    def columns(self) -> IntArray:
        """List entries issued, int64 [N, T]."""
        return self.x_listed.sum(axis=2) + self.h_listed.sum(axis=2)


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
        self._w_x: list[npt.NDArray[np.float64]] = []
        self._w_h: list[npt.NDArray[np.float64]] = []
        for index, layer in enumerate(network.layers):
            # float64 products and sums are exact as long as every partial sum stays below 2^53.
            if layer.sum_bound >= 1 << min(config.acc_width - 1, 53):
                raise ValueError(
                    f"Layer {index} sums reach {layer.sum_bound}, beyond {config.acc_width}-bit accumulators"
                )
            scale = float(1 << layer.x_grid.exponent)
            self._w_x.append(np.ascontiguousarray(layer.weights[:, : layer.inputs].T * scale))
            self._w_h.append(np.ascontiguousarray(layer.weights[:, layer.inputs :].T, dtype=np.float64))

    def zero_state(self, sequences: int) -> list[LayerState]:
        """States at a sequence start."""
        return [LayerState.zero(layer, sequences) for layer in self.network.layers]

    def loaded_state(self, policies: list[Policy], states: list[tuple[IntArray, IntArray]]) -> list[LayerState]:
        """States written by the host: per layer (h, c), int64 [N, H] each."""
        return [
            LayerState.loaded(layer, policy, h, c)
            for layer, policy, (h, c) in zip(self.network.layers, policies, states, strict=True)
        ]

    def run(
        self,
        x: npt.NDArray[np.int16],
        policies: list[Policy],
        state: list[LayerState] | None = None,
        *,
        restart: bool = True,
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
        """
        if state is None:
            state = self.zero_state(x.shape[0])
        traces = []
        values: npt.NDArray[np.int16] = x
        for index, layer in enumerate(self.network.layers):
            trace = self._run_layer(index, layer, values, policies[index], state[index], restart)
            traces.append(trace)
            values = trace.h
        return traces

    def _run_layer(
        self,
        index: int,
        layer: QuantLayer,
        x: npt.NDArray[np.int16],
        policy: Policy,
        state: LayerState,
        restart: bool,
    ) -> LayerTrace:
        sequences, steps, _ = x.shape
        grid_x = layer.x_grid.apply(x)
        x_listed, x_reference = encode_sequence(grid_x, state.x_reference, policy.mode, policy.theta_x, restart)
        from_x = x_reference.astype(np.float64) @ self._w_x[index]
        h_trace = np.empty((sequences, steps, layer.units), dtype=np.int16)
        c_trace = np.empty((sequences, steps, layer.units), dtype=np.int32)
        h_listed = np.empty((sequences, steps, layer.units), dtype=bool)
        w_h = self._w_h[index]
        for t in range(steps):
            h_listed[:, t] = state.h_listed
            total = from_x[:, t] + state.h_reference @ w_h
            state.h, state.c = cell_step(total.astype(np.int64), state.c, layer, self.config)
            state.h_listed, state.h_reference = encode(
                layer.h_grid.apply(state.h), state.h_reference, policy.mode, policy.theta_h, restart=False
            )
            h_trace[:, t], c_trace[:, t] = state.h, state.c
        if steps:
            state.x_reference = x_reference[:, -1]
        restarts = np.full(steps, policy.mode is not Mode.DELTA)
        restarts[:1] |= restart
        return LayerTrace(h_trace, c_trace, x_listed, h_listed, restarts)
