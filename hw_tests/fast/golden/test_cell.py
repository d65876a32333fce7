"""Requantisation and the cell, against single numbers in plain integers."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lstmith.golden.cell import cell_step, requantise, saturate, squashed, tanh_of_cell
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.config import H_FRAC, REQUANT_PRESHIFT, EngineConfig


def test_saturate_clips_at_both_ends() -> None:
    assert saturate(np.array([-9, -8, 7, 8]), 4).tolist() == [-8, -8, 7, 7]


def test_arguments_that_are_results_keep_to_16_bits() -> None:
    arguments = np.array([-65536, -32769, -32768, -1, 0, 1, 32767, 32768, 65535])
    assert squashed(arguments, Squash.LINEAR).tolist() == [-32768, -32768, -32768, -1, 0, 1, 32767, 32767, 32767]
    assert squashed(arguments, Squash.RELU).tolist() == [0, 0, 0, 0, 0, 1, 32767, 32767, 32767]


@pytest.mark.parametrize("width", [16, 18])
def test_requantise_is_an_exact_product(width: int, rng: np.random.Generator) -> None:
    config = EngineConfig(lanes=1, precisions=(8,), acc_width=32, requant_width=width)
    count = 500
    total = rng.integers(0, 1 << 20, count) * rng.choice([-1, 1], count)
    total[:5] = 0
    rows: Any = SimpleNamespace(shift=rng.integers(0, 28, count), mantissa=rng.integers(0, 1 << 15, count))
    bias = rng.integers(-1000, 1000, count)
    limit = 1 << (width - 2)
    want = []
    for row in range(count):
        shifted = Fraction(int(total[row]) << REQUANT_PRESHIFT, 1 << int(rows.shift[row]))
        # A sum that loses nothing is itself; any other counts as the middle of its interval.
        middle = 2 * min(max(floor(shifted), -limit), limit - 1) + (shifted.denominator != 1)
        want.append(floor(Fraction(middle * int(rows.mantissa[row]), 2 ** (config.requant_shift - 1))) + int(bias[row]))
    assert requantise(total, rows, config, bias).tolist() == want


def test_tanh_of_cell_saturates_its_argument() -> None:
    top = (1 << H_FRAC) - 2
    assert tanh_of_cell(np.array([1 << 23, -(1 << 23), 0]), 4).tolist() == [top, -top, 0]
    assert tanh_of_cell(np.array([1 << 4, 1 << 15]), 4).tolist()[0] == tanh_of_cell(np.array([1 << 15]), 15)[0]


@pytest.mark.parametrize("peepholes", [False, True])
def test_gates_do_what_they_are_for(peepholes: bool) -> None:
    """Wide open or shut by their biases, gates keep, replace, add or hide the cell state."""
    config = EngineConfig(lanes=1, precisions=(8,), peepholes=peepholes, c_width=16)
    one, frac = 31 << 13, 12
    shut, open_ = -one, one
    # i, f, g, o
    for biases, before, c, h_sign in (
        ((shut, open_, open_, open_), 4096, 4096, 1),
        ((open_, shut, open_, open_), 4096, 4096, 1),
        ((open_, open_, shut, open_), 0, -4096, -1),
        ((open_, open_, open_, shut), 4096, 8192, 0),
        ((open_, open_, open_, open_), 32767, 32767, 1),
    ):
        layer: Any = SimpleNamespace(
            units=1,
            kind=Kind.LSTM,
            shift=np.full(4, 40),
            mantissa=np.zeros(4, dtype=np.int64),
            bias=np.array(biases),
            c_frac=frac,
            peep=np.zeros((3, 1), dtype=np.int64) if peepholes else None,
            peep_shift=0,
        )
        have_h, have_c = cell_step(np.zeros((1, 4), dtype=np.int64), np.array([[before]]), layer, config)
        # Open is a little less than one.
        assert abs(int(have_c[0, 0]) - c) <= 4
        assert int(np.sign(have_h[0, 0]) * (abs(have_h[0, 0]) > 8)) == h_sign


def test_peepholes_see_their_own_state() -> None:
    """Input and forget gate see c as it was, the output gate as it becomes."""
    config = EngineConfig(lanes=1, precisions=(8,), peepholes=True, c_width=16)
    zero, before = np.zeros((1, 4), dtype=np.int64), np.array([[4096]])

    def run(*peep: int) -> tuple[int, int]:
        layer: Any = SimpleNamespace(
            units=1,
            kind=Kind.LSTM,
            shift=np.full(4, 40),
            mantissa=np.zeros(4, dtype=np.int64),
            bias=np.array([0, 0, 1 << 13, 0]),
            c_frac=12,
            peep=np.array(peep).reshape(3, 1),
            peep_shift=0,
        )
        h, c = cell_step(zero, before, layer, config)
        return int(h[0, 0]), int(c[0, 0])

    h, c = run(0, 0, 0)
    assert run(10, 0, 0)[1] > c
    assert run(0, 10, 0)[1] > c
    assert run(0, 0, 10)[1] == c
    assert run(0, 0, 10)[0] > h
    assert run(0, 0, -10)[0] < h
