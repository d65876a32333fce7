"""Quantisation of GRU, plain and dense layers: close to float, an output format where h passes 1, zeros that stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.unit.networks import TOLERANCE, h_error, random_calibration, random_layer
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.encode import encode_threshold
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.codes import Kind, Squash, Verdict
from lstmith.spec.errors import UserError


@pytest.mark.parametrize(("precision", "planes"), [(8, 1), (8, 2), (16, 2)])
@pytest.mark.parametrize(
    "kinds",
    [
        [(Kind.GRU, Squash.TANH)],
        [(Kind.RNN, Squash.TANH)],
        [(Kind.RNN, Squash.RELU)],
        [(Kind.GRU, Squash.TANH), (Kind.DENSE, Squash.LINEAR)],
        [(Kind.LSTM, Squash.TANH), (Kind.DENSE, Squash.SIGMOID)],
        [(Kind.RNN, Squash.TANH), (Kind.DENSE, Squash.RELU), (Kind.DENSE, Squash.TANH)],
    ],
)
def test_all_kinds_are_close_to_float(kinds: list[tuple[Kind, Squash]], precision: int, planes: int) -> None:
    rng = np.random.default_rng([precision, planes])
    widths = [6, 14, 5, 3]
    layers = [
        random_layer(rng, kind, widths[index], widths[index + 1], squash) for index, (kind, squash) in enumerate(kinds)
    ]
    network = FloatNetwork(tuple(layers))
    assert (
        h_error(network, random_calibration(rng, network), precision, EngineLimits(planes=planes))
        < TOLERANCE[precision]
    )


def test_output_beyond_one_has_a_format_of_its_own(rng: np.random.Generator) -> None:
    dense = FloatLayer(
        "head", np.array([[30.0, 0.0]]), np.zeros((1, 0)), np.array([5.0]), kind=Kind.DENSE, squash=Squash.LINEAR
    )
    x = rng.uniform(-1, 1, (1, 400, 2))
    (layer,) = quantise(FloatNetwork((dense,)), Calibration(x), precision=[16]).network.layers
    assert 35 * 1.1 < layer.h_range < 35 * 1.3
    assert layer.saturated(np.array([32767, 0, -32768]), 18).tolist() == [True, False, True]


def test_a_gru_keeps_its_zeros(rng: np.random.Generator) -> None:
    """What is left of a rounding never moves into columns that a row does not have."""
    network = FloatNetwork((random_layer(rng, Kind.GRU, 3, 4),))
    (layer,) = quantise(network, random_calibration(rng, network), precision=[4]).network.layers
    assert not layer.weights[8:12, 3:].any()
    assert not layer.weights[12:, :3].any()
    assert layer.weights[8:12, :3].any()
    assert layer.weights[12:, 3:].any()


@pytest.mark.parametrize("h_lsb", [2.0**-15, 0.75 * 2.0**-9])
def test_integers_are_above_a_threshold_where_real_values_are(h_lsb: float, rng: np.random.Generator) -> None:
    h = np.arange(-(1 << 15), 1 << 15)
    at = [-3 * h_lsb, 0.0, 5 * h_lsb, *rng.uniform(-1.1, 1.1, 20) * h_lsb * (1 << 15)]
    layer = random_layer(rng, Kind.DENSE, 3, 2, Squash.LINEAR)
    for threshold in at:
        judging = replace(layer, verdict=Verdict.THRESHOLD, threshold=float(threshold))
        if threshold < -(1 << 15) * h_lsb:
            with pytest.raises(UserError, match="which is below all of its values; leave the comparison out"):
                encode_threshold(judging, h_lsb)
        else:
            np.testing.assert_array_equal(h > encode_threshold(judging, h_lsb), h * h_lsb > threshold)
            # What is at least t is above the number before t, also where an h equals t.
            closed = replace(judging, threshold=float(np.nextafter(threshold, -np.inf)))
            np.testing.assert_array_equal(h > encode_threshold(closed, h_lsb), h * h_lsb >= threshold)
