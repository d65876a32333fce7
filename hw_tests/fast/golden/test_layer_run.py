"""Mixing, restarts, the monitor, skipped steps and active counts against an engine in plain Python integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_tests.cocotb.random_networks import (
    random_active_indices,
    random_dims,
    random_engine,
    random_hints,
    random_input,
    random_layer,
    random_network,
    random_state,
)
from hw_tests.cocotb.random_policies import accepted, highest, random_policies
from hw_tests.unit.slow_engine import SlowEngine
from lstmith.compiler.program_image import check_fit, words_per_lane
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Skip
from lstmith.spec.policy_check import check_policies, missed_bound
from lstmith.spec.quantised import Grid, QuantNetwork

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
STEPS = 8
NAMES = ("h", "c", "skipped", "active_index", "restart", "x_class", "h_class", "fold_precisions")


@settings(max_examples=150)
@given(rng=seeds)
def test_equals_plain_integers(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng, most=7)
    policies = random_policies(rng, network, config)
    model, slow = GoldenModel(network, config), SlowEngine(network, config, policies)
    state = None
    if rng.random() < 0.3:
        values = random_state(rng, network, config)
        state = model.loaded_state(policies, values)
        for layer, (h, c), loaded in zip(slow.layers, values, state, strict=True):
            layer.load(h[0].tolist(), c[0].tolist(), int(loaded.active_index[0]))
    x, hints = random_input(rng, STEPS, network.inputs), random_hints(rng, STEPS)
    active_indices = random_active_indices(rng, network, STEPS)
    traces = model.run(x[None], policies, state, hints=hints[None], active_indices=active_indices[None])
    for trace, steps in zip(traces, slow.run(x.tolist(), hints.tolist(), active_indices.tolist()), strict=True):
        for t, step in enumerate(steps):
            for name in NAMES if not step.skipped else NAMES[:5]:
                assert getattr(trace, name)[0, t].tolist() == getattr(step, name), (t, name)
    for layer in slow.layers:
        assert layer.largest_sum < 1 << (config.acc_width - 1)


@settings(max_examples=60)
@given(rng=seeds)
def test_missed_stays_within_its_bound(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng, most=12)
    policies = random_policies(rng, network, config)
    model = GoldenModel(network, config)
    state = model.zero_state(1)
    x = random_input(rng, 24, network.inputs)
    for t in range(len(x)):
        model.run(x[None, t : t + 1], policies, state, restart=t == 0)
        for layer, kept, policy in zip(network.layers, state, policies, strict=True):
            assert np.abs(kept.missed).max() <= (missed_bound(layer, policy) if policy.mixes else 0)


@settings(max_examples=40)
@given(rng=seeds)
def test_a_batch_has_the_cycles_of_its_sequences(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng, most=9)
    policies = random_policies(rng, network, config)
    model, timing = GoldenModel(network, config), CycleModel(network, config)
    x = np.stack([random_input(rng, STEPS, network.inputs) for _ in range(3)])
    hints = np.stack([random_hints(rng, STEPS) for _ in range(3)])
    active_indices = np.stack([random_active_indices(rng, network, STEPS) for _ in range(3)])
    together = timing.cycles(model.run(x, policies, hints=hints, active_indices=active_indices), policies, hints)
    assert (together >= 0).all()
    assert (together[:, 0] > 0).all()
    for row in range(3):
        one = slice(row, row + 1)
        traces = model.run(x[one], policies, hints=hints[one], active_indices=active_indices[one])
        np.testing.assert_array_equal(timing.cycles(traces, policies, hints[one]), together[one])


def _engine(network: QuantNetwork) -> EngineConfig:
    return EngineConfig(
        lanes=3,
        precisions=(4, 8, 16),
        acc_width=48,
        operand_width=18,
        units=64,
        inputs=64,
        mixed=True,
        monitor=True,
        skip=True,
        active_counts=8,
        layers=len(network.layers),
    )


def _single(rng: np.random.Generator, **options: tuple[int, ...] | int) -> QuantNetwork:
    """One layer of 8-bit weights whose operands suit every image."""
    while True:
        layer = random_layer(
            rng,
            6,
            9,
            8,
            first=True,
            peepholes=False,
            requant_width=18,
            **options,  # type: ignore[arg-type]
        )
        if max(layer.x_grid.span, layer.h_grid.span) <= 1023:
            return QuantNetwork((layer,))


def test_auto_takes_the_shorter_list(rng: np.random.Generator) -> None:
    layer = _single(rng).layers[0]
    nothing = np.zeros_like(layer.mantissa)
    # With gates at rest h stays zero, so only x is listed.
    network = QuantNetwork((replace(layer, mantissa=nothing, bias=nothing, peep=None),))
    model = GoldenModel(network, _engine(network))
    steady = np.zeros((1, 8, 6), dtype=np.int16)
    steady[0, :, :4] = 12_000
    trace = model.run(steady, [Policy(Mode.AUTO)])[0]
    assert trace.restart[0].tolist() == [True] + [False] * 7
    assert trace.columns[0].tolist() == [4] + [0] * 7
    bursts = np.zeros((1, 8, 6), dtype=np.int16)
    bursts[0, ::2] = 12_000
    trace = model.run(bursts, [Policy(Mode.AUTO)])[0]
    assert trace.restart.all(), "as short is short enough: what lower variants missed ends"
    assert trace.columns[0].tolist() == [6, 0] * 4
    assert model.run(bursts, [Policy(Mode.DELTA)])[0].columns[0].tolist() == [6] * 8


def test_a_refresh_ends_what_thresholds_and_images_missed(rng: np.random.Generator) -> None:
    network = _single(rng, variants=(4,))
    model = GoldenModel(network, _engine(network))
    x = random_input(rng, 20, 6)[None]
    trace = model.run(x, [Policy(Mode.DELTA, refresh=4, tau_x=3, tau_h=3)])[0]
    assert np.flatnonzero(trace.restart[0]).tolist() == [0, 4, 8, 12, 16]
    dense, every = model.run(x, [Policy(Mode.DENSE)])[0], model.run(x, [Policy(Mode.DELTA, refresh=1, tau_x=3)])[0]
    np.testing.assert_array_equal(every.h, dense.h)
    assert every.restart.all()


def test_quiet_cells_lower_the_precision(rng: np.random.Generator) -> None:
    network = _single(rng, variants=(4,))
    model = GoldenModel(network, _engine(network))
    x = np.tile(random_input(rng, 1, 6), (1, 12, 1))
    always = Policy(Mode.DELTA, refresh=3, monitor=Monitor(Rule.COUNT, low=highest(Monitor)["low"], warmup=5))
    assert model.run(x, [always])[0].fold_precisions[0].max(axis=1).tolist() == [8] * 5 + [4] * 7
    never = replace(always, monitor=Monitor(Rule.COUNT, low=0))
    assert (model.run(x, [never])[0].fold_precisions == 8).all()


def test_skipped_steps_hold_h_and_c(rng: np.random.Generator) -> None:
    network = _single(rng)
    model = GoldenModel(network, _engine(network))
    x = random_input(rng, 1, 6)
    x = np.tile(np.where(np.abs(x) < 2000, 4000, x), (1, 10, 1))
    trace = model.run(x, [Policy(skip=Skip(change=1, limit=2))])[0]
    assert trace.skipped[0].tolist() == [False, True, True] * 3 + [False]
    np.testing.assert_array_equal(trace.h[0, 2], trace.h[0, 0])
    hints = np.zeros((1, 10), dtype=bool)
    hints[0, [0, 4, 5]] = True
    trace = model.run(x, [Policy(skip=Skip(hints=True))], hints=hints)[0]
    assert np.flatnonzero(trace.skipped[0]).tolist() == [4, 5], "never the first"
    assert not model.run(x, [Policy()], hints=hints)[0].skipped.any(), "only if the policy follows them"


def test_dropped_units_rest(rng: np.random.Generator) -> None:
    network = _single(rng, active_counts=3)
    layer = network.layers[0]
    assert layer.idle_h is not None
    model = GoldenModel(network, _engine(network))
    x = random_input(rng, 9, 6)[None]
    active_indices = np.array([[0, 0, 0, 2, 2, 2, 1, 1, 0]])
    trace = model.run(x, [Policy()], active_indices=active_indices)[0]
    few = layer.active(2)
    np.testing.assert_array_equal(trace.h[0, 3:6, few:], np.tile(layer.idle_h[few:], (3, 1)))
    assert not trace.c[0, 3:6, few:].any()
    assert not trace.h_class[0, 3:6, few:].any()
    assert np.flatnonzero(trace.restart[0]).tolist() == [0, 3, 6, 8]
    fixed = model.run(x, [Policy(active=few)])[0]
    assert (fixed.active_index == 2).all()


VARIANTS = Policy(Mode.DELTA, tau_x=1, refresh=1)
REFUSED: list[tuple[dict[str, bool | int], Policy, str]] = [
    ({}, Policy(Mode.DELTA, tau_x=64, refresh=1), "tau_x is 64: use at most"),
    ({}, Policy(Mode.DELTA, restart_tau_h=200, refresh=1), "restart_tau_h is 200: use at most"),
    ({"operand_width": 10}, Policy(Mode.DELTA, tau_h=32, refresh=1), "tau_h is 32: use at most 31"),
    ({}, Policy(Mode.DELTA, tau_x=1), "refresh is 0, so errors of the lower variant would pile up: use 1 or more"),
    ({"mixed": False, "monitor": False}, Policy(Mode.AUTO), "needs both lists"),
    ({"mixed": False, "monitor": False}, VARIANTS, "needs both lists"),
    ({"monitor": False}, Policy(Mode.SKIP, monitor=Monitor(Rule.RATIO)), "monitor is ratio, this engine was built"),
    ({"acc_width": 16}, Policy(Mode.DELTA, refresh=0xFFFF, tau_x=3, tau_h=3), "beyond 16 bits; lower it"),
    ({"skip": False}, Policy(skip=Skip(change=1)), "skip asks for a rule that this engine was built without"),
    ({}, Policy(skip=Skip(predictor=True)), "the network has no predictor: train one"),
    ({}, Policy(active=5), "active is 5: use one of the compiled counts 9"),
]


@pytest.mark.parametrize(("engine", "policy", "problem"), REFUSED, ids=[problem for _, _, problem in REFUSED])
def test_what_an_engine_cannot_do_is_refused(
    engine: dict[str, bool | int], policy: Policy, problem: str, rng: np.random.Generator
) -> None:
    network = _single(rng, variants=(4,))
    config = replace(_engine(network), **engine)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"^Layer 0 policy field .*{problem}"):
        check_policies(network, config, [policy])
    assert accepted(network, config, [Policy()])


def test_monitor_needs_small_operands_for_four_bits(rng: np.random.Generator) -> None:
    while True:
        layer = random_layer(rng, 6, 9, 8, first=True, peepholes=False, requant_width=18, variants=(4,))
        if max(layer.x_grid.span, layer.h_grid.span) > 1023:
            break
    network = QuantNetwork((layer,))
    with pytest.raises(ValueError, match="monitor needs operands of at most 1023, this layer's reach"):
        check_policies(network, _engine(network), [Policy(Mode.SKIP, monitor=Monitor(Rule.RATIO))])


def test_layers_must_agree_on_skipping_and_counts(rng: np.random.Generator) -> None:
    network = random_network(rng, [4, 6, 6], (8,), peepholes=False, requant_width=18, active_counts=3)
    config, plain = _engine(network), Policy()
    with pytest.raises(ValueError, match="1 policies were given, the network has 2 layers"):
        check_policies(network, config, [plain])
    with pytest.raises(ValueError, match="Layer 1 policy field skip differs from layer 0"):
        check_policies(network, config, [plain, Policy(skip=Skip(hints=True))])
    one, two = (Policy(active=layer.counts[0]) for layer in network.layers)
    check_policies(network, config, [one, two])
    with pytest.raises(ValueError, match="every layer must use the same place in its counts"):
        check_policies(network, config, [one, plain])


def test_active_counts_take_both_lists(rng: np.random.Generator) -> None:
    network = _single(rng, active_counts=3)
    config = _engine(network)
    config = replace(config, weight_depth=words_per_lane(network, config))
    check_fit(network, config)
    with pytest.raises(ValueError, match="active counts, which take an engine with both lists"):
        check_fit(network, replace(config, mixed=False, monitor=False))


def test_predictor_sums_are_bounded(rng: np.random.Generator) -> None:
    network = _single(rng)
    layer = network.layers[0]
    network = replace(network, predictor=np.full(layer.weights.shape[1], 7))
    config = replace(_engine(network), units=layer.units, inputs=layer.inputs)
    config = replace(config, weight_depth=words_per_lane(network, config))
    check_fit(network, config)
    x_grid, h_grid = Grid(0, -32768, 32767, 1), Grid(0, -32768, 32767)
    wider = replace(network, layers=(replace(layer, x_grid=x_grid, h_grid=h_grid, variants=()),))
    reach = 7 * (layer.inputs * x_grid.span + layer.units * h_grid.span)
    with pytest.raises(ValueError, match=f"Predictor sums reach {reach}, beyond 24 bits"):
        check_fit(wider, replace(config, operand_width=18, acc_width=48))


def test_random_dims_reach_every_feature() -> None:
    """The draws above are worth something only if mixing, lowering, skipping and counts do happen."""
    rng = np.random.default_rng(1)
    assert len(random_dims(rng, 1, 7)) == 2
    drawn = []
    for _ in range(240):
        config, (network, _) = random_engine(rng, most=7)
        drawn.append((network, random_policies(rng, network, config)))
    policies = [policy for _, stack in drawn for policy in stack]
    for wanted in (
        lambda policy: policy.mode is Mode.AUTO,
        lambda policy: policy.tau_x or policy.restart_tau_h,
        lambda policy: policy.monitor.rule is not Rule.OFF,
        lambda policy: policy.skip.change,
        lambda policy: policy.skip.predictor,
        lambda policy: policy.active,
    ):
        assert sum(bool(wanted(policy)) for policy in policies) >= 10
