"""What an engine did with some sequences, in the same form for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import PLANES, LayerTrace
from lstmith.golden.breakdown import CycleBreakdown
from lstmith.golden.verdict import verdicts
from lstmith.host.activity import Activity
from lstmith.spec.codes import Verdict
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.quantised import QuantLayer, QuantNetwork

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Arrays per layer in which a run must equal golden, beside h and c.
COMPARED = (
    "precision",
    "skipped",
    "active",
    "columns",
    "restart",
    "columns_by_precision",
    "words_by_plane",
)


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
    digits : int64 [N, T]
        Planes that the entries are listed in, over all entries; as many as ``columns`` with one plane.
    low : int64 [N, T]
        Entries that are listed in the low plane; 0 with one plane.
    restart : bool [N, T]
    skipped : bool [N, T]
    active : int64 [N, T]
        Units computed, in a skipped step those in force.
    verdict : int64 [N, T]
        See :func:`.golden.verdict.verdicts`.
    """

    h: IntArray
    c: IntArray
    columns: IntArray
    digits: IntArray
    low: IntArray
    restart: BoolArray
    skipped: BoolArray
    active: IntArray
    verdict: IntArray

    @classmethod
    def empty(cls, layer: QuantLayer, shape: tuple[int, int]) -> LayerResult:
        """Room for N sequences of T steps."""
        h, c = (np.zeros((*shape, layer.units), dtype=np.int64) for _ in range(2))
        columns, digits, low, active, verdict = (np.zeros(shape, dtype=np.int64) for _ in range(5))
        restart, skipped = (np.zeros(shape, dtype=bool) for _ in range(2))
        return cls(h, c, columns, digits, low, restart, skipped, active, verdict)

    @classmethod
    def of_trace(cls, layer: QuantLayer, trace: LayerTrace, valid: BoolArray) -> LayerResult:
        """What the golden model did.

        Parameters
        ----------
        layer : QuantLayer
        trace : LayerTrace
        valid : bool [N, T]
            Steps that exist.
        """
        by_plane = trace.by_plane * valid[..., None]
        return cls(
            h=trace.h.astype(np.int64) * valid[..., None],
            c=trace.c.astype(np.int64) * valid[..., None],
            columns=trace.columns * valid,
            digits=by_plane.sum(axis=2),
            low=by_plane[..., 1],
            restart=trace.restart & valid,
            skipped=trace.skipped & valid,
            active=np.array([layer.units, *layer.counts])[trace.active_index] * valid,
            verdict=verdicts(layer, trace.h) * valid,
        )

    def columns_by_precision(self, layer: QuantLayer) -> IntArray:
        """List entries by the weight bits that they read, int64 [N, T, 3] in the order of ``PRECISIONS``.

        An entry that is listed in one plane reads digits, one that is listed in all planes reads whole weights.
        """
        bits = np.array(PRECISIONS)
        whole = self.columns if layer.planes == 1 else self.digits - self.columns
        single = self.columns - whole
        return whole[..., None] * (bits == layer.precision) + single[..., None] * (bits == layer.plane_bits)

    def precision(self, layer: QuantLayer) -> IntArray:
        """Most weight bits read in the step, int64 [N, T]: a digit's if the low plane lists nothing, 0 if skipped."""
        computed = ~self.skipped & (self.active > 0)
        return np.where((self.low == 0) & (layer.planes == 2), layer.plane_bits, layer.precision) * computed

    def words_by_plane(self, layer: QuantLayer, config: EngineConfig) -> IntArray:
        """Weight words that every lane reads for list entries, int64 [N, T, PLANES], top plane first.

        Parameters
        ----------
        layer : QuantLayer
        config : EngineConfig
            Its lanes share the active units in folds, each of which reads the whole list.
        """
        folds = -(-self.active // config.lanes)
        entries = np.stack([self.digits - self.low, self.low], axis=2)
        assert entries.shape[2] == PLANES
        words: IntArray = entries * (folds * layer.digit_words)[..., None]
        return words


@dataclass(frozen=True)
class EngineRun:
    """All layers' results.

    Attributes
    ----------
    network : QuantNetwork
    config : EngineConfig
        Of the engine that ran.
    layers : tuple of LayerResult
    cycles : int64 [N, T]
        Zero after a sequence's end, and everywhere for the float engine.
    h : float64 [N, T, H]
        The last layer's h as real numbers.
    valid : bool [N, T]
        Steps that exist.
    seconds : float
        Wall time of the run, without building.
    lists : bool
        Whether the engine works on lists of columns, as all do but the float one.
    activity : Activity or None
        Of the golden model.
    breakdown : CycleBreakdown or None
        What the cycles were spent on; of the golden model.
    idle : bool [N, T] or None
        Steps after the first that began in an idle engine, since their input came later than the engine could have
        taken it; None means none.
    """

    network: QuantNetwork
    config: EngineConfig
    layers: tuple[LayerResult, ...]
    cycles: IntArray
    h: npt.NDArray[np.float64]
    valid: BoolArray
    seconds: float
    lists: bool = True
    activity: Activity | None = None
    breakdown: CycleBreakdown | None = None
    idle: BoolArray | None = None

    def final_states(self) -> list[tuple[IntArray, IntArray]]:
        """State after each sequence's last step: per layer h and c, int64 [N, H] each."""
        rows, last = np.arange(len(self.valid)), self.valid.sum(axis=1) - 1
        return [(layer.h[rows, last], layer.c[rows, last]) for layer in self.layers]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of Y.npz, each [N, T, ...]."""
        last = self.layers[-1]
        pairs = list(zip(self.layers, self.network.layers, strict=True))
        verdict = {} if self.network.layers[-1].verdict is Verdict.NONE else {"verdict": last.verdict}
        return {
            "h": self.h,
            "h_int": self.network.layers[-1].to_source(last.h),
            "c_int": self.network.layers[-1].to_source(last.c),
            "precision": self.lists * np.stack([run.precision(layer) for run, layer in pairs], axis=-1),
            "skipped": np.stack([run.skipped for run in self.layers], axis=-1),
            "active": np.stack([run.active for run in self.layers], axis=-1),
            "columns": np.stack([run.columns for run in self.layers], axis=-1),
            "restart": np.stack([run.restart for run in self.layers], axis=-1),
            "columns_by_precision": np.stack([run.columns_by_precision(layer) for run, layer in pairs], axis=-2),
            "words_by_plane": np.stack([run.words_by_plane(layer, self.config) for run, layer in pairs], axis=-2),
            "cycles": self.cycles,
            **verdict,
        }


def real_h(network: QuantNetwork, h: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """The last layer's h as real numbers by its source's units."""
    layer = network.layers[-1]
    return layer.to_source(h).astype(np.float64) * layer.h_lsb


def mismatches(run: EngineRun, reference: EngineRun) -> int:
    """Elements of h, c, of verdicts and of the per-layer arrays in which two runs differ, over all layers."""
    count = sum(
        int(np.count_nonzero(getattr(mine, name) != getattr(theirs, name)))
        for mine, theirs in zip(run.layers, reference.layers, strict=True)
        for name in ("h", "c", "verdict")
    )
    ours, wanted = run.arrays(), reference.arrays()
    return count + sum(int(np.count_nonzero(ours[name] != wanted[name])) for name in COMPARED)


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
