"""The cell of each kind in exact fractions; sigma and tanh are the tables that test_activation.py judges."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup
from lstmith.golden.cell import cell_step
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.config import EngineConfig

UNITS, ONE = 200, 1 << 15
CONFIG = EngineConfig(lanes=1, precisions=(8,), peepholes=True, c_width=20)


def _clipped(value: int, width: int) -> int:
    return max(-(1 << (width - 1)), min((1 << (width - 1)) - 1, value))


def _argument(z: int) -> int:
    """13 fraction bits to 12, in 17 bits."""
    return _clipped(floor(Fraction(z, 2)), 17)


def _sigma(z: int) -> int:
    return int(sigma_lookup()[_argument(z) & Z_MASK])


def _tanh(argument: int) -> int:
    return int(tanh_lookup()[argument & Z_MASK])


def _near(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def _layer(kind: Kind, bias: Any, **more: Any) -> Any:
    """Rows are their biases."""
    rows = len(bias)
    given = {"peep": None, "peep_shift": 0, "c_frac": 12, "squash": Squash.TANH} | more
    return SimpleNamespace(
        kind=kind, units=UNITS, bias=bias, shift=np.full(rows, 40), mantissa=np.zeros(rows, dtype=np.int64), **given
    )


def _step(layer: Any, before: Any) -> tuple[list[int], list[int]]:
    h, c = cell_step(np.zeros((1, len(layer.bias)), dtype=np.int64), before[None], layer, CONFIG)
    return h[0].tolist(), c[0].tolist()


@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("c_frac", [4, 12, 15])
def test_lstm(peepholes: bool, c_frac: int, rng: np.random.Generator) -> None:
    z = rng.integers(-40_000, 40_000, (4, UNITS))
    before = rng.integers(-(1 << 19), 1 << 19, UNITS) >> rng.integers(0, 12, UNITS)
    peep = rng.integers(-3000, 3000, (3, UNITS)) if peepholes else None
    layer = _layer(Kind.LSTM, z.ravel(), c_frac=c_frac, peep=peep, peep_shift=9)
    want_h, want_c = [], []
    for unit in range(UNITS):
        i, f, g, o = (int(row) for row in z[:, unit])
        old = int(before[unit])
        weights = [int(row) for row in peep[:, unit]] if peep is not None else [0, 0, 0]
        i, f = i + floor(Fraction(weights[0] * old, 512)), f + floor(Fraction(weights[1] * old, 512))
        # The input's share is cut to the cell's fraction before it is added.
        fresh = floor(Fraction(_sigma(i) * _tanh(_argument(g)), 1 << (15 - c_frac)))
        new = _clipped(_near(Fraction(_sigma(f) * old + fresh, ONE)), CONFIG.c_width)
        seen = _clipped(floor(Fraction(new) * Fraction(2) ** (12 - c_frac)), 17)
        gate = _sigma(o + floor(Fraction(weights[2] * new, 512)))
        want_h.append(_near(Fraction(gate * _tanh(seen), ONE)))
        want_c.append(new)
    assert _step(layer, before) == (want_h, want_c)


def test_gru(rng: np.random.Generator) -> None:
    z = rng.integers(-40_000, 40_000, (4, UNITS))
    z[:, :20] *= 8
    before = rng.integers(-ONE, ONE, UNITS)
    want = []
    for unit in range(UNITS):
        r, update, n_x, n_h = (int(row) for row in z[:, unit])
        fresh = _tanh(_clipped(_near(_argument(n_x) + Fraction(_sigma(r) * _argument(n_h), ONE)), 17))
        want.append(_near(fresh + Fraction(_sigma(update) * (int(before[unit]) - fresh), ONE)))
    assert _step(_layer(Kind.GRU, z.ravel()), before) == (want, want)


@pytest.mark.parametrize("squash", list(Squash))
def test_single_row(squash: Squash, rng: np.random.Generator) -> None:
    z = rng.integers(-90_000, 90_000, UNITS)
    z[:4] = [0, -1, 1, 2]
    arguments = [_argument(int(row)) for row in z]
    want = {
        Squash.LINEAR: [_clipped(row, 16) for row in arguments],
        Squash.RELU: [max(0, _clipped(row, 16)) for row in arguments],
        Squash.SIGMOID: [int(sigma_lookup()[row & Z_MASK]) for row in arguments],
        Squash.TANH: [_tanh(row) for row in arguments],
    }[squash]
    assert _step(_layer(Kind.DENSE, z, squash=squash), np.zeros(UNITS, dtype=np.int64)) == (want, want)
