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
from lstmith.spec.digits import has_digits
from lstmith.spec.policy import Mode, Monitor, Policy, Rule

torch = pytest.importorskip("torch", reason="training needs the extra torch")
from lstmith.training.data import sequences  # noqa: E402
from lstmith.training.design import distil_design  # noqa: E402
from lstmith.training.finetune import Settings, keep_sums  # noqa: E402
from lstmith.training.real import weight_steps  # noqa: E402
from lstmith.training.straight_through import WITHIN, StraightThrough  # noqa: E402
from lstmith.training.windows import Lesson, lesson  # noqa: E402
from lstmith.tuning.pieces import Recorded  # noqa: E402

POLICY = Policy(Mode.DELTA, monitor=Monitor(Rule.RATIO, low=60))
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
    data = sequences(design.network, xs)
    deferred = GoldenModel(design.network, design.engine).run(data.x, [POLICY])[0].deferred
    assert 0.2 < deferred.mean() < 0.8, "the monitor must have something to say"
    tuned, found = distil_design(design, [POLICY], everything(design, xs), SETTINGS)
    assert min(found.history) < 0.7 * found.history[0]
    short = [distil_design(design, [POLICY], everything(design, xs), replace(SETTINGS, epochs=2))[1] for _ in range(2)]
    assert short[0].history == short[1].history
    np.testing.assert_array_equal(short[0].network.layers[0].weights, short[1].network.layers[0].weights)
    data = sequences(tuned.network, xs)
    tuned.save(tmp_path / "design")
    loaded = Design.load(tmp_path / "design")
    h = [GoldenModel(each.network, each.engine).run(data.x, [POLICY])[0].h for each in (tuned, loaded)]
    np.testing.assert_array_equal(h[0], h[1])


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


def test_shadow_weights_begin_between_integers_and_float(case: tuple[Design, list[np.ndarray]]) -> None:
    design, xs = case
    (layer,), (source,) = design.network.layers, design.source.layers
    model = StraightThrough(design.network, design.engine, design.source)
    np.testing.assert_array_equal(model.network().layers[0].weights, layer.weights)
    shadow = model.layers[0].weights.detach().numpy()
    wanted = np.concatenate([source.w_ih, source.w_hh], axis=1) / weight_steps(layer, design.engine)
    # Most weights were rounded to the nearest integer, and all that were begin on the float weight itself.
    near = np.abs(wanted - layer.weights) < WITHIN
    assert near.mean() > 0.5
    np.testing.assert_allclose(shadow[near], wanted[near])
    assert (np.sign(shadow - layer.weights) == np.sign(wanted - layer.weights))[~near].all()
    settings = replace(SETTINGS, epochs=2, rate=0.05)
    found = [
        distil_design(design, [POLICY], everything(design, xs), replace(settings, from_float=begins))[1]
        for begins in (False, True)
    ]
    assert found[0].history[0] == found[1].history[0]
    assert found[0].history[1:] != found[1].history[1:]
