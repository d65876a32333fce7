"""Sigma and tanh by one table of 256 segments with linear interpolation.

sigma(z) = (1 + tanh(z / 2)) / 2, so both read the same table of tanh over [0, 8).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from lstmith.spec.activation_table import SEGMENT_BITS, SEGMENTS, Table, tanh_table
from lstmith.spec.config import H_FRAC, Z_BITS

Z_MASK = (1 << Z_BITS) - 1


def tanh_magnitude(argument: Table) -> Table:
    """tanh of a non-negative Q3.13 argument (0..65535), Q0.15."""
    value, rise = tanh_table()
    segment, fraction = argument >> SEGMENT_BITS, argument & (SEGMENTS - 1)
    return value[segment] + ((rise[segment] * fraction + (1 << (SEGMENT_BITS - 1))) >> SEGMENT_BITS)


@cache
def sigma_lookup() -> Table:
    """sigma for every Q5.12 input, Q0.15 (0..32767), int64 [2^17] indexed by ``z & Z_MASK``."""
    z = _all_inputs()
    magnitude = tanh_magnitude(np.minimum(np.abs(z), 0xFFFF))
    return ((1 << H_FRAC) + 1 + np.where(z < 0, -magnitude, magnitude)) >> 1


@cache
def tanh_lookup() -> Table:
    """tanh for every Q5.12 input, Q1.15, int64 [2^17] indexed by ``z & Z_MASK``."""
    z = _all_inputs()
    magnitude = tanh_magnitude(np.minimum(2 * np.abs(z), 0xFFFF))
    return np.where(z < 0, -magnitude, magnitude)


def _all_inputs() -> Table:
    index = np.arange(1 << Z_BITS, dtype=np.int64)
    return np.where(index < 1 << (Z_BITS - 1), index, index - (1 << Z_BITS))
