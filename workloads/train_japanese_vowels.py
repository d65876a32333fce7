"""Trains the nets of the workload ``japanese_vowels``: python -m lstmith.workloads.train_japanese_vowels.

Three LSTMs for the workload, and a GRU that is only shown whole (:mod:`.japanese_vowels_graph`). Needs the extra
``torch``; takes ten seconds. The nets in the repository were made by torch 2.13.0 on a CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

from lstmith.workloads.japanese_vowels import SEEDS, WEIGHTS, utterances
from lstmith.workloads.japanese_vowels_graph import GRU_WEIGHTS
from lstmith.workloads.workload import Float32

UNITS = 32
SPEAKERS = 9
EPOCHS = 120
BATCH = 32
RATE = 5e-3
DECAY = 1e-4
DROPOUT = 0.3
NOISE = 0.1  #: added to the features in training; their spread is about 0.4


def fitted(kind: type[nn.LSTM] | type[nn.GRU], seed: int) -> tuple[nn.RNNBase, nn.Linear]:
    """A recurrent layer and the head on its last h, trained on all training utterances and on no test utterance."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    xs, labels = utterances("TRAIN")
    lengths = torch.tensor([len(x) for x in xs])
    inputs = nn.utils.rnn.pad_sequence([torch.from_numpy(x) for x in xs], batch_first=True)
    wanted = torch.from_numpy(labels)
    recurrent, head, dropout = (
        kind(inputs.shape[2], UNITS, batch_first=True),
        nn.Linear(UNITS, SPEAKERS),
        nn.Dropout(DROPOUT),
    )
    parameters = [*recurrent.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for members in torch.randperm(len(xs)).split(BATCH):
            x = inputs[members] + NOISE * torch.randn_like(inputs[members])
            hs, _ = recurrent(x)
            last = hs[torch.arange(len(members)), lengths[members] - 1]
            loss = nn.functional.cross_entropy(head(dropout(last)), wanted[members])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
        schedule.step()
    return recurrent, head


def train(seed: int) -> dict[str, Float32]:
    """Train one LSTM.

    Returns
    -------
    dict
        w_ih [128, 12], w_hh [128, 32], bias [128], head [9, 32], head_bias [9], all float32; gates i, f, g, o.
    """
    lstm, head = fitted(nn.LSTM, seed)
    arrays = {
        "w_ih": lstm.weight_ih_l0,
        "w_hh": lstm.weight_hh_l0,
        "bias": lstm.bias_ih_l0 + lstm.bias_hh_l0,
        "head": head.weight,
        "head_bias": head.bias,
    }
    return {name: array.detach().numpy().copy() for name, array in arrays.items()}


def train_gru(seed: int) -> dict[str, Float32]:
    """Train one GRU; returns its state dict, with the head's, as ``gru.`` and ``head.``."""
    recurrent, head = fitted(nn.GRU, seed)
    modules = {"gru": recurrent, "head": head}
    return {
        f"{name}.{key}": tensor.numpy().copy()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }


def main() -> None:
    """Train a net per seed and write them all to the workload's file, and the GRU to its own."""
    nets = {f"seed{seed}_{name}": array for seed in SEEDS for name, array in train(seed).items()}
    np.savez(WEIGHTS, allow_pickle=False, **nets)
    save_file(train_gru(SEEDS[0]), GRU_WEIGHTS)
    print(f"{len(SEEDS)} nets in {WEIGHTS}, a GRU in {GRU_WEIGHTS}")


if __name__ == "__main__":
    main()
