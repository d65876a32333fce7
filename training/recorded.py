"""A run of the golden model with what each step chose: the references of every plane, and the monitor's decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerState, LayerTrace
from lstmith.golden.encoder import BoolArray
from lstmith.golden.layer_run import LayerRun
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import QuantLayer, QuantNetwork

References = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Choices:
    """What one layer chose.

    Parameters
    ----------
    x : int32 [N, T, P, I]
        References of the input that each step's sums hold, by plane.
    h : int32 [N, T, P, H]
        Those of h that each step leaves for the next.
    deferred : bool [N, T, F]
        What the monitor decided after each step: the low plane is worth deferring.
    """

    x: References
    h: References
    deferred: BoolArray

    @classmethod
    def empty(cls, layer: QuantLayer, config: EngineConfig, sequences: int, steps: int) -> Choices:
        """Room for a run."""
        return cls(
            np.zeros((sequences, steps, layer.planes, layer.inputs), dtype=np.int32),
            np.zeros((sequences, steps, layer.planes, layer.units), dtype=np.int32),
            np.zeros((sequences, steps, config.folds(layer.units)), dtype=bool),
        )

    def write(self, t: int, state: LayerState) -> None:
        """Keep what the state holds after step ``t``."""
        self.x[:, t], self.h[:, t], self.deferred[:, t] = state.x_reference, state.h_reference, state.deferred[0]


@dataclass(frozen=True)
class Recorded:
    """Traces and choices, one of each per layer."""

    traces: list[LayerTrace]
    choices: list[Choices]


def record(network: QuantNetwork, config: EngineConfig, x: npt.NDArray[np.int16], policies: list[Policy]) -> Recorded:
    """Run sequences from the zero state.

    Parameters
    ----------
    x : int16 [N, T, I]
    policies : list of Policy, one per layer
    """
    model = _Recorder(network, config)
    model.choices = [Choices.empty(layer, config, *x.shape[:2]) for layer in network.layers]
    return Recorded(model.run(x, policies), model.choices)


class _Recorder(GoldenModel):
    choices: list[Choices]

    def layer_run(self, index: int, *arguments: Any) -> LayerRun:
        return _RecorderRun(self.choices[index], self.network, self.config, self._matrices[index], index, *arguments)


class _RecorderRun(LayerRun):
    def __init__(self, choices: Choices, *arguments: Any):
        super().__init__(*arguments)
        self._choices = choices

    def step(self, t: int, first: bool, trace: LayerTrace) -> None:
        super().step(t, first, trace)
        self._choices.write(t, self._state)
