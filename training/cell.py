"""The golden cell as a function with a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lstmith.compiler.quantise.encode import RESULT_FRAC, row_scale
from lstmith.golden.cell import cell_step, requantise
from lstmith.spec.config import H_FRAC, EngineConfig
from lstmith.spec.quantised import QuantLayer


def cell(total: Tensor, c_old: Tensor, bias: Tensor, layer: QuantLayer, config: EngineConfig) -> tuple[Tensor, Tensor]:
    """:func:`lstmith.golden.cell.cell_step` on float64 tensors that hold integers.

    Parameters
    ----------
    total : float64 [N, 4H]
        Row sums.
    c_old : float64 [N, H]
    bias : float64 [4H]

    Returns
    -------
    h, c : float64 [N, H]
    """
    h, c = _Cell.apply(total, c_old, bias, layer, config)
    return h, c


class _Cell(torch.autograd.Function):
    """Forward the golden model's integers; backward the derivative of the real cell at those integers."""

    @staticmethod
    def forward(
        ctx: Any, total: Tensor, c_old: Tensor, bias: Tensor, layer: QuantLayer, config: EngineConfig
    ) -> tuple[Tensor, Tensor]:
        sums, before, offset = (value.detach().numpy().astype(np.int64) for value in (total, c_old, bias))
        h, c = cell_step(sums, before, layer, config, offset)
        z = requantise(sums, layer, config, offset)
        ctx.layer, ctx.config = layer, config
        ctx.save_for_backward(torch.from_numpy(z), c_old, torch.from_numpy(c))
        return torch.from_numpy(h.astype(np.float64)), torch.from_numpy(c.astype(np.float64))

    @staticmethod
    def backward(ctx: Any, from_h: Tensor, from_c: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        layer, config = ctx.layer, ctx.config
        raw, c_old, c = ctx.saved_tensors
        units, c_one, h_one = layer.units, 2.0**layer.c_frac, 2.0**H_FRAC
        z = raw.double() * 2.0**-RESULT_FRAC
        c_real, old_real = c.double() / c_one, c_old / c_one
        peep = None
        if layer.peep is not None:
            # From one LSB of c to z.
            peep = torch.from_numpy(layer.peep * 2.0 ** -(layer.peep_shift + RESULT_FRAC))
            seen = torch.cat([peep[0] * c_old, peep[1] * c_old, torch.zeros_like(c_old), peep[2] * c], dim=1)
            z = z + seen
        gate_i, gate_f, gate_o = (torch.sigmoid(z[:, k * units : (k + 1) * units]) for k in (0, 1, 3))
        gate_g = torch.tanh(z[:, 2 * units : 3 * units])
        squashed = torch.tanh(c_real)
        to_o = from_h * h_one * squashed * gate_o * (1 - gate_o)
        to_c = from_c + from_h * gate_o * (1 - squashed**2) * (h_one / c_one)
        if peep is not None:
            to_c = to_c + to_o * peep[2]
        to_c = to_c * (c.abs() < (1 << (config.c_width - 1)) - 1)
        to_i = to_c * c_one * gate_g * gate_i * (1 - gate_i)
        to_f = to_c * c_one * old_real * gate_f * (1 - gate_f)
        to_g = to_c * c_one * gate_i * (1 - gate_g**2)
        to_old = to_c * gate_f
        if peep is not None:
            to_old = to_old + to_i * peep[0] + to_f * peep[1]
        to_z = torch.cat([to_i, to_f, to_g, to_o], dim=1)
        scale = torch.from_numpy(row_scale(layer, config.requant_width))
        return to_z * scale, to_old, to_z.sum(dim=0) * 2.0**-RESULT_FRAC, None, None
