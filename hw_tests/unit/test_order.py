"""Reordered units compute the same, and active counts lose what importance says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.order import importance, mean_h, ordered, parse_counts, with_counts, with_skim
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import run_float
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy

CONFIG = EngineConfig(lanes=3, precisions=(8,), acc_width=40, operand_width=18, layers=2, active_counts=4)


def all_valid(x: np.ndarray) -> np.ndarray:
    return np.ones(x.shape[:2], dtype=bool)


@pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])
def test_reordered_network_is_the_same(peepholes: bool, rng: np.random.Generator) -> None:
    network = random_network(rng, 7, 4, layers=2, peepholes=peepholes)
    x = random_calibration(rng, network).x.astype(np.float64)
    values = [rng.random(7), rng.random(7)]
    changed, permutations = ordered(network, values)
    for value, order in zip(values, permutations, strict=True):
        assert (np.diff(value[order]) <= 0).all()
    before, after = run_float(network, x), run_float(changed, x)
    for layer, order in enumerate(permutations):
        np.testing.assert_allclose(after.h[layer], before.h[layer][:, :, order], atol=1e-12)


def test_idle_units_are_least_important(rng: np.random.Generator) -> None:
    network = random_network(rng, 6, 3, layers=2)
    idle, unread = 4, 2
    network.layers[0].w_ih[idle::6] = 0
    network.layers[0].w_hh[idle::6] = 0
    network.layers[0].bias[idle::6] = 0
    network.layers[1].w_hh[:, unread] = 0
    head = np.ones((2, 6))
    head[:, unread] = 0
    x = random_calibration(rng, network).x.astype(np.float64)
    first, second = importance(network, x, all_valid(x), head)
    assert [int(first.argmin()), int(second.argmin())] == [idle, unread]
    assert first.min() == second.min() == 0.0
    assert importance(network, x, all_valid(x))[1][unread] == 0.0


def test_bias_of_a_count_stands_for_dropped_units(rng: np.random.Generator) -> None:
    """Units that hold still are dropped without loss, if their mean is in the bias of both layers."""
    network = random_network(rng, 6, 3, layers=2)
    for layer in network.layers:
        for unit in (4, 5):
            layer.w_ih[unit::6] = 0
            layer.w_hh[unit::6] = 0
            # Open output and input, closed forget gate: h is about tanh(tanh(2)) in every step.
            layer.bias[unit::6] = (8, -8, 2, 8)
    calibration = random_calibration(rng, network)
    quantised = quantise(network, calibration, precision=[8]).network
    x = quantised.quantise_input(calibration.x)
    dense = [Policy(Mode.DENSE)] * 2
    whole = GoldenModel(quantised, CONFIG).run(x, dense)[-1].h.astype(np.int64)
    means = mean_h(network, calibration)
    errors = []
    for known in (means, [np.zeros(6), np.zeros(6)]):
        model = GoldenModel(with_counts(quantised, CONFIG.requant_width, [(4,), (4,)], known), CONFIG)
        np.testing.assert_array_equal(model.run(x, dense)[-1].h, whole)
        few = model.run(x, [Policy(Mode.DENSE, active=4)] * 2)[-1].h
        # The first steps count dropped units as their mean, where they were zero; a cell that forgets slowly keeps some
        # of that, so the bound is relative.
        errors.append(np.abs(few[:, 8:, :4] - whole[:, 8:, :4]).mean())
    assert errors[0] < errors[1] / 5


def test_important_units_matter() -> None:
    rng = np.random.default_rng(1)  # fixed: of two units that matter about the same, either may be the better one
    network = random_network(rng, 12, 5)
    calibration = random_calibration(rng, network, sequences=8)
    x = calibration.x.astype(np.float64)
    head = rng.normal(0, 1, (3, 12)) * np.geomspace(1, 0.05, 12)
    values = importance(network, x, all_valid(x), head)
    errors = []
    for sign in (1, -1):
        changed, (order,) = ordered(network, [sign * values[0]])
        quantised = quantise(changed, calibration, precision=[8]).network
        counted = with_counts(quantised, CONFIG.requant_width, [(8,)], mean_h(changed, calibration))
        h = (
            GoldenModel(counted, CONFIG).run(quantised.quantise_input(x), [Policy(Mode.DENSE, active=8)])[0].h
            * 2.0**-15
        )
        errors.append(np.abs((h - run_float(changed, x).h[0]) @ head[:, order].T).mean())
    assert errors[0] < errors[1]


def test_units_return_to_their_places(rng: np.random.Generator) -> None:
    network = random_network(rng, 6, 3, layers=2)
    calibration = random_calibration(rng, network)
    changed, permutations = ordered(network, [rng.random(6), rng.random(6)])
    quantised = quantise(changed, calibration, precision=[8]).network
    counted = with_counts(quantised, 18, [(3,), (2,)], mean_h(changed, calibration), permutations)
    exact = run_float(network, calibration.x.astype(np.float64)).h[-1]
    h = GoldenModel(counted, CONFIG).run(quantised.quantise_input(calibration.x), [Policy(Mode.DENSE)] * 2)[-1].h
    restored = counted.layers[-1].to_source(h)
    assert np.abs(restored * 2.0**-15 - exact).mean() < 0.02
    np.testing.assert_array_equal(counted.layers[-1].from_source(restored), h)


@pytest.mark.parametrize("text", ["0", "6", "3,4", "3,3", "x", "3/2/1", "5,4,3,2,1/2,1"])
def test_counts_are_refused(text: str, rng: np.random.Generator) -> None:
    network = random_network(rng, 6, 3, layers=2)
    with pytest.raises(UserError, match="option --active"):
        parse_counts(text, network)


def test_counts_of_layers(rng: np.random.Generator) -> None:
    network = random_network(rng, 6, 3, layers=2)
    assert parse_counts("5,3", network) == [(5, 3), (5, 3)]
    assert parse_counts("5,3/4,1", network) == [(5, 3), (4, 1)]
    assert parse_counts("5/4", network, skims=True) == [(5,), (4,)]
    with pytest.raises(UserError, match="option --active: is '5,3' with --skim; give the one count of a step"):
        parse_counts("5,3", network, skims=True)


def test_steps_that_skim_compute_the_most_important_units(rng: np.random.Generator) -> None:
    network = random_network(rng, 6, 3, layers=2)
    calibration = random_calibration(rng, network)
    changed, permutations = ordered(network, [rng.random(6), rng.random(6)])
    quantised = quantise(changed, calibration, precision=[8], limits=EngineLimits(planes=2)).network
    skimming = with_skim(quantised, [(3,), (2,)], permutations)
    x = quantised.quantise_input(calibration.x)
    config = replace(CONFIG, planes=2, active_counts=2)
    active_indices = np.zeros(x.shape[:2], dtype=np.int64)
    every = GoldenModel(quantised, config).run(x, [Policy()] * 2)[-1].h
    np.testing.assert_array_equal(
        GoldenModel(skimming, config).run(x, [Policy()] * 2, active_indices=active_indices)[-1].h, every
    )
    active_indices[:, 1] = 1
    h = GoldenModel(skimming, config).run(x, [Policy()] * 2, active_indices=active_indices)[-1].h
    np.testing.assert_array_equal(h[:, 1, 2:], h[:, 0, 2:])
    np.testing.assert_array_equal(skimming.layers[1].order, permutations[1])
    with pytest.raises(ValueError, match="Layer that skims must have one active count and drop no units"):
        replace(skimming.layers[0], counts=(3, 2))
    counted = with_counts(quantised, 18, [(3,), (2,)], mean_h(changed, calibration))
    with pytest.raises(ValueError, match="Either every layer skims, or none does"):
        replace(skimming, layers=(skimming.layers[0], counted.layers[1]))
