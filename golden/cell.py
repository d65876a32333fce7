"""Requantisation and the LSTM cell in integers: the definition that the cell unit's RTL equals."""

from __future__ import annotations

import numpy as np

from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup
from lstmith.spec.codes import Gate
from lstmith.spec.config import H_FRAC, REQUANT_PRESHIFT, Z_BITS, Z_FRAC, EngineConfig
from lstmith.spec.quantised import IntArray, QuantLayer


def saturate(value: IntArray, width: int) -> IntArray:
    """Clip to a signed width."""
    return np.clip(value, -(1 << (width - 1)), (1 << (width - 1)) - 1)


def requantise(total: IntArray, layer: QuantLayer, config: EngineConfig, bias: IntArray) -> IntArray:
    """Row sums to pre-activations with 13 fraction bits, before the final halving and saturation.

    Parameters
    ----------
    total : int64 [..., 4H]
        Row sums P, each within ``acc_width`` bits.
    bias : int64 [4H] or [N, 4H]
        The layer's bias at its active count.

    Notes
    -----
    The variable shift truncates. A sum of which nothing is cut off is exact, so P = 0 stays zero; any other counts as
    the middle of its interval (``2 * floor + 1``). The mean error of all sums of an interval is then zero, without a
    rounding adder.
    """
    widened = total << REQUANT_PRESHIFT
    shifted = widened >> layer.shift
    floor = saturate(shifted, config.requant_width - 1)
    inexact = shifted << layer.shift != widened
    return (((2 * floor + inexact) * layer.mantissa) >> (config.requant_shift - 1)) + bias


def cell_step(
    total: IntArray, c_old: IntArray, layer: QuantLayer, config: EngineConfig, bias: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """One step of all units.

    Parameters
    ----------
    total : int64 [N, 4H]
        Row sums.
    c_old : int64 [N, H]
        Cell state, ``c_frac`` fraction bits.
    bias : int64 [4H] or [N, 4H] or None
        Instead of the bias of all units.

    Returns
    -------
    h : int64 [N, H], Q1.15
    c : int64 [N, H], saturated to ``c_width`` bits
    """
    z = requantise(total, layer, config, layer.bias if bias is None else bias).reshape(-1, len(Gate), layer.units)
    z_o = z[:, Gate.OUTPUT]
    if layer.peep is not None:
        z[:, Gate.INPUT] += (layer.peep[0] * c_old) >> layer.peep_shift
        z[:, Gate.FORGET] += (layer.peep[1] * c_old) >> layer.peep_shift
    gate_i, gate_f = _sigma(z[:, Gate.INPUT]), _sigma(z[:, Gate.FORGET])
    gate_g = _tanh(z[:, Gate.CELL])
    fresh = (gate_i * gate_g) >> (H_FRAC - layer.c_frac)
    c = saturate((gate_f * c_old + fresh + (1 << (H_FRAC - 1))) >> H_FRAC, config.c_width)
    if layer.peep is not None:
        z_o = z_o + ((layer.peep[2] * c) >> layer.peep_shift)
    gate_o = _sigma(z_o)
    squashed = tanh_of_cell(c, layer.c_frac)
    return (gate_o * squashed + (1 << (H_FRAC - 1))) >> H_FRAC, c


def tanh_of_cell(c: IntArray, c_frac: int) -> IntArray:
    """tanh of the cell state, Q1.15."""
    argument = saturate((c << 8) >> (c_frac - Z_FRAC + 8), Z_BITS)
    return np.take(tanh_lookup(), argument & Z_MASK)


def _sigma(z: IntArray) -> IntArray:
    return np.take(sigma_lookup(), saturate(z >> 1, Z_BITS) & Z_MASK)


def _tanh(z: IntArray) -> IntArray:
    return np.take(tanh_lookup(), saturate(z >> 1, Z_BITS) & Z_MASK)
