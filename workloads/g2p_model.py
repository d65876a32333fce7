"""The encoder-decoder LSTM of the grapheme-to-phoneme workload in PyTorch, for training only.

Nested units: with A active units, units A and above hold h = c = 0, so the network is the one cut out of the
first A. Only the biases and those of the head are each count's own, as in hardware.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lstmith.workloads.g2p_data import BOUNDARY, GRAPHEMES, PHONEMES

SIDES = ("encoder", "decoder")
CLASSES = len(PHONEMES) + 1  #: phonemes and the end
INIT_SCALE = 0.1
FORGET_BIAS = 1.0


class Net(nn.Module):
    """Encoder and decoder of one layer each; the encoder's last state is all that passes.

    Parameters
    ----------
    counts : tuple of int
        Active counts, descending; the first is the number of units, H.
    embedding : int
        Width of both embeddings, I.
    """

    def __init__(self, counts: tuple[int, ...], embedding: int) -> None:
        super().__init__()
        self.counts, self.units = counts, counts[0]
        inputs = {"encoder": len(GRAPHEMES), "decoder": CLASSES}
        tables = {f"{side}_embedding": nn.Parameter(torch.randn(inputs[side], embedding)) for side in SIDES}
        for side in SIDES:
            gates = [nn.init.orthogonal_(torch.empty(self.units, self.units)) for _ in range(4)]
            bias = torch.zeros(len(counts), 4, self.units)
            bias[:, 1] = FORGET_BIAS
            tables[f"{side}_w_ih"] = nn.Parameter(INIT_SCALE * torch.randn(4 * self.units, embedding))
            tables[f"{side}_w_hh"] = nn.Parameter(torch.cat(gates))
            tables[f"{side}_bias"] = nn.Parameter(bias.reshape(len(counts), -1))
        tables["head_weight"] = nn.Parameter(INIT_SCALE * torch.randn(CLASSES, self.units))
        tables["head_bias"] = nn.Parameter(torch.zeros(len(counts), CLASSES))
        self.tables = nn.ParameterDict(tables)
        self.dropout = nn.Dropout()  # of h before the head; each phase sets how much

    def forward(self, graphemes: Tensor, targets: Tensor, count: int) -> Tensor:
        """Scores of every next phoneme, given the right ones before it.

        Parameters
        ----------
        graphemes : int64 [N, L]
            In the order the encoder reads them.
        targets : int64 [N, T]
            Phonemes and the end; negative where there is nothing.
        count : int
            Index of the active count.

        Returns
        -------
        float32 [N, T, 40]
        """
        start = targets.new_full((len(targets), 1), BOUNDARY)
        previous = torch.cat([start, targets[:, :-1].clamp(min=0)], dim=1)
        zero = torch.zeros(1, len(targets), self.counts[count])
        _, state = self._lstm("encoder", graphemes, (zero, zero), count)
        h, _ = self._lstm("decoder", previous, state, count)
        active = self.counts[count]
        return self.dropout(h) @ self.tables["head_weight"][:, :active].T + self.tables["head_bias"][count]

    def share_biases(self) -> None:
        """Start every count from the full network's biases."""
        with torch.no_grad():
            for name, table in self.tables.items():
                if name.endswith("_bias"):
                    table.copy_(table[:1].expand_as(table))

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """All weights by name."""
        return {name: table.detach().numpy() for name, table in self.tables.items()}

    def _lstm(
        self, side: str, symbols: Tensor, state: tuple[Tensor, Tensor], count: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        active, tables = self.counts[count], self.tables
        w_ih = tables[f"{side}_w_ih"].view(4, self.units, -1)[:, :active].reshape(4 * active, -1)
        w_hh = tables[f"{side}_w_hh"].view(4, self.units, -1)[:, :active, :active].reshape(4 * active, active)
        bias = tables[f"{side}_bias"][count].view(4, self.units)[:, :active].reshape(-1)
        # PyTorch's gate order is i, f, g, o too; it wants a second bias.
        weights = [w_ih, w_hh, bias, torch.zeros_like(bias)]
        x = tables[f"{side}_embedding"][symbols]
        h, h_last, c_last = torch.lstm(x, state, weights, True, 1, 0.0, self.training, False, True)
        return h, (h_last, c_last)
