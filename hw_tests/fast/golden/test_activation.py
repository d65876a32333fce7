"""Sigma and tanh as tables: near the functions, odd, never falling, and within Q1.15."""

from __future__ import annotations

import numpy as np

from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup, tanh_magnitude
from lstmith.spec.activation_table import SEGMENT_BITS, SEGMENTS, tanh_table
from lstmith.spec.config import H_FRAC, Z_BITS, Z_FRAC

Z = np.arange(-(1 << (Z_BITS - 1)), 1 << (Z_BITS - 1))
ONE = 1 << H_FRAC


def test_near_the_functions() -> None:
    value = Z / (1 << Z_FRAC)
    assert np.abs(tanh_lookup()[Z & Z_MASK] / ONE - np.tanh(value)).max() < 2.0**-13
    assert np.abs(sigma_lookup()[Z & Z_MASK] / ONE - 0.5 * (1 + np.tanh(value / 2))).max() < 2.0**-13


def test_known_points() -> None:
    assert [int(tanh_lookup()[z & Z_MASK]) for z in (0, 1 << Z_FRAC, -(1 << Z_FRAC))] == [0, 24956, -24956]
    assert [int(sigma_lookup()[z & Z_MASK]) for z in (0, Z[0], Z[-1])] == [ONE // 2, 1, ONE - 1]


def test_never_falls() -> None:
    tanh, sigma = tanh_lookup()[Z & Z_MASK], sigma_lookup()[Z & Z_MASK]
    assert (np.diff(tanh) >= 0).all()
    assert (np.diff(sigma) >= 0).all()
    assert (tanh[1:] == -tanh[:0:-1]).all()


def test_interpolates_to_the_nearest_and_halves_go_up() -> None:
    argument = np.arange(SEGMENTS << SEGMENT_BITS)
    value, rise = (each[argument >> SEGMENT_BITS] for each in tanh_table())
    exact = (value << SEGMENT_BITS) + rise * (argument & ((1 << SEGMENT_BITS) - 1))
    beyond = (tanh_magnitude(argument) << SEGMENT_BITS) - exact
    half = 1 << SEGMENT_BITS >> 1
    assert (beyond.min(), beyond.max()) == (1 - half, half)
