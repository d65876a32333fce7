"""Trains the nets of the workload ``japanese_vowels``: python -m lstmith.workloads.train_japanese_vowels.

Needs the extra ``torch``; takes ten seconds. The nets in the repository were made by torch 2.13.0 on a CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lstmith.workloads.japanese_vowels import SEEDS, WEIGHTS, utterances
from lstmith.workloads.workload import Float32

UNITS = 32
SPEAKERS = 9
EPOCHS = 120
BATCH = 32
RATE = 5e-3
DECAY = 1e-4
DROPOUT = 0.3
NOISE = 0.1  #: added to the features in training; their spread is about 0.4


def train(seed: int) -> dict[str, Float32]:
    """Train one net on all training utterances; no test utterance is looked at.

    Returns
    -------
    dict
        w_ih [128, 12], w_hh [128, 32], bias [128], head [9, 32], head_bias [9], all float32; gates i, f, g, o.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    xs, labels = utterances("TRAIN")
    lengths = torch.tensor([len(x) for x in xs])
    inputs = nn.utils.rnn.pad_sequence([torch.from_numpy(x) for x in xs], batch_first=True)
    wanted = torch.from_numpy(labels)
    lstm, head, dropout = (
        nn.LSTM(inputs.shape[2], UNITS, batch_first=True),
        nn.Linear(UNITS, SPEAKERS),
        nn.Dropout(DROPOUT),
    )
    parameters = [*lstm.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for members in torch.randperm(len(xs)).split(BATCH):
            x = inputs[members] + NOISE * torch.randn_like(inputs[members])
            hs, _ = lstm(x)
            last = hs[torch.arange(len(members)), lengths[members] - 1]
            loss = nn.functional.cross_entropy(head(dropout(last)), wanted[members])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
        schedule.step()
    with torch.no_grad():
        arrays = {
            "w_ih": lstm.weight_ih_l0,
            "w_hh": lstm.weight_hh_l0,
            "bias": lstm.bias_ih_l0 + lstm.bias_hh_l0,
            "head": head.weight,
            "head_bias": head.bias,
        }
        return {name: array.numpy().copy() for name, array in arrays.items()}


def main() -> None:
    """Train a net per seed and write them all to the workload's file."""
    nets = {f"seed{seed}_{name}": array for seed in SEEDS for name, array in train(seed).items()}
    np.savez(WEIGHTS, allow_pickle=False, **nets)
    print(f"{len(SEEDS)} nets in {WEIGHTS}")


if __name__ == "__main__":
    main()
