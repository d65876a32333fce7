"""What an engine did with some sequences, in the same form for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LOW, LayerTrace
from lstmith.golden.breakdown import CycleBreakdown
from lstmith.host.activity import Activity, lanes_in_use
from lstmith.spec.config import H_FRAC, PRECISIONS, EngineConfig
from lstmith.spec.quantised import QuantLayer, QuantNetwork

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LayerResult:
    """One layer's results; steps after a sequence's end are zero.

    Attributes
    ----------
    h : int64 [N, T, H], Q1.15
        A skipped step repeats the one before; a dropped unit's is what it counts as.
    c : int64 [N, T, H]
        Likewise; a dropped unit's is zero.
    columns : int64 [N, T]
        List entries issued.
    low : int64 [N, T]
        Of them, how many on the lower variant as small operands.
    level : int64 [N, T]
        Highest weight bits that any fold used.
    restart : bool [N, T]
    skipped : bool [N, T]
    active : int64 [N, T]
        Units computed, in a skipped step those in force.
    """

    h: IntArray
    c: IntArray
    columns: IntArray
    low: IntArray
    level: IntArray
    restart: BoolArray
    skipped: BoolArray
    active: IntArray

    @classmethod
    def empty(cls, layer: QuantLayer, shape: tuple[int, int]) -> LayerResult:
        """Room for N sequences of T steps."""
        h, c = (np.zeros((*shape, layer.units), dtype=np.int64) for _ in range(2))
        columns, low, level, active = (np.zeros(shape, dtype=np.int64) for _ in range(4))
        restart, skipped = (np.zeros(shape, dtype=bool) for _ in range(2))
        return cls(h, c, columns, low, level, restart, skipped, active)

    @classmethod
    def of_trace(cls, layer: QuantLayer, config: EngineConfig, trace: LayerTrace, valid: BoolArray) -> LayerResult:
        """What the golden model did.

        Parameters
        ----------
        valid : bool [N, T]
            Steps that exist.
        """
        happens = lanes_in_use(layer, config, trace) > 0
        return cls(
            h=trace.h.astype(np.int64) * valid[..., None],
            c=trace.c.astype(np.int64) * valid[..., None],
            columns=trace.columns * valid,
            low=trace.entries[..., LOW - 1] * valid,
            level=(trace.fold_precisions * happens).max(axis=2).astype(np.int64) * valid,
            restart=trace.restart & valid,
            skipped=trace.skipped & valid,
            active=np.array([layer.units, *layer.counts])[trace.active_index] * valid,
        )

    def columns_by_precision(self, layer: QuantLayer) -> IntArray:
        """List entries by weight bits, int64 [N, T, 3].

        If any fold worked at the layer's own precision, entries count by what they took there; if the
        monitor lowered every fold, all count under the highest of the folds' precisions.
        """
        lowered = self.level < layer.precision
        low = np.where(lowered, 0, self.low)
        main_bits = np.where(lowered, self.level, layer.precision)
        bits = np.array(PRECISIONS)
        main = (self.columns - low)[..., None] * (main_bits[..., None] == bits)
        return main + low[..., None] * (bits == (layer.entry_variant or layer.precision))

    def precision(self, layer: QuantLayer) -> IntArray:
        """Highest weight bits that an entry used, int64 [N, T]; without entries what they could have, 0 if skipped."""
        used = (self.columns_by_precision(layer) > 0) * np.array(PRECISIONS)
        return np.where(self.columns > 0, used.max(axis=2), self.level)


@dataclass(frozen=True)
class EngineRun:
    """All layers' results.

    Attributes
    ----------
    network : QuantNetwork
    layers : tuple of LayerRun
    cycles : int64 [N, T]
        Zero after a sequence's end, and everywhere for the float engine.
    h : float64 [N, T, H]
        The last layer's h as real numbers.
    valid : bool [N, T]
        Steps that exist.
    seconds : float
        Wall time of the run, without building.
    activity : Activity or None
        Of the golden model.
    breakdown : Account or None
        What the cycles were spent on; of the golden model.
    """

    network: QuantNetwork
    layers: tuple[LayerResult, ...]
    cycles: IntArray
    h: npt.NDArray[np.float64]
    valid: BoolArray
    seconds: float
    activity: Activity | None = None
    breakdown: CycleBreakdown | None = None

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of Y.npz, each [N, T, ...]."""
        last = self.layers[-1]
        pairs = list(zip(self.layers, self.network.layers, strict=True))
        return {
            "h": self.h,
            "h_int": self.network.layers[-1].to_source(last.h),
            "c_int": self.network.layers[-1].to_source(last.c),
            "precision": np.stack([run.precision(layer) for run, layer in pairs], axis=-1),
            "skipped": np.stack([run.skipped for run in self.layers], axis=-1),
            "active": np.stack([run.active for run in self.layers], axis=-1),
            "columns": np.stack([run.columns for run in self.layers], axis=-1),
            "restart": np.stack([run.restart for run in self.layers], axis=-1),
            "columns_by_precision": np.stack([run.columns_by_precision(layer) for run, layer in pairs], axis=-2),
            "cycles": self.cycles,
        }


def real_h(h: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """h in Q1.15 as real numbers."""
    return h / float(1 << H_FRAC)


def mismatches(run: EngineRun, reference: EngineRun) -> int:
    """Elements of h, c and of the per-layer arrays in which two runs differ, over all layers."""
    count = sum(
        int(np.count_nonzero(getattr(mine, name) != getattr(theirs, name)))
        for mine, theirs in zip(run.layers, reference.layers, strict=True)
        for name in ("h", "c")
    )
    ours, wanted = run.arrays(), reference.arrays()
    return count + sum(
        int(np.count_nonzero(ours[name] != wanted[name]))
        for name in ("precision", "skipped", "active", "columns", "restart", "columns_by_precision")
    )


def utilisation(activity: Activity, cycles: int, config: EngineConfig) -> float:
    """Lane cycles spent on list entries, of all lane cycles of a run of ``cycles`` cycles."""
    return activity.lane_words / (config.lanes * cycles)


def cycle_figures(cycles: Sequence[int] | IntArray) -> dict[str, Any]:
    """Total, mean, 99th percentile and largest of the cycles of all steps."""
    values = np.asarray(cycles)
    return {
        "cycles": int(values.sum()),
        "cycles_per_step": float(values.mean()),
        "cycles_p99": float(np.percentile(values, 99)),
        "cycles_max": int(values.max()),
    }
