"""Requantisation and the cell in integers: the definition that the cell unit's RTL equals."""

from __future__ import annotations

import numpy as np

from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup
from lstmith.spec.codes import Gate, Kind, Squash
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
    total: IntArray,
    c_old: IntArray,
    layer: QuantLayer,
    config: EngineConfig,
    bias: IntArray | None = None,
) -> tuple[IntArray, IntArray]:
    """One step of all units.

    Parameters
    ----------
    total : int64 [N, R * H]
        Row sums.
    c_old : int64 [N, H]
        Cell state, ``c_frac`` fraction bits; of other kinds than the LSTM h of the step before.
    bias : int64 [R * H] or [N, R * H] or None
        Instead of the bias of all units.

    Returns
    -------
    h : int64 [N, H], 16 bits
    c : int64 [N, H], saturated to ``c_width`` bits; h in other kinds than the LSTM.
    """
    rows = requantise(total, layer, config, layer.bias if bias is None else bias)
    z = rows.reshape(-1, layer.kind.rows, layer.units)
    if layer.kind is Kind.LSTM:
        return _lstm_step(z, c_old, layer, config)
    h = _gru_step(z, c_old) if layer.kind is Kind.GRU else squashed(_limited(z[:, 0]), layer.squash)
    return h, h


def _lstm_step(z: IntArray, c_old: IntArray, layer: QuantLayer, config: EngineConfig) -> tuple[IntArray, IntArray]:
    """h and c from pre-activations of i, f, g, o with 13 fraction bits, int64 [N, 4, H]."""
    z_o = z[:, Gate.OUTPUT]
    if layer.peep is not None:
        z[:, Gate.INPUT] += (layer.peep[0] * c_old) >> layer.peep_shift
        z[:, Gate.FORGET] += (layer.peep[1] * c_old) >> layer.peep_shift
    gate_i, gate_f = _sigma(z[:, Gate.INPUT]), _sigma(z[:, Gate.FORGET])
    gate_g = squashed(_limited(z[:, Gate.CELL]), Squash.TANH)
    fresh = (gate_i * gate_g) >> (H_FRAC - layer.c_frac)
    c = saturate((gate_f * c_old + fresh + (1 << (H_FRAC - 1))) >> H_FRAC, config.c_width)
    if layer.peep is not None:
        z_o = z_o + ((layer.peep[2] * c) >> layer.peep_shift)
    return (_sigma(z_o) * tanh_of_cell(c, layer.c_frac) + (1 << (H_FRAC - 1))) >> H_FRAC, c


def _gru_step(z: IntArray, h_old: IntArray) -> IntArray:
    """h from pre-activations of r, z, nx, nh with 13 fraction bits, int64 [N, 4, H]."""
    reset, update = _sigma(z[:, 0]), _sigma(z[:, 1])
    n_x, n_h = _limited(z[:, 2]), _limited(z[:, 3])
    half = 1 << (H_FRAC - 1)
    fresh = squashed(saturate(((n_x << H_FRAC) + reset * n_h + half) >> H_FRAC, Z_BITS), Squash.TANH)
    return ((fresh << H_FRAC) + update * (h_old - fresh) + half) >> H_FRAC


def squashed(z: IntArray, squash: Squash) -> IntArray:
    """A function of Q5.12 arguments: Q1.15, or the argument itself, with ReLU not below zero, in 16 bits."""
    match squash:
        case Squash.LINEAR:
            return saturate(z, H_FRAC + 1)
        case Squash.RELU:
            return np.maximum(saturate(z, H_FRAC + 1), 0)
        case Squash.SIGMOID:
            return np.take(sigma_lookup(), z & Z_MASK)
        case Squash.TANH:
            return np.take(tanh_lookup(), z & Z_MASK)


def tanh_of_cell(c: IntArray, c_frac: int) -> IntArray:
    """tanh of the cell state, Q1.15."""
    argument = saturate((c << 8) >> (c_frac - Z_FRAC + 8), Z_BITS)
    return squashed(argument, Squash.TANH)


def _limited(z: IntArray) -> IntArray:
    """A pre-activation with 13 fraction bits as an argument, Q5.12."""
    return saturate(z >> 1, Z_BITS)


def _sigma(z: IntArray) -> IntArray:
    return squashed(_limited(z), Squash.SIGMOID)
