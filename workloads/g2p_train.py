"""Train the grapheme-to-phoneme networks and write the shipped weights: ``python -m lstmith.workloads.g2p_train``.

``base`` is trained alone. ``adaptive`` starts from it: short words get fewer units, and some epochs lack the letters
that cost least. Needs the extra ``torch``; about 20 minutes on two idle cores.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lstmith.cli.console import progress, say
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.g2p import WEIGHTS, Plan, assemble
from lstmith.workloads.g2p_data import BOUNDARY, Entry, entries
from lstmith.workloads.g2p_fit_skip import fit_costs
from lstmith.workloads.g2p_model import Net
from lstmith.workloads.g2p_score import phoneme_errors, word_errors
from lstmith.workloads.g2p_skip import SHAPE, Costs, skipped

COUNTS = (192, 176, 160, 144, 128, 112, 96, 80)
TOLERANCE = 0.7  #: of skipped letters, nats: every fiftieth
#: Plans of the adaptive training, wide at first, then nearer to what is of use; 0 is all units for every word.
WIDE = (0, 9, 10, 10, 11, 11, 12)
NARROW = (0, 9, 9, 10, 10)
EMBEDDING = 24
SEED = 1
THREADS = 2
BATCH = 256
NOTHING = -100  #: target where there is none
CLIP = 1.0


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    Parameters
    ----------
    name : str
    epochs : int
    rate : float
        Peak learning rate of the one-cycle schedule.
    dropout, decay : float
    """

    name: str
    epochs: int
    rate: float
    dropout: float = 0.3
    decay: float = 0.01


BASE = Phase("base", 24, 4e-3)
GAPS = Phase("with gaps", 3, 2e-3)
ADAPT = Phase("fewer units", 10, 2e-3)
SETTLE = Phase("fewer units, settled", 7, 1e-3)

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Net, Batch], Tensor]


class Words:
    """Training pairs by the number of letters read, so that a batch needs no padding before the decoder.

    Parameters
    ----------
    words : list of Entry
        Every pronunciation makes a pair.
    costs : float32 [28, 27, 28], optional
    tolerance : float
        Letters that cost less are left out, as in a core that skips them.
    """

    def __init__(self, words: list[Entry], costs: Costs | None = None, tolerance: float = 0.0) -> None:
        groups: dict[int, list[tuple[list[int], tuple[int, ...]]]] = defaultdict(list)
        for entry in words:
            letters = list(entry.graphemes)
            if costs is not None:
                marks = skipped(costs, entry.graphemes, tolerance)
                letters = [one for one, left_out in zip(letters, marks, strict=True) if not left_out]
            groups[len(letters)] += [(letters[::-1], right) for right in entry.pronunciations]
        self._groups = [self._tensors(pairs) for pairs in groups.values()]
        self.batches = sum(math.ceil(len(letters) / BATCH) for letters, _ in self._groups)

    def shuffled(self) -> Iterator[Batch]:
        """All pairs once: letters int64 [N, L], targets int64 [N, T]."""
        order = [
            (group, part)
            for group, (letters, _) in enumerate(self._groups)
            for part in torch.randperm(len(letters)).split(BATCH)
        ]
        random.shuffle(order)
        for group, part in order:
            letters, targets = (values[part] for values in self._groups[group])
            longest = int((targets != NOTHING).sum(dim=1).max())
            yield letters, targets[:, :longest]

    @staticmethod
    def _tensors(pairs: list[tuple[list[int], tuple[int, ...]]]) -> Batch:
        targets = torch.full((len(pairs), max(len(right) for _, right in pairs) + 1), NOTHING)
        for row, (_, right) in enumerate(pairs):
            targets[row, : len(right) + 1] = torch.tensor([*right, BOUNDARY])
        return torch.tensor([letters for letters, _ in pairs]), targets


def train(net: Net, phase: Phase, sources: list[Words], loss_of: Loss) -> None:
    """Train through a phase; an epoch is one of the sources, in turn."""
    random.seed(SEED)
    net.dropout.p = phase.dropout
    optimiser = torch.optim.AdamW(net.parameters(), lr=phase.rate, weight_decay=phase.decay, betas=(0.9, 0.98))
    total = sum(sources[epoch % len(sources)].batches for epoch in range(phase.epochs))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, phase.rate, total_steps=total, pct_start=0.1)
    done = 0
    with progress(f"training {phase.name}", total) as report:
        for epoch in range(phase.epochs):
            net.train()
            for batch in sources[epoch % len(sources)].shuffled():
                loss = loss_of(net, batch)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                optimiser.step()
                schedule.step()
                done += 1
                report(done)


def cross_entropy(net: Net, batch: Batch, count: int = 0) -> Tensor:
    """Mean over phonemes, with an active count given by its index; all units if none is."""
    letters, targets = batch
    scores = net(letters, targets, count)
    return nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=NOTHING)


def planned_loss(full_from: tuple[int, ...]) -> Loss:
    """Cross-entropy with as many units as a plan gives the words; the plan is drawn anew for each batch."""

    def loss_of(net: Net, batch: Batch) -> Tensor:
        active = Plan(random.choice(full_from)).active(batch[0].shape[1], net.counts)
        return cross_entropy(net, batch, net.counts.index(active))

    return loss_of


def gap_loss(net: Net, batch: Batch) -> Tensor:
    """As `cross_entropy`, but half of the batches lack a letter of every word; the one read first always stays."""
    letters, targets = batch
    length = letters.shape[1]
    if length > 1 and random.random() < 0.5:
        gap = torch.randint(1, length, (len(letters), 1))
        kept = torch.arange(length - 1).expand(len(letters), -1)
        letters = letters.gather(1, kept + (kept >= gap))
    return cross_entropy(net, (letters, targets))


def report(name: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Say how good the weights are on the tuning words."""
    workload = assemble(arrays)
    words = entries("tune")
    said = workload.speak(words, FloatRunner(workload)).phonemes
    wer, per = word_errors(words, said).value, phoneme_errors(words, said).value
    say(f"{name}: {100 * wer:.1f} % of the tuning words and {100 * per:.1f} % of their phonemes are wrong")


def packed(net: Net, costs: Costs, counts: int) -> dict[str, npt.NDArray[Any]]:
    """Weights as shipped: half precision, and only the biases of the first few counts."""
    halves = {name: array.astype(np.float16) for name, array in net.arrays().items()}
    for name in halves:
        if name.endswith("_bias"):
            halves[name] = halves[name][:counts]
    return {**halves, "counts": np.array(net.counts[:counts]), "costs": costs.astype(np.float16)}


def main() -> None:
    """Train both variants and write them beside this module."""
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    words = entries("train")
    whole = Words(words)
    net = Net(COUNTS, EMBEDDING)
    train(net, BASE, [whole], cross_entropy)
    base = packed(net, np.full(SHAPE, np.inf), 1)
    report("base", base)
    np.savez(WEIGHTS / "g2p.npz", allow_pickle=False, **base)

    gapped = deepcopy(net)
    train(gapped, GAPS, [whole], gap_loss)
    costs = fit_costs(gapped, words[::2])
    net.share_biases()
    gaps = Words(words, costs, TOLERANCE)
    train(net, ADAPT, [whole, gaps], planned_loss(WIDE))
    train(net, SETTLE, [whole, whole, gaps], planned_loss(NARROW))
    adaptive = packed(net, costs, len(COUNTS))
    report("adaptive", adaptive)
    np.savez(WEIGHTS / "g2p_adaptive.npz", allow_pickle=False, **adaptive)


if __name__ == "__main__":
    main()
