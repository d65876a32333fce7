"""Find the letters that a trained network can do without."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lstmith.cli.console import progress
from lstmith.workloads.g2p_data import BOUNDARY, Entry
from lstmith.workloads.g2p_model import Net
from lstmith.workloads.g2p_skip import OUTSIDE, SHAPE, Costs, contexts

BATCH = 512
NOTHING = -100  #: target where there is none
PRIOR_LOSS = 9.0  #: what a context that was never seen is taken to cost
PRIOR_LETTERS = 5.0  #: how many letters that counts for


def fit_costs(net: Net, words: list[Entry]) -> Costs:
    """How much each letter is missed: by how much the loss of its word, summed over the phonemes, grows without it.

    Parameters
    ----------
    net : Net
        Trained on words with gaps, as one that never saw any misses every letter.
    words : list of Entry
        Training words; their first pronunciations are used.

    Returns
    -------
    float32 [28, 27, 28]
    """
    loss, letters = np.zeros((2, *SHAPE))
    groups: dict[int, list[Entry]] = defaultdict(list)
    for entry in words:
        groups[len(entry.word)].append(entry)
    parts = [group[start : start + BATCH] for group in groups.values() for start in range(0, len(group), BATCH)]
    net.eval()
    with torch.no_grad(), progress("missing letters", len(parts)) as report:
        for done, part in enumerate(parts, 1):
            missed = _missed(net, part)
            for entry, row in zip(part, missed, strict=True):
                for context, value in zip(contexts(entry.graphemes), row, strict=True):
                    loss[context] += value
                    letters[context] += 1
            report(done)
    mean = (loss + PRIOR_LOSS * PRIOR_LETTERS) / (letters + PRIOR_LETTERS)
    mean[:, :, OUTSIDE] = np.inf  # the letter read first is never skipped
    return mean.astype(np.float32)


def _missed(net: Net, words: list[Entry]) -> npt.NDArray[np.float32]:
    """Growth of the loss without each letter, float [N, L], in reading order. The last is never skipped and stays 0."""
    longest = max(len(entry.pronunciations[0]) for entry in words)
    targets = torch.full((len(words), longest + 1), NOTHING)
    for row, entry in enumerate(words):
        right = entry.pronunciations[0]
        targets[row, : len(right) + 1] = torch.tensor([*right, BOUNDARY])
    letters = torch.tensor([entry.graphemes for entry in words])
    whole = _losses(net, letters, targets)
    missed = torch.zeros(letters.shape)
    for position in range(letters.shape[1] - 1):
        without = torch.cat([letters[:, :position], letters[:, position + 1 :]], dim=1)
        missed[:, position] = _losses(net, without, targets) - whole
    return missed.numpy()


def _losses(net: Net, letters: Tensor, targets: Tensor) -> Tensor:
    scores = net(letters.flip(1), targets, 0)
    return nn.functional.cross_entropy(scores.transpose(1, 2), targets, ignore_index=NOTHING, reduction="none").sum(1)
