"""Rounding to two digits: which integers there are, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.quantise.rows import damped, fit_scales, round_weights
from lstmith.spec.digits import has_digits, weight_limit


@pytest.mark.parametrize("precision", [4, 8, 16])
def test_every_integer_of_two_planes_is_a_sum_of_digits(precision: int, rng: np.random.Generator) -> None:
    network = random_network(rng, 12, 9)
    found = quantise(network, random_calibration(rng, network), precision=[precision], limits=EngineLimits(planes=2))
    (layer,) = found.network.layers
    assert layer.planes == (1 if precision == 4 else 2)
    digits = [layer.plane(plane) for plane in range(layer.planes)]
    top = (1 << (layer.plane_bits - 1)) - 1
    assert max(np.abs(each).max() for each in digits) <= top
    shifted = [each << layer.plane_shift(plane) for plane, each in enumerate(digits)]
    np.testing.assert_array_equal(sum(shifted), layer.weights)


def test_two_planes_leave_out_one_integer_in_sixteen() -> None:
    """The integers of two 4-bit digits are those within +-119 that 16 does not divide into a half."""
    exact = np.linspace(-130, 130, 5201)[:, None]
    found = round_weights(exact, np.ones(len(exact)), 8, np.eye(1), planes=2)
    assert weight_limit(8, 2) == 119
    assert set(found.ravel().tolist()) == {value for value in range(-119, 120) if value % 16 != 8}
    within = np.abs(exact) <= 119
    assert np.abs(found - exact)[within].max() <= 1
    assert has_digits(found, 4).all()


@pytest.mark.parametrize("precision", [8, 16])
def test_rounding_to_digits_is_better_than_moving_integers_there(precision: int) -> None:
    """Scales and errors that know of the digits, against whole integers that are clipped and moved afterwards."""
    rng = np.random.default_rng(16)
    operands = rng.normal(size=(2000, 24)) @ rng.normal(size=(24, 24))
    weights = rng.normal(size=(64, 24))
    moments = damped(operands.T @ operands / len(operands))

    def error(integers: np.ndarray, scale: np.ndarray) -> float:
        return float((((weights - integers * scale[:, None]) @ operands.T) ** 2).mean())

    whole_scale = fit_scales(weights, precision, moments)
    whole = round_weights(weights, whole_scale, precision, moments)
    limit = weight_limit(precision, 2)
    moved = np.clip(whole, -limit, limit)
    moved = np.where(has_digits(moved, precision // 2), moved, moved - 1)
    scale = fit_scales(weights, precision, moments, planes=2)
    digits = round_weights(weights, scale, precision, moments, planes=2)
    assert error(digits, scale) < 0.5 * error(moved, whole_scale)
    assert error(digits, scale) < 1.8 * error(whole, whole_scale)


def test_one_plane_has_every_integer(rng: np.random.Generator) -> None:
    exact = np.arange(-127, 128, dtype=np.float64)[None] + rng.uniform(-0.4, 0.4, (1, 255))
    found = round_weights(exact, np.ones(1), 8, np.eye(255))
    np.testing.assert_array_equal(found[0], np.arange(-127, 128))
