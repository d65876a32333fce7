"""What an engine did with some sequences, in the same form for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.config import H_FRAC, PRECISIONS, EngineConfig
from lstmith.golden.quantised import QuantNetwork

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LayerRun:
    """One layer's results; steps after a sequence's end are zero.

    Attributes
    ----------
    h : int64 [N, T, H], Q1.15
    c : int64 [N, T, H]
    columns : int64 [N, T]
        List entries issued.
    restart : bool [N, T]
    """

    h: IntArray
    c: IntArray
    columns: IntArray
    restart: npt.NDArray[np.bool_]


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
    exact : bool
        Whether the integers are the hardware's; not so for float.
    """

    network: QuantNetwork
    layers: tuple[LayerRun, ...]
    cycles: IntArray
    h: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]
    seconds: float
    exact: bool = True

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of Y.npz, each [N, T, ...]."""
        last = self.layers[-1]
        columns = np.stack([layer.columns for layer in self.layers], axis=-1)
        precisions = np.array([layer.precision for layer in self.network.layers]) * self.exact
        by_precision = columns[..., None] * (precisions[:, None] == np.array(PRECISIONS))
        units = np.array([layer.units for layer in self.network.layers])
        return {
            "h": self.h,
            "h_int": last.h,
            "c_int": last.c,
            "precision": self.valid[..., None] * precisions,
            # No policy skips steps yet: an empty list still updates the cell.
            "skipped": np.zeros(columns.shape, dtype=bool),
            "active": self.valid[..., None] * units,
            "columns": columns,
            "restart": np.stack([layer.restart for layer in self.layers], axis=-1),
            "columns_by_precision": by_precision,
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
        for name in ("h", "c", "columns", "restart")
    )
    ours, wanted = run.arrays(), reference.arrays()
    return count + sum(
        int(np.count_nonzero(ours[name] != wanted[name]))
        for name in ("precision", "skipped", "active", "columns_by_precision")
    )


def utilisation(run: EngineRun, config: EngineConfig) -> float:
    """Lane cycles spent on list entries, of all lane cycles.

    An entry occupies the lanes in use for its words in each fold: one unit's words per unit.
    """
    busy = sum(
        int(layer.columns.sum()) * config.words_per_entry(quantised.precision) * quantised.units
        for layer, quantised in zip(run.layers, run.network.layers, strict=True)
    )
    return busy / (config.lanes * int(run.cycles.sum()))


def cycle_figures(cycles: Sequence[int] | IntArray) -> dict[str, Any]:
    """Total, mean, 99th percentile and largest of the cycles of all steps."""
    values = np.asarray(cycles)
    return {
        "cycles": int(values.sum()),
        "cycles_per_step": float(values.mean()),
        "cycles_p99": float(np.percentile(values, 99)),
        "cycles_max": int(values.max()),
    }
