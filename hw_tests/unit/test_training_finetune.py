"""Fine-tuning lowers the loss under the rule, repeats exactly and stays within the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.design import Design
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.fit import accumulator_bits
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule
from lstmith.spec.quantised import QuantNetwork, has_digits

torch = pytest.importorskip("torch", reason="training needs the extra torch")
from lstmith.scripts.bench.per_step.controls import (  # noqa: E402
    Engine,
    after_warmup,
    every_second,
    every_step,
    middle_width,
    random_steps,
    run_engine,
)
from lstmith.training.data import TrainingSequences, sequences  # noqa: E402
from lstmith.training.design import distil_design  # noqa: E402
from lstmith.training.finetune import Settings, keep_sums  # noqa: E402
from lstmith.training.rule import halves, shares, with_share  # noqa: E402
from lstmith.training.straight_through import StraightThrough  # noqa: E402
from lstmith.training.windows import Lesson, lesson  # noqa: E402
from lstmith.tuning.pieces import Recorded  # noqa: E402

POLICY = Policy(Mode.DELTA, monitor=Monitor(Rule.RATIO))
SETTINGS = Settings(epochs=5, batch=4, rate=1.0, quiet=True)


@pytest.fixture(scope="module")
def case() -> tuple[Design, list[np.ndarray]]:
    rng = np.random.default_rng(5)
    source = random_network(rng, 6, 3)
    calibration = random_calibration(rng, source, sequences=20, steps=12)
    network = quantise(source, calibration, precision=[8], limits=EngineLimits(operand_width=11, planes=2)).network
    config = EngineConfig(
        lanes=4,
        precisions=(8,),
        acc_width=max(accumulator_bits(layer) for layer in network.layers),
        planes=2,
        monitor=True,
    )
    return Design(config, network, FloatNetwork(source.layers)), list(calibration.x.astype(np.float32))


def everything(design: Design, xs: list[np.ndarray]) -> Lesson:
    recorded = Recorded(xs)
    return lesson(design, recorded, recorded.everything(), 12)


def test_loss_falls_and_repeats(case: tuple[Design, list[np.ndarray]], tmp_path: Path) -> None:
    design, xs = case
    layer = design.network.layers[0]
    noise = np.random.default_rng(6).integers(-12, 13, layer.weights.shape)
    moved = np.clip(layer.weights + noise, -119, 119)
    damaged = replace(layer, weights=np.where(has_digits(moved, 4), moved, layer.weights))
    design = replace(design, network=replace(design.network, layers=(damaged,)))
    policies = with_share(design.network, design.engine, [POLICY], sequences(design.network, xs), 0.5)
    tuned, found = distil_design(design, policies, everything(design, xs), SETTINGS)
    assert min(found.history) < 0.7 * found.history[0]
    short = [distil_design(design, policies, everything(design, xs), replace(SETTINGS, epochs=2))[1] for _ in range(2)]
    assert short[0].history == short[1].history
    np.testing.assert_array_equal(short[0].network.layers[0].weights, short[1].network.layers[0].weights)
    data = sequences(tuned.network, xs)
    tuned.save(tmp_path / "design")
    loaded = Design.load(tmp_path / "design")
    h = [GoldenModel(each.network, each.engine).run(data.x, found.policies)[0].h for each in (tuned, loaded)]
    np.testing.assert_array_equal(h[0], h[1])


def test_thresholds_follow_the_network(case: tuple[Design, list[np.ndarray]]) -> None:
    design, xs = case
    _, found = distil_design(design, [POLICY], everything(design, xs), replace(SETTINGS, epochs=1, share=0.6))
    data = sequences(found.network, xs)
    assert shares(found.network, design.engine, found.policies, data)[0] > 0.5
    assert shares(found.network, design.engine, [POLICY], data)[0] == 0.0
    first, second = halves(found.network, design.engine, found.policies, data)[0]
    assert (first + second) / 2 == pytest.approx(shares(found.network, design.engine, found.policies, data)[0])
    assert first < second, "at a sequence's start its cells still grow"


def test_sums_stay_within_the_accumulators(case: tuple[Design, list[np.ndarray]]) -> None:
    design, _ = case
    model = StraightThrough(design.network, design.engine)
    with torch.no_grad():
        model.layers[0].weights[:] = 119.0
    too_much = model.network()
    narrow = replace(design.engine, acc_width=too_much.layers[0].sum_bound.bit_length())
    model.config = narrow
    with pytest.raises(ValueError, match="accumulators"):
        GoldenModel(too_much, narrow)
    keep_sums(model)
    GoldenModel(model.network(), narrow).run(np.zeros((1, 2, 3), dtype=np.int16), [POLICY])


def _data(network: QuantNetwork, xs: list[np.ndarray]) -> TrainingSequences:
    return sequences(network, [x[: 7 + index % 6] for index, x in enumerate(xs)])


def test_controls_have_the_rules_share(case: tuple[Design, list[np.ndarray]]) -> None:
    design, xs = case
    network, config, data = design.network, design.engine, _data(design.network, xs)
    policies = with_share(network, config, [POLICY], data, 0.5)
    rule = Engine(network, config, policies)
    _, deferred = run_engine(rule, data.x, data.valid)
    share = deferred.sum(axis=(0, 1)) / data.valid.sum()
    assert 0.5 <= share[0] < 0.7
    for choice in (random_steps(share, 3), after_warmup(share)):
        _, forced = run_engine(replace(rule, choice=choice), data.x, data.valid)
        assert forced.sum() / data.valid.sum() == pytest.approx(share[0], abs=0.12)
    # Told to do what the rule did, forcing gives the same h.
    h, _ = run_engine(rule, data.x, data.valid)
    copied, _ = run_engine(replace(rule, choice=lambda valid: deferred), data.x, data.valid)
    np.testing.assert_array_equal(copied[data.valid], h[data.valid])
    _, everything = run_engine(replace(rule, choice=every_step(1)), data.x, data.valid)
    assert everything.sum() == data.valid.sum()
    _, half = run_engine(replace(rule, choice=every_second(1)), data.x, data.valid)
    assert not half[:, ::2].any()
    assert half[:, 1::2].sum() == data.valid[:, 1::2].sum()


def test_middle_width_has_six_bits(case: tuple[Design, list[np.ndarray]]) -> None:
    design = case[0]
    weights = middle_width(Engine(design.network, design.engine, [POLICY])).network.layers[0].weights
    assert len(np.unique(weights)) <= 63
    assert not (weights % 4).any()
    assert np.abs(weights - design.network.layers[0].weights).max() <= 3
