"""What a run of the golden model cost: cycles, and which weights were read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerTrace
from lstmith.host.activity import Activity, count_activity, step_words
from lstmith.host.energy import estimate_energy
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import QuantNetwork

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Costs:
    """Costs of steps.

    Parameters
    ----------
    cycles : int64 [S]
    words : int64 [S, PLANES]
        Weight words that each lane read in all layers, by plane, top plane first.
    columns : int64 [S]
        Columns listed in all layers.
    deferred : float64 [S]
        Part of the folds of all layers whose low plane the monitor decided to defer after the step.
    skipped, restarts : bool [S]
        Steps that did nothing; steps in which the first layer recomputed its sums.
    activities : tuple of Activity
        What was counted, of one run each.
    """

    cycles: IntArray
    words: IntArray
    columns: IntArray
    deferred: npt.NDArray[np.float64]
    skipped: npt.NDArray[np.bool_]
    restarts: npt.NDArray[np.bool_]
    activities: tuple[Activity, ...]

    @classmethod
    def of(
        cls,
        network: QuantNetwork,
        config: EngineConfig,
        traces: list[LayerTrace],
        cycles: IntArray,
        counted: npt.NDArray[np.bool_],
    ) -> Costs:
        """Costs of the counted steps (bool [N, T]) of a run."""
        layers = list(zip(network.layers, traces, strict=True))
        skipped = traces[0].skipped
        words = [step_words(layer, config, trace) for layer, trace in layers]
        by_plane = sum(words[1:], start=words[0]) * ~skipped[..., None]
        return cls(
            cycles=cycles[counted],
            words=by_plane[counted],
            columns=np.sum([trace.columns for trace in traces], axis=0)[counted],
            deferred=np.concatenate([trace.deferred for trace in traces], axis=2).mean(axis=2)[counted],
            skipped=skipped[counted],
            restarts=(traces[0].restart & ~skipped)[counted],
            activities=(count_activity(network, config, traces, counted),),
        )

    @classmethod
    def joined(cls, parts: list[Costs]) -> Costs:
        """Costs of several runs together."""
        arrays = [name for name in vars(parts[0]) if name != "activities"]
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays},
            activities=tuple(activity for part in parts for activity in part.activities),
        )

    def energy(self, config: EngineConfig) -> float:
        """Estimated pJ per step, with the default constants of :mod:`lstmith.host.energy`."""
        steps = len(self.cycles)
        # The estimate is linear, so parts may be added; the cycles are all counted with the first.
        totals = [
            float(estimate_energy(activity, config, 0 if index else int(self.cycles.sum()), steps)["total_pj"])
            for index, activity in enumerate(self.activities)
        ]
        return sum(totals)

    @property
    def cycles_per_step(self) -> float:
        """Mean."""
        return float(self.cycles.mean())


def dense_cycles(network: QuantNetwork, config: EngineConfig) -> int:
    """Cycles of a step in which every column is read at the layers' precision and nothing else takes time."""
    return sum(config.folds(layer.units) * layer.weights.shape[1] * layer.entry_words for layer in network.layers)
