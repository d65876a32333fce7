"""Real row scales, biases, peepholes and states as the integers that the hardware holds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork, initial_state
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.config import BIAS_BITS, H_FRAC, MANTISSA_BITS, PEEP_BITS, REQUANT_PRESHIFT, SHIFT_BITS, Z_FRAC
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

#: Functions that hold their argument, which may lie beyond -1..1.
THROUGH = (Squash.LINEAR, Squash.RELU)
#: Fraction bits of the requantiser's result, one more than z's.
RESULT_FRAC = Z_FRAC + 1


def encode_scales(scale: FloatArray, requant_width: int, name: str) -> tuple[IntArray, IntArray]:
    """Mantissa and shift of each row, each int64 [R], so that the requantiser multiplies by ``scale``.

    Parameters
    ----------
    scale : float64 [R]
        Real value of one LSB of each row's sum, not negative.
    requant_width : int
        Width of the requantiser's multiplier operand.
    name : str
        Layer name for messages.

    Raises
    ------
    UserError
        If a scale is beyond the largest that the shift reaches.
    """
    # result = P * 2^(preshift - shift) * 2 * mantissa / 2^(s - 1), with s = requant_width - 3.
    power = RESULT_FRAC + (requant_width - 3) - 2 - REQUANT_PRESHIFT
    fraction, exponent = np.frexp(scale * 2.0**power)
    mantissa = np.rint(fraction * (1 << MANTISSA_BITS)).astype(np.int64)
    carried = mantissa == 1 << MANTISSA_BITS
    mantissa = np.where(carried, mantissa >> 1, mantissa)
    shift = MANTISSA_BITS - exponent.astype(np.int64) - carried
    # Scales too small for the widest shift add less than a rounding error: the row acts as zero.
    vanishing = (mantissa == 0) | (shift >= 1 << SHIFT_BITS)
    mantissa, shift = np.where(vanishing, 0, mantissa), np.where(vanishing, 0, shift)
    if (shift < 0).any():
        row = int(np.argmin(shift))
        limit = 2.0 ** (MANTISSA_BITS - power)
        raise UserError(
            f"layer {name!r} row {row}",
            f"needs a scale of {scale[row]:.4g} per sum LSB, above {limit:.4g}",
            "scale the inputs and input weights so that weights are smaller, or use more weight bits",
        )
    return mantissa, shift


def row_scale(layer: QuantLayer, requant_width: int) -> FloatArray:
    """Real value that one LSB of each row's sum has in the pre-activation, float64 [R * H]."""
    power = float(REQUANT_PRESHIFT + 2 - (requant_width - 3) - RESULT_FRAC)
    scale: FloatArray = layer.mantissa * np.exp2(power - layer.shift) / z_gain(layer.squash, layer.h_lsb)
    return scale


def z_gain(squash: Squash, h_lsb: float) -> float:
    """What pre-activations are multiplied by in a layer's scales: those that h is made of have its unit, one LSB."""
    return 2.0**-Z_FRAC / h_lsb if squash in THROUGH else 1.0


def encode_bias(bias: FloatArray, name: str) -> IntArray:
    """Biases with 13 fraction bits, and the constant that rounds the final halving, int64 [R].

    Parameters
    ----------
    bias : float64 [R]
    name : str
        Layer name for messages.

    Raises
    ------
    UserError
        If a bias is out of range.
    """
    limit = 1 << (BIAS_BITS - 1)
    encoded = np.rint(bias * (1 << RESULT_FRAC)) + 1
    outside = np.abs(encoded) >= limit
    if outside.any():
        row = int(np.argmax(outside))
        raise UserError(
            f"layer {name!r} row {row}",
            f"has a bias of {bias[row]:.4g}",
            f"keep biases within +-{limit >> RESULT_FRAC}; gates saturate far below that",
        )
    return encoded.astype(np.int64)


def encode_peepholes(peep: FloatArray, c_frac: int, name: str) -> tuple[IntArray, int]:
    """Peephole weights (int64 [3, H]) and the right shift that takes ``peep * c`` to 13 fraction bits."""
    peak = float(np.abs(peep).max(initial=0.0))
    top = (1 << (PEEP_BITS - 1)) - 1
    shift = 31
    while shift >= 0 and peak * 2.0 ** (RESULT_FRAC + shift - c_frac) > top:
        shift -= 1
    if shift < 0:
        row, unit = np.unravel_index(int(np.abs(peep).argmax()), peep.shape)
        raise UserError(
            f"layer {name!r} peephole {'ifo'[row]}, unit {unit}",
            f"is {peep[row, unit]:.4g}",
            f"keep peephole weights within +-{top * 2.0 ** (c_frac - RESULT_FRAC):.4g}",
        )
    return np.rint(peep * 2.0 ** (RESULT_FRAC + shift - c_frac)).astype(np.int64), shift


def encode_h(h: FloatArray, h_lsb: float = 2.0**-H_FRAC) -> IntArray:
    """h in units of ``h_lsb``, Q1.15 of most layers, saturated to 16 bits."""
    return np.clip(np.rint(h / h_lsb), -(1 << H_FRAC), (1 << H_FRAC) - 1).astype(np.int64)


def encode_threshold(layer: FloatLayer, h_lsb: float) -> int:
    """What integers h are compared with in the place of real values, int16: the largest that is not above it.

    Raises
    ------
    UserError
        If every value that the layer's format holds is above it.
    """
    # In rational numbers, so that an h that equals the threshold stays on its side.
    limit = math.floor(Fraction(layer.threshold) / Fraction(h_lsb))
    if limit < -(1 << H_FRAC):
        raise UserError(
            f"layer {layer.name!r}",
            f"is compared with {layer.threshold:g}, which is below all of its values",
            "leave the comparison out of the graph",
        )
    return min(limit, (1 << H_FRAC) - 1)


def encode_c(c: FloatArray, c_frac: int, c_width: int) -> IntArray:
    """Cell state with ``c_frac`` fraction bits, saturated as the cell unit does."""
    limit = 1 << (c_width - 1)
    return np.clip(np.rint(c * 2.0**c_frac), -limit, limit - 1).astype(np.int64)


def encode_state(layer: QuantLayer, h: FloatArray, c: FloatArray, c_width: int) -> tuple[IntArray, IntArray]:
    """h and c as an engine holds them, in the order of the layer's units; of kinds other than the LSTM h twice."""
    integer = encode_h(layer.from_source(h), layer.h_lsb)
    if layer.kind is not Kind.LSTM:
        return integer, integer
    return integer, encode_c(layer.from_source(c), layer.c_frac, c_width)


def quantised_state(
    network: QuantNetwork, c_width: int, state: list[tuple[FloatArray, FloatArray]]
) -> list[tuple[IntArray, IntArray]]:
    """A float state (h, c) per layer as an engine holds it."""
    return [encode_state(layer, *pair, c_width) for layer, pair in zip(network.layers, state, strict=True)]


def initial_states(network: FloatNetwork, quantised: QuantNetwork, c_width: int) -> list[tuple[IntArray, IntArray]]:
    """The network's own initial state in integers: per layer (h, c), each int64 [H].

    Raises
    ------
    UserError
        If an initial h is beyond what the layer's h reaches, -1..1 of most, or a state is not finite.
    """
    states = []
    for layer, integer in zip(network.layers, quantised.layers, strict=True):
        (h,), (c,) = initial_state(layer, 1)
        for field, value, limit in (("h0", h, integer.h_lsb * (1 << H_FRAC)), ("c0", c, np.inf)):
            bad = ~np.isfinite(value) | (np.abs(value) > limit)
            if bad.any():
                unit = int(np.argmax(bad))
                raise UserError(
                    f"layer {layer.name!r} {field}, unit {unit}",
                    f"is {value[unit]}",
                    "give a finite value" + (f" in -{limit:.4g}..{limit:.4g}" if field == "h0" else ""),
                )
        states.append(encode_state(integer, h, c, c_width))
    return states
