"""Encoder-decoders with more units than most words need, and smaller ones to compare with; all trained as long.

Needs the extra ``torch``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lstmith.compiler.files import whole_file
from lstmith.workloads.g2p import G2p, assemble
from lstmith.workloads.g2p_data import entries
from lstmith.workloads.g2p_model import Net
from lstmith.workloads.g2p_skip import SHAPE
from lstmith.workloads.g2p_train import EMBEDDING, Batch, Loss, Phase, Words, cross_entropy, packed, train

EPOCHS = 12
RATE = 4e-3  #: at its peak
SEED = 1


@dataclass(frozen=True)
class Kind:
    """A network to train.

    Parameters
    ----------
    name : str
    counts : tuple of int
        Active counts, descending; a batch of words is learned by one of them, drawn at random.
    """

    name: str
    counts: tuple[int, ...]

    @property
    def loss(self) -> Loss:
        """Cross-entropy by all units, or by as many as are drawn."""
        return cross_entropy if len(self.counts) == 1 else self._drawn

    def _drawn(self, net: Net, batch: Batch) -> Tensor:
        return cross_entropy(net, batch, random.randrange(len(self.counts)))


def trained(kind: Kind, folder: Path, report: Callable[[str], None], epochs: int = EPOCHS) -> G2p:
    """The workload of a network of this kind, trained if the folder does not hold its weights yet.

    Parameters
    ----------
    kind : Kind
    folder : Path
        Holds ``NAME-EPOCHS.npz``.
    report : callable
        Told what is going on.
    epochs : int
    """
    path = folder / f"{kind.name}-{epochs}.npz"
    if not path.is_file():
        report(f"training {kind.name}")
        torch.manual_seed(SEED)
        net = Net(kind.counts, EMBEDDING)
        train(net, Phase(kind.name, epochs, RATE), [Words(entries("train"))], kind.loss)
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **packed(net, np.full(SHAPE, np.inf), len(kind.counts)))
    with np.load(path) as arrays:
        return assemble({name: arrays[name] for name in arrays})
