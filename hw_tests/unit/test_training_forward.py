"""The forward pass of training is the golden model's, and its gradient that of the real cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_tests.cocotb.random_networks import random_engine, random_input
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.unit.networks import random_calibration
from hw_tests.unit.networks import random_network as random_float
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatNetwork, run_float
from lstmith.scripts.bench.adaptive.networks import Static, engine_for, quantised
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip
from lstmith.spec.quantised import QuantNetwork
from lstmith.workloads.catalogue import load

torch = pytest.importorskip("torch", reason="training needs the extra torch")
from lstmith.training.data import TrainingSequences  # noqa: E402
from lstmith.training.real import real_network  # noqa: E402
from lstmith.training.straight_through import StraightThrough  # noqa: E402

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
STEPS = 9
States = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def without_counts(network: QuantNetwork) -> QuantNetwork:
    layers = [replace(layer, counts=(), skims=False, reduced_bias=None, idle_h=None) for layer in network.layers]
    return replace(network, layers=tuple(layers))


def whole(x: np.ndarray, state: States | None = None) -> TrainingSequences:
    return TrainingSequences(x, np.ones(x.shape[:2], dtype=bool), state)


def assert_equal(
    network: QuantNetwork, config: EngineConfig, policies: list[Policy], x: np.ndarray, state: States | None = None
) -> None:
    data = whole(x, state)
    traces = data.run(GoldenModel(network, config), policies)
    outcome = StraightThrough(network, config)(data, policies)
    for h, c, trace in zip(outcome.h, outcome.c, traces, strict=True):
        np.testing.assert_array_equal(h.detach().numpy(), trace.h)
        np.testing.assert_array_equal(c.detach().numpy(), trace.c)


@settings(max_examples=60)
@given(rng=seeds)
def test_equals_golden_under_any_policy(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng, most=9)
    network = without_counts(network)
    x = np.stack([random_input(rng, STEPS, network.inputs) for _ in range(2)])
    policies = random_policies(rng, network, config)
    assert_equal(network, config, policies, x)
    state = [
        (rng.integers(-(1 << 15), 1 << 15, (2, layer.units)), rng.integers(-(1 << 11), 1 << 11, (2, layer.units)))
        for layer in network.layers
    ]
    assert_equal(network, config, policies, x, state)


def test_equals_golden_dense(rng: np.random.Generator) -> None:
    for _ in range(10):
        config, (network, _) = random_engine(rng, most=20)
        network = without_counts(network)
        x = np.stack([random_input(rng, STEPS, network.inputs) for _ in range(3)])
        assert_equal(network, config, [Policy(Mode.DENSE)] * len(network.layers), x)


def wild(rng: np.random.Generator, fine: bool, layers: int) -> list[Policy]:
    """Thresholds about as large as changes, a monitor that defers in some steps, and skipped steps."""
    unit = 200 if fine else 1
    theta_x, theta_h, low_x, low_h = (int(theta) * unit for theta in rng.integers(0, 30, 4))
    skip = Skip(change=int(rng.integers(0, 60)) * unit)
    monitor = Monitor(Rule.RATIO, Scope(int(rng.integers(2))), low=int(rng.integers(120)), warmup=int(rng.integers(6)))
    mode = Mode(int(rng.integers(2, 4)))
    return [Policy(mode, theta_x, theta_h, low_x, low_h, monitor, skip)] * layers


@pytest.mark.parametrize("static", [Static(8, 8), Static(16, 16)], ids=lambda static: static.name)
def test_equals_golden_with_planes(static: Static, rng: np.random.Generator) -> None:
    source = random_float(rng, 7, 3, layers=2)
    xs = list(np.tanh(np.cumsum(rng.normal(0, 0.3, (5, 40, 3)), axis=1)).astype(np.float32))
    network = quantised(source, xs, static)
    config = engine_for(network, lanes=3)
    assert [layer.planes for layer in network.layers] == [2, 2]
    batch = np.stack([network.quantise_input(x) for x in xs])
    for _ in range(8):
        assert_equal(network, config, wild(rng, static.operands == 16, 2), batch)


@pytest.mark.parametrize("mode", [Mode.DELTA, Mode.AUTO], ids=["delta", "auto"])
def test_equals_golden_on_a_real_network(mode: Mode) -> None:
    workload = load("japanese_vowels")
    source = workload.networks["seed1"]
    network = quantised(source, workload.calibration["seed1"], Static(8, 8))
    config = engine_for(network, lanes=8)
    batch = np.stack([network.quantise_input(x[:14]) for x in workload.inputs("tune")["seed1"] if len(x) >= 14][:20])
    policy = Policy(mode, low_theta_h=8, monitor=Monitor(Rule.RATIO, Scope.FOLD, low=60))
    deferred = GoldenModel(network, config).run(batch, [policy])[0].deferred
    assert 0.2 < deferred.mean() < 0.8
    assert_equal(network, config, [policy], batch)


def test_rounding_finds_weights_with_digits(rng: np.random.Generator) -> None:
    """Of the integers that two digits leave out, training takes the neighbour that is nearer to the shadow weight."""
    source = random_float(rng, 5, 3)
    network = quantised(source, [rng.normal(0, 1, (30, 3)).astype(np.float32)], Static(8, 8))
    module = StraightThrough(network, engine_for(network, 5)).layers[0]
    with torch.no_grad():
        module.weights[:] = torch.from_numpy(rng.uniform(-140, 140, module.weights.shape))
        module.weights[0, :4] = torch.tensor([8.3, 7.8, -23.9, -24.2], dtype=torch.float64)
    weights = module.quantised().weights
    assert weights[0, :4].tolist() == [9, 7, -23, -25]
    assert np.abs(weights - np.clip(module.weights.detach().numpy(), -119, 119)).max() <= 1.0
    planes = module.planes(torch.from_numpy(weights.astype(np.float64)))
    assert (sum(planes).numpy() == weights).all()
    assert np.abs(planes[0].numpy() / 16).max() <= 7
    assert np.abs(planes[1].numpy()).max() <= 7


@pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])
def test_gradient_is_that_of_the_float_network(peepholes: bool, rng: np.random.Generator) -> None:
    """With fine grids rounding hardly matters, so the float network's own change must follow the gradient."""
    source = random_float(rng, 6, 4, layers=2, peepholes=peepholes)
    for float_layer in source.layers:
        if float_layer.peep is not None:
            float_layer.peep[:] *= 4  # so that a part that lacks shows
    calibration = random_calibration(rng, source)
    network = quantise(source, calibration, precision=[16]).network
    config = EngineConfig(lanes=3, precisions=(16,), acc_width=48, operand_width=18, layers=2, peepholes=peepholes)
    model = StraightThrough(network, config)
    x = network.quantise_input(calibration.x)[:, :20]
    aim = rng.normal(0, 1, (*x.shape[:2], 6))
    h = model(whole(x), [Policy(Mode.DENSE)] * 2).h[-1]
    (h * torch.from_numpy(aim)).sum().backward()

    def float_loss(changed: FloatNetwork) -> float:
        return float((run_float(changed, x.astype(np.float64) * network.x_lsb).h[-1] * aim).sum() * 2**15)

    names = ["a", "b"]
    for index, module in enumerate(model.layers):
        move = rng.normal(0, 30, module.weights.shape)
        moved = [
            replace(layer, weights=np.clip(layer.weights + sign * np.rint(move), -32767, 32767).astype(np.int64))
            for layer in [network.layers[index]]
            for sign in (1, -1)
        ]
        inside = moved[0].weights + moved[1].weights == 2 * network.layers[index].weights
        predicted = float((module.weights.grad.numpy() * np.rint(move) * inside).sum())
        losses = []
        for layer in moved:
            kept = replace(layer, weights=np.where(inside, layer.weights, network.layers[index].weights))
            stack = [*network.layers[:index], kept, *network.layers[index + 1 :]]
            losses.append(float_loss(real_network(replace(network, layers=tuple(stack)), config, names)))
        assert predicted == pytest.approx((losses[0] - losses[1]) / 2, rel=0.05, abs=20)


def test_gradient_reaches_biases(rng: np.random.Generator) -> None:
    source = random_float(rng, 5, 3)
    network = quantise(source, random_calibration(rng, source), precision=[16]).network
    config = EngineConfig(lanes=3, precisions=(16,), acc_width=48, operand_width=18)
    model = StraightThrough(network, config)
    x = random_input(rng, 12, 3)[None]
    model(whole(x), [Policy(Mode.DENSE)]).h[-1].sum().backward()
    gradient = model.layers[0].bias.grad.numpy()
    layer, policy = network.layers[0], [Policy(Mode.DENSE)]
    row, step = int(np.abs(gradient).argmax()), 256
    sums = []
    for sign in (1, -1):
        bias = layer.bias.copy()
        bias[row] += sign * step
        changed = replace(network, layers=(replace(layer, bias=bias),))
        sums.append(GoldenModel(changed, config).run(x, policy)[0].h.sum(dtype=np.int64))
    assert gradient[row] * step / 64 == pytest.approx((sums[0] - sums[1]) / 2, rel=0.1)


def test_active_counts_are_refused(rng: np.random.Generator) -> None:
    while True:
        config, (network, _) = random_engine(rng, most=6)
        if network.active_counts > 1:
            break
    with pytest.raises(ValueError, match="train first, then add the counts"):
        StraightThrough(network, config)


def test_told_skips_are_goldens(rng: np.random.Generator) -> None:
    source = random_float(rng, 5, 3)
    network = quantised(FloatNetwork(source.layers), [rng.normal(0, 1, (30, 3)).astype(np.float32)], Static(8, 8))
    config, policies = engine_for(network, 1), [Policy(Mode.DELTA, skip=Skip(hints=True))]
    x = network.quantise_input(rng.normal(0, 1, (3, STEPS, 3)))
    hints = rng.random(x.shape[:2]) < 0.4
    data = replace(whole(x), hints=hints)
    trace = GoldenModel(network, config).run(x, policies, hints=hints)[0]
    assert trace.skipped.any()
    np.testing.assert_array_equal(
        trace.skipped, data.rows(np.arange(3)).run(GoldenModel(network, config), policies)[0].skipped
    )
    np.testing.assert_array_equal(StraightThrough(network, config)(data, policies).h[0].detach().numpy(), trace.h)
