"""Remarks on errors and on weights: from which figure on they are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.accuracy import StackError
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.remarks import TOLERANCE, _lost_bits, _on_error

ERROR = StackError(0.0, 0.0, 0.0, 8, True, (0.0,), 0.0, 0.0)


@pytest.mark.parametrize("field", ["max", "peak"])
@pytest.mark.parametrize(("part", "told"), [(0.9, False), (1.1, True)])
def test_an_error_beyond_the_tolerance_is_told(field: str, part: float, told: bool, rng: np.random.Generator) -> None:
    """A hundredth of what h reaches, which is 1 of an LSTM."""
    network = random_network(rng, 4, 3)
    integer = quantise(network, random_calibration(rng, network), precision=[8]).network
    changed: dict[str, Any] = {field: part * TOLERANCE}
    found = _on_error(integer, replace(ERROR, **changed))
    assert bool(found) == told


@pytest.mark.parametrize(("precision", "enough"), [(4, 2), (8, 8), (16, 128)])
@pytest.mark.parametrize("fewer", [0, 1])
def test_less_than_half_of_the_bits_is_few(precision: int, enough: int, fewer: int, rng: np.random.Generator) -> None:
    """Recurrent weights of so many, where the sums that they make are large."""
    network = random_network(rng, 4, 3)
    [layer] = quantise(network, random_calibration(rng, network), precision=[precision]).network.layers
    weights = np.zeros_like(layer.weights)
    weights[:, : layer.inputs] = (1 << (precision - 1)) - 1
    weights[:, layer.inputs :] = enough - fewer
    sums = np.full((6, len(weights)), 100.0)
    found = _lost_bits(network.layers[0], replace(layer, weights=weights), sums, sums)
    assert len(found) == fewer
    assert all("its recurrent weights are left with" in each for each in found)
