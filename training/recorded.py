"""A run of the golden model with the references that each step chose, of every plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerState, LayerTrace
from lstmith.golden.layer_run import LayerRun
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import QuantLayer, QuantNetwork
from lstmith.training.data import TrainingSequences

Values = npt.NDArray[np.int32]


@dataclass(frozen=True)
class References:
    """References of one layer.

    Parameters
    ----------
    x : int32 [N, T, P, I]
        References of the input that each step's sums hold, by plane.
    h : int32 [N, T, P, H]
        Those of h that each step leaves for the next.
    """

    x: Values
    h: Values

    @classmethod
    def empty(cls, layer: QuantLayer, sequences: int, steps: int) -> References:
        """Room for a run."""
        return cls(
            np.zeros((sequences, steps, layer.planes, layer.inputs), dtype=np.int32),
            np.zeros((sequences, steps, layer.planes, layer.units), dtype=np.int32),
        )

    def write(self, t: int, state: LayerState) -> None:
        """Keep what the state holds after step ``t``."""
        self.x[:, t], self.h[:, t] = state.x_reference, state.h_reference


@dataclass(frozen=True)
class Recorded:
    """Traces and references, one of each per layer."""

    traces: list[LayerTrace]
    references: list[References]


def record(network: QuantNetwork, config: EngineConfig, data: TrainingSequences, policies: list[Policy]) -> Recorded:
    """Run sequences.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    data : TrainingSequences
    policies : list of Policy, one per layer
    """
    model = _Recorder(network, config)
    model.references = [References.empty(layer, *data.x.shape[:2]) for layer in network.layers]
    return Recorded(data.run(model, policies), model.references)


class _Recorder(GoldenModel):
    references: list[References]

    def layer_run(self, index: int, *arguments: Any) -> LayerRun:
        return _RecorderRun(self.references[index], self.network, self.config, self._matrices[index], index, *arguments)


class _RecorderRun(LayerRun):
    def __init__(self, references: References, *arguments: Any):
        super().__init__(*arguments)
        self._references = references

    def step(self, t: int, first: bool, trace: LayerTrace) -> None:
        super().step(t, first, trace)
        self._references.write(t, self._state)
