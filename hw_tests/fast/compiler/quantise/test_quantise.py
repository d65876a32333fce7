"""Formats of a network: the range of its inputs, and the precision that `auto` takes."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_layer, random_network
from lstmith.compiler.quantise.quantise import AUTO_TOLERANCE, quantise
from lstmith.golden.network import FloatNetwork
from lstmith.spec.codes import Kind, Squash


@pytest.mark.parametrize("precision", [8, 16])
def test_the_grid_reaches_about_as_far_as_the_inputs(precision: int, rng: np.random.Generator) -> None:
    network = random_network(rng, 4, 3)
    data = random_calibration(rng, network)
    [report] = quantise(network, data, precision=[precision]).layers
    peak = np.abs(data.x).max()
    assert peak / 3 < report.x_range < 3 * peak


@pytest.mark.parametrize("gain", [0.1, 10.0])
def test_auto_takes_the_lowest_precision_whose_error_is_small_beside_its_range(
    gain: float, rng: np.random.Generator
) -> None:
    """A layer with ReLU reaches beyond 1, or not nearly so far."""
    layer = random_layer(rng, Kind.DENSE, 6, 8, Squash.RELU)
    layer = type(layer)(**{**vars(layer), "w_ih": gain * layer.w_ih})
    network = FloatNetwork((layer,))
    data = random_calibration(rng, network)
    fixed = {bits: quantise(network, data, precision=[bits]).layers[0] for bits in (4, 8, 16)}
    assert (fixed[16].h_range > 1.5) == (gain > 1)
    good = [bits for bits, report in fixed.items() if report.error_mean / report.h_range < AUTO_TOLERANCE]
    assert quantise(network, data).layers[0].precision == good[0]
