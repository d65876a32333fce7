"""Sequences to train on: int16 streams of one network, padded, with the steps that exist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerTrace
from lstmith.golden.encoder import BoolArray
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatArray, padded
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray, QuantNetwork


@dataclass(frozen=True)
class TrainingSequences:
    """Sequences to train on.

    Parameters
    ----------
    x : int16 [N, T, I]
        Input stream, zero after a sequence's end.
    valid : bool [N, T]
        Steps that exist.
    state : list of (h, c) or None
        States in which they begin, per layer int64 [N, H] each; None is zero.
    hints : bool [N, T] or None
        Steps to skip, for policies that follow hints.
    """

    x: npt.NDArray[np.int16]
    valid: BoolArray
    state: list[tuple[IntArray, IntArray]] | None = None
    hints: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, members: npt.NDArray[np.integer]) -> TrainingSequences:
        """Some of the sequences, without steps that none of them has."""
        valid = self.valid[members]
        steps = int(valid.sum(axis=1).max())
        state = None if self.state is None else [(h[members], c[members]) for h, c in self.state]
        hints = None if self.hints is None else self.hints[members, :steps]
        return TrainingSequences(self.x[members, :steps], valid[:, :steps], state, hints)

    def run(self, model: GoldenModel, policies: list[Policy]) -> list[LayerTrace]:
        """The golden model on them."""
        state = None if self.state is None else model.loaded_state(policies, self.state)
        return model.run(self.x, policies, state, hints=self.hints)


def masked(xs: list[npt.NDArray[np.float32]]) -> tuple[FloatArray, BoolArray]:
    """float64 [N, T, I] and the steps that exist, bool [N, T], of sequences float32 [T, I]."""
    batch, lengths = padded(xs)
    return batch, np.arange(batch.shape[1]) < lengths[:, None]


def sequences(network: QuantNetwork, xs: list[npt.NDArray[np.float32]]) -> TrainingSequences:
    """Float sequences as the network's input stream."""
    batch, valid = masked(xs)
    return TrainingSequences(network.quantise_input(batch) * valid[:, :, None], valid)
