"""What a layer keeps between steps and what a run tells of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.encoder import BoolArray
from lstmith.spec.monitor_rule import LAG_INPUT
from lstmith.spec.quantised import IntArray, QuantLayer

#: Most planes of a weight; a column's planes in a step are a set of bits, bit 0 the top plane.
PLANES = 2
#: Why records are fetched anew.
RECORDS, RELOAD = 1, 2


@dataclass
class LayerState:
    """State of one layer with R recurrent columns for N sequences: what the hardware keeps between steps.

    Attributes
    ----------
    h : int64 [N, H]
        In units of ``h_lsb``, Q1.15 of most layers.
    c : int64 [N, H]
        The same as h in all kinds but the LSTM.
    x_reference : int64 [N, P, I]
    h_reference : int64 [N, P, R]
        Grid values that each plane's part of the kept sums stands for; of h, already those of the coming step.
    h_change : int64 [N, P, R]
        Change of ``h_reference`` that the coming step lists.
    late_cost : int64 [N, 2]
        Words of the last step's list that was still growing when its step began: delta, restart.
    deferred : list of bool [N, F]
        Where the monitor found the low plane's changes to be worth deferring after the last step, the one before it,
        and the one before that.
    steps : int64 [N]
        Steps since the start or the last change of state.
    x_steps : int64 [N]
        The same as the input stage counts, which does not see the active count change.
    active_index : int64 [N]
        Index of the active count.
    fresh : bool [N]
        A sequence starts: h is zero and not listed, even by a dense step.
    skip_run : int64 [N]
        First layer: steps skipped in a row.
    predicted : bool [N]
        First layer: the predictor would skip the next step.
    resumed : bool [N]
        The coming step begins in a state that is in the engine's memories: records are fetched and h is listed anew.
    """

    h: IntArray
    c: IntArray
    x_reference: IntArray
    h_reference: IntArray
    h_change: IntArray
    late_cost: IntArray
    deferred: list[BoolArray]
    steps: IntArray
    x_steps: IntArray
    active_index: IntArray
    fresh: BoolArray
    skip_run: IntArray
    predicted: BoolArray
    resumed: BoolArray

    @classmethod
    def zero(cls, layer: QuantLayer, sequences: int, folds: int) -> LayerState:
        """State at a sequence start: nothing is listed, since h is zero."""

        def zeros(*extent: int) -> IntArray:
            return np.zeros((sequences, *extent), dtype=np.int64)

        return cls(
            h=zeros(layer.units),
            c=zeros(layer.units),
            x_reference=zeros(layer.planes, layer.inputs),
            h_reference=zeros(layer.planes, layer.recurrent),
            h_change=zeros(layer.planes, layer.recurrent),
            late_cost=zeros(2),
            deferred=[np.zeros((sequences, folds), dtype=bool) for _ in range(LAG_INPUT)],
            steps=zeros(),
            x_steps=zeros(),
            active_index=zeros(),
            fresh=np.ones(sequences, dtype=bool),
            skip_run=zeros(),
            predicted=np.zeros(sequences, dtype=bool),
            resumed=np.zeros(sequences, dtype=bool),
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
    h : int16 [N, T, H]
        Of a dropped unit: what it counts as. A step that skims leaves the others as they were.
    c : int32 [N, T, H]
        Of a dropped unit: zero.
    x_planes : int8 [N, T, I]
        Planes in which an input column is listed: bit 0 the top plane, bit 1 the low one.
    h_planes : int8 [N, T, R]
        The same of the recurrent columns, none of a dense layer.
    restart : bool [N, T]
        Steps that recompute the sums.
    skipped : bool [N, T]
        Steps that hold h and c; nothing else is true of them.
    active_index : int8 [N, T]
        Index of the active count.
    renewal : int8 [N, T]
        Whether records are fetched anew: 0 no, 1 they alone, at a sequence's start or where a step begins to skim, 2
        with h listed anew for another count or program.
    deferred : bool [N, T, F]
        Where the monitor decided after the step that the low plane's changes are worth deferring.
    """

    h: npt.NDArray[np.int16]
    c: npt.NDArray[np.int32]
    x_planes: npt.NDArray[np.int8]
    h_planes: npt.NDArray[np.int8]
    restart: BoolArray
    skipped: BoolArray
    active_index: npt.NDArray[np.int8]
    renewal: npt.NDArray[np.int8]
    deferred: BoolArray

    @classmethod
    def empty(cls, layer: QuantLayer, sequences: int, steps: int, folds: int = 1) -> LayerTrace:
        """Room for a run."""
        shape = (sequences, steps)
        return cls(
            h=np.zeros((*shape, layer.units), dtype=np.int16),
            c=np.zeros((*shape, layer.units), dtype=np.int32),
            x_planes=np.zeros((*shape, layer.inputs), dtype=np.int8),
            h_planes=np.zeros((*shape, layer.recurrent), dtype=np.int8),
            restart=np.zeros(shape, dtype=bool),
            skipped=np.zeros(shape, dtype=bool),
            active_index=np.zeros(shape, dtype=np.int8),
            renewal=np.zeros(shape, dtype=np.int8),
            deferred=np.zeros((*shape, folds), dtype=bool),
        )

    @property
    def by_plane(self) -> IntArray:
        """List entries of each plane, int64 [N, T, PLANES], top plane first."""
        return np.stack(
            [
                (self.x_planes >> plane & 1).sum(axis=2, dtype=np.int64)
                + (self.h_planes >> plane & 1).sum(axis=2, dtype=np.int64)
                for plane in range(PLANES)
            ],
            axis=2,
        )

    @property
    def columns(self) -> IntArray:
        """Columns listed in some plane, int64 [N, T]."""
        return (self.x_planes != 0).sum(axis=2) + (self.h_planes != 0).sum(axis=2)
