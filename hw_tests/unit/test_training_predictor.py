"""The skip predictor learns what it can see."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.quantised import PREDICTOR_LIMIT

torch = pytest.importorskip("torch", reason="training needs the extra torch")
from lstmith.training.data import sequences  # noqa: E402
from lstmith.training.predictor import HORIZON, skip_effect, train_predictor  # noqa: E402

CONFIG = EngineConfig(lanes=3, precisions=(8,), acc_width=40, operand_width=18, layers=2, skip=True)


def test_effect_is_that_of_a_skipped_step(rng: np.random.Generator) -> None:
    network = random_network(rng, 5, 3, layers=2)
    calibration = random_calibration(rng, network, sequences=3, steps=12)
    quantised = quantise(network, calibration, precision=[8]).network
    data = sequences(
        quantised, [x[:length].astype(np.float32) for x, length in zip(calibration.x, (12, 9, 12), strict=True)]
    )
    effect, operands, known = skip_effect(quantised, CONFIG, data)
    assert known.sum(axis=1).tolist() == [11, 8, 11]
    assert operands.shape == (3, 11, 8)
    model = GoldenModel(quantised, CONFIG)
    policies = [Policy(Mode.SKIP, skip=Skip(hints=True))] * 2
    whole = model.run(data.x, policies)[-1].h.astype(float)
    for sequence, t in ((0, 2), (1, 6), (2, 10), (2, 0)):
        hints = np.zeros(data.valid.shape, dtype=bool)
        hints[sequence, t + 1] = True
        h = model.run(data.x, policies, hints=hints)[-1].h
        end = min(t + 2 + HORIZON, int(data.valid[sequence].sum()))
        change = np.sqrt((((h - whole)[sequence, t + 1 : end] * 2.0**-15) ** 2).mean(axis=1))
        assert effect[sequence, t] == pytest.approx(change.max(), abs=1e-9)


def test_learns_a_rule_of_the_input() -> None:
    """While one input is high the others repeat, so that steps after such steps do nothing new."""
    rng = np.random.default_rng(1)  # fixed: how well it learns depends on the network
    network = random_network(rng, 6, 4)
    sequences_, steps = 12, 40
    x = np.zeros((sequences_, steps, 4))
    for row in x:
        quiet, values = False, rng.normal(0, 1, 3)
        for t in range(steps):
            values = values if quiet else rng.normal(0, 1, 3)
            # Announced one step ahead: the predictor speaks of the next step.
            row[t, 1:] = values
            if rng.random() < 0.15:
                quiet = not quiet
            row[t, 0] = 2.0 if quiet else 0.0
    quantised = quantise(network, Calibration(x), precision=[8]).network
    data = sequences(quantised, list(x.astype(np.float32)))
    effect, _, known = skip_effect(quantised, CONFIG, data)
    tolerance = float(np.quantile(effect[known], 0.3))
    trained = train_predictor(quantised, CONFIG, data, tolerance=tolerance, precision=0.8)
    learnt = trained.network.predictor
    assert learnt is not None
    assert 0 < np.abs(learnt).max() <= PREDICTOR_LIMIT
    assert trained.train.precision >= 0.8
    assert trained.heldout.precision > 0.6
    assert trained.heldout.harmless < 0.4
    assert trained.heldout.recall > 0.3
    again = train_predictor(quantised, CONFIG, data, tolerance=tolerance, precision=0.8)
    np.testing.assert_array_equal(again.network.predictor, learnt)
    policy = Policy(Mode.SKIP, skip=trained.skip)
    trace = GoldenModel(trained.network, CONFIG).run(data.x, [policy])[0]
    # The rule skips one step in a row, so less than what is predicted step by step.
    assert 0.05 < trace.skipped.mean() <= trained.train.share + 0.1
