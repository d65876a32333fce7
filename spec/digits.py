"""Symmetric digits of weights: what one weight word holds of a plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def weight_limit(precision: int, planes: int = 1) -> int:
    """Largest magnitude of a weight: digits are symmetric, as a multiplier of two 4-bit ones has no room for -8."""
    bits = precision // planes
    top = (1 << (bits - 1)) - 1
    return sum(top << (bits * plane) for plane in range(planes))


def split_digits(weights: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """The upper of two digits of ``bits`` bits: the one that leaves a lower digit of ``-2^(bits-1)`` or more."""
    return (weights + (1 << (bits - 1))) >> bits


def has_digits(weights: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.bool_]:
    """Whether a weight is the sum of two symmetric digits of ``bits`` bits: one value in ``2^bits`` is not."""
    top = (1 << (bits - 1)) - 1
    upper = split_digits(weights, bits)
    found: npt.NDArray[np.bool_] = (np.abs(upper) <= top) & (np.abs(weights - (upper << bits)) <= top)
    return found
