"""What a layer keeps between steps and what a run tells of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.encoder import BoolArray
from lstmith.spec.quantised import IntArray, QuantLayer

#: Classes of a column in a step.
UNLISTED, MAIN, LOW = 0, 1, 2
#: Why records are fetched anew.
START, RELOAD = 1, 2


@dataclass
class LayerState:
    """State of one layer for N sequences: what the hardware keeps between steps.

    Attributes
    ----------
    h : int64 [N, H], Q1.15
    c : int64 [N, H]
    x_reference : int64 [N, I]
    h_reference : int64 [N, H]
        Grid values that the kept sums stand for; of h, already those of the coming step.
    h_change : int64 [N, H]
        Change of ``h_reference`` that the coming step lists.
    missed : float64 [N, 4H]
        What lower variants left out of the kept sums.
    age : int64 [N]
        Steps since the sums were recomputed.
    late_cost : int64 [N, 2]
        Words of the last step's list that was still growing when its step began: delta, restart.
    fold_precisions : list of int64 [N, F]
        Precision that the monitor chose after the last step and after the one before.
    restart_requests : list of bool [N]
        Whether it asked for a restart, likewise.
    steps : int64 [N]
        Steps since the start or the last change of state.
    active_index : int64 [N]
        Index of the active count.
    fresh : bool [N]
        A sequence starts: h is zero and not listed, even by a dense step.
    skip_run : int64 [N]
        First layer: steps skipped in a row.
    predicted : bool [N]
        First layer: the predictor would skip the next step.
    """

    h: IntArray
    c: IntArray
    x_reference: IntArray
    h_reference: IntArray
    h_change: IntArray
    missed: npt.NDArray[np.float64]
    age: IntArray
    late_cost: IntArray
    fold_precisions: list[IntArray]
    restart_requests: list[BoolArray]
    steps: IntArray
    active_index: IntArray
    fresh: BoolArray
    skip_run: IntArray
    predicted: BoolArray

    @classmethod
    def zero(cls, layer: QuantLayer, sequences: int, folds: int) -> LayerState:
        """State at a sequence start: nothing is listed, since h is zero."""

        def zeros(*extent: int) -> IntArray:
            return np.zeros((sequences, *extent), dtype=np.int64)

        return cls(
            h=zeros(layer.units),
            c=zeros(layer.units),
            x_reference=zeros(layer.inputs),
            h_reference=zeros(layer.units),
            h_change=zeros(layer.units),
            missed=np.zeros((sequences, 4 * layer.units)),
            age=zeros(),
            late_cost=zeros(2),
            fold_precisions=[np.full((sequences, folds), layer.precision) for _ in range(2)],
            restart_requests=[np.zeros(sequences, dtype=bool) for _ in range(2)],
            steps=zeros(),
            active_index=zeros(),
            fresh=np.ones(sequences, dtype=bool),
            skip_run=zeros(),
            predicted=np.zeros(sequences, dtype=bool),
        )

    def keep(self, computed: BoolArray, before: LayerState) -> None:
        """Undo the step for sequences that skipped it."""
        for name, value in vars(self).items():
            old = getattr(before, name)
            if isinstance(value, np.ndarray):
                setattr(self, name, _chosen(computed, value, old))
            else:
                setattr(self, name, [_chosen(computed, new, was) for new, was in zip(value, old, strict=True)])


def _chosen(computed: BoolArray, new: npt.NDArray[np.generic], old: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.where(computed.reshape(-1, *[1] * (new.ndim - 1)), new, old)


@dataclass(frozen=True)
class LayerTrace:
    """What one layer did.

    Attributes
    ----------
    h : int16 [N, T, H], Q1.15
        Of a dropped unit: what it counts as.
    c : int32 [N, T, H]
        Of a dropped unit: zero.
    x_class : int8 [N, T, I]
        Input columns: 0 not listed, 1 at the layer's precision, 2 on the lower variant.
    h_class : int8 [N, T, H]
        The same of the recurrent columns.
    fold_precisions : int8 [N, T, F]
        Precision that each fold may use at most; the layer's, unless the monitor lowers it. 0 for
        folds of dropped units.
    restart : bool [N, T]
        Steps that recompute the sums.
    skipped : bool [N, T]
        Steps that hold h and c; nothing else is true of them.
    active_index : int8 [N, T]
        Index of the active count.
    renewal : int8 [N, T]
        Whether records are fetched anew: 0 no, 1 at a sequence's start, 2 with h listed anew for another count.
    """

    h: npt.NDArray[np.int16]
    c: npt.NDArray[np.int32]
    x_class: npt.NDArray[np.int8]
    h_class: npt.NDArray[np.int8]
    fold_precisions: npt.NDArray[np.int8]
    restart: BoolArray
    skipped: BoolArray
    active_index: npt.NDArray[np.int8]
    renewal: npt.NDArray[np.int8]

    @classmethod
    def empty(cls, layer: QuantLayer, sequences: int, steps: int, folds: int) -> LayerTrace:
        """Room for a run."""
        shape = (sequences, steps)
        return cls(
            h=np.zeros((*shape, layer.units), dtype=np.int16),
            c=np.zeros((*shape, layer.units), dtype=np.int32),
            x_class=np.zeros((*shape, layer.inputs), dtype=np.int8),
            h_class=np.zeros((*shape, layer.units), dtype=np.int8),
            fold_precisions=np.zeros((*shape, folds), dtype=np.int8),
            restart=np.zeros(shape, dtype=bool),
            skipped=np.zeros(shape, dtype=bool),
            active_index=np.zeros(shape, dtype=np.int8),
            renewal=np.zeros(shape, dtype=np.int8),
        )

    @property
    def entries(self) -> IntArray:
        """List entries by class, int64 [N, T, 2]: at the layer's precision, on the lower variant."""
        return np.stack(
            [(self.x_class == kind).sum(axis=2) + (self.h_class == kind).sum(axis=2) for kind in (MAIN, LOW)], axis=2
        )

    @property
    def columns(self) -> IntArray:
        """List entries issued, int64 [N, T]."""
        return self.entries.sum(axis=2)
