"""Verdicts, from what they are in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_network
from lstmith.golden.verdict import verdicts
from lstmith.spec.codes import Kind, Verdict
from lstmith.spec.quantised import QuantLayer

H = np.array([[[3, -2, 3, 1], [-5, -4, -9, -4]], [[0, 0, 0, 0], [-32768, -32768, -32768, 32767]]])


def _layer(rng: np.random.Generator, units: int, verdict: Verdict, threshold: int = 0) -> QuantLayer:
    network = random_network(rng, [3, units], (8,), peepholes=False, requant_width=18, kinds=(Kind.DENSE,))
    return replace(network.layers[0], verdict=verdict, threshold=threshold)


def test_the_first_of_equal_ones_is_the_largest(rng: np.random.Generator) -> None:
    assert verdicts(_layer(rng, 4, Verdict.ARGMAX), H).tolist() == [[0, 1], [0, 3]]


@pytest.mark.parametrize(
    ("threshold", "wanted"),
    [(0, [[0b1101, 0], [0, 0b1000]]), (-5, [[0b1111, 0b1010], [0b1111, 0b1000]]), (32767, [[0, 0], [0, 0]])],
)
def test_above_means_more_than_the_threshold(threshold: int, wanted: list[list[int]], rng: np.random.Generator) -> None:
    assert verdicts(_layer(rng, 4, Verdict.THRESHOLD, threshold), H).tolist() == wanted


@pytest.mark.parametrize("threshold", [0, -5, 32767, -32768])
def test_at_most_is_what_is_not_above(threshold: int, rng: np.random.Generator) -> None:
    above, others = (_layer(rng, 4, verdict, threshold) for verdict in (Verdict.THRESHOLD, Verdict.AT_MOST))
    assert (verdicts(others, H) == 0b1111 - verdicts(above, H)).all()
    assert verdicts(_layer(rng, 4, Verdict.AT_MOST, 1), H).tolist() == [[0b1010, 0b1111], [0b1111, 0b0111]]


def test_none_is_zero(rng: np.random.Generator) -> None:
    assert verdicts(_layer(rng, 4, Verdict.NONE), H).tolist() == [[0, 0], [0, 0]]


def test_a_threshold_has_a_bit_for_each_unit(rng: np.random.Generator) -> None:
    assert verdicts(_layer(rng, 16, Verdict.THRESHOLD, -1), np.zeros((1, 16), np.int64)).tolist() == [0xFFFF]
    with pytest.raises(ValueError, match="at most 16 units"):
        _layer(rng, 17, Verdict.THRESHOLD)
    with pytest.raises(ValueError, match="at most 16 units"):
        _layer(rng, 17, Verdict.AT_MOST)
