"""Planes, restarts, the monitor, skipped steps and active counts against an engine in plain Python integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_tests.cocotb.random_networks import (
    input_of,
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
from lstmith.golden.activity import RECORDS, RELOAD
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Skip
from lstmith.spec.policy_check import check_policies
from lstmith.spec.quantised import Grid, QuantNetwork

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
STEPS = 8
NAMES = ("h", "c", "skipped", "active_index", "restart", "x_planes", "h_planes")


@settings(max_examples=150)
@given(rng=seeds)
def test_equals_plain_integers(rng: np.random.Generator) -> None:
    mixed, symbols = (bool(rng.random() < 0.5) for _ in range(2))
    config, (network, _) = random_engine(rng, most=7, mixed=mixed, symbols=symbols)
    policies = random_policies(rng, network, config)
    model, slow = GoldenModel(network, config), SlowEngine(network, config, policies)
    state = None
    if rng.random() < 0.3:
        values = random_state(rng, network, config)
        state = model.loaded_state(policies, values)
        for layer, (h, c), loaded in zip(slow.layers, values, state, strict=True):
            layer.load(h[0].tolist(), c[0].tolist(), int(loaded.active_index[0]))
    x, hints = input_of(rng, STEPS, network), random_hints(rng, STEPS)
    active_indices = random_active_indices(rng, network, STEPS, policies)
    traces = model.run(x[None], policies, state, hints=hints[None], active_indices=active_indices[None])
    for trace, steps in zip(traces, slow.run(x.tolist(), hints.tolist(), active_indices.tolist()), strict=True):
        for t, step in enumerate(steps):
            for name in NAMES if not step.skipped else NAMES[:5]:
                assert getattr(trace, name)[0, t].tolist() == getattr(step, name), (t, name)
    for layer in slow.layers:
        assert layer.largest_sum < 1 << (config.acc_width - 1)


@settings(max_examples=60)
@given(rng=seeds)
def test_symbols_are_columns_of_a_one_hot_input(rng: np.random.Generator) -> None:
    """A symbol counts as the largest value in its column would; dense steps list it alone."""
    config, (network, _) = random_engine(rng, most=9, symbols=True)
    first, *others = network.layers
    wide = replace(config, acc_width=48, inputs=first.inputs)
    values = replace(network, layers=(replace(first, symbols=False), *others))
    policies = [
        replace(policy, theta_x=0, low_theta_x=None, monitor=Monitor()) if index == 0 else policy
        for index, policy in enumerate(random_policies(rng, network, config))
    ]
    x, hints = input_of(rng, STEPS, network), random_hints(rng, STEPS)[None]
    one_hot = ((x == np.arange(first.inputs)) * (first.x_grid.high << first.x_grid.shift)).astype(np.int16)
    found, wanted = (
        GoldenModel(each, wide).run(given[None], policies, hints=hints)
        for each, given in ((network, x), (values, one_hot))
    )
    for index, (have, want) in enumerate(zip(found, wanted, strict=True)):
        for name in NAMES:
            if name == "x_planes" and index == 0 and policies[0].mode is Mode.DENSE:
                assert ((have.x_planes[0] != 0).sum(axis=1) == ~have.skipped[0]).all()
            else:
                assert (getattr(have, name) == getattr(want, name)).all(), name


@settings(max_examples=60)
@given(rng=seeds)
def test_every_plane_stays_within_its_threshold(rng: np.random.Generator) -> None:
    """What a column's reference is off by is bounded at every step, so no error adds up."""
    config, (network, _) = random_engine(rng, most=12)
    policies = [replace(policy, monitor=Monitor(), skip=Skip()) for policy in random_policies(rng, network, config)]
    model = GoldenModel(network, config)
    state = model.zero_state(1)
    x = random_input(rng, 24, network.inputs)
    for t in range(len(x)):
        values = x[None, t]
        traces = model.run(x[None, t : t + 1], policies, state, restart=t == 0)
        for layer, trace, kept, policy in zip(network.layers, traces, state, policies, strict=True):
            alive = np.arange(layer.units) < layer.with_state(int(kept.active_index[0]))
            pairs = [(layer.x_grid.apply(values), kept.x_reference, policy.thetas_x(layer.planes))] * (
                network.active_counts == 1
            )
            pairs.append((layer.h_grid.apply(kept.h) * alive, kept.h_reference, policy.thetas_h(layer.planes)))
            for value, reference, thetas in pairs:
                limits = thetas if policy.keeps_sums else [0] * layer.planes
                for plane, theta in enumerate(limits):
                    assert np.abs(value - reference[:, plane]).max() <= theta
            values = trace.h[:, 0]


@settings(max_examples=40)
@given(rng=seeds)
def test_a_batch_has_the_cycles_of_its_sequences(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng, most=9)
    policies = random_policies(rng, network, config)
    model, timing = GoldenModel(network, config), CycleModel(network, config)
    x = np.stack([random_input(rng, STEPS, network.inputs) for _ in range(3)])
    hints = np.stack([random_hints(rng, STEPS) for _ in range(3)])
    active_indices = np.stack([random_active_indices(rng, network, STEPS, policies) for _ in range(3)])
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
        planes=2,
        monitor=True,
        skip=True,
        active_counts=8,
        layers=len(network.layers),
    )


def _single(rng: np.random.Generator, **options: Any) -> QuantNetwork:
    """One layer of 8-bit weights in two planes."""
    layer = random_layer(
        rng,
        6,
        9,
        8,
        unsigned=True,
        peepholes=False,
        requant_width=18,
        planes=2,
        **options,
    )
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
    assert trace.restart.all(), "as short is short enough"
    assert trace.columns[0].tolist() == [6, 0] * 4
    assert model.run(bursts, [Policy(Mode.DELTA)])[0].columns[0].tolist() == [6] * 8


def test_without_thresholds_both_planes_take_every_change(rng: np.random.Generator) -> None:
    network = _single(rng)
    model = GoldenModel(network, _engine(network))
    x = random_input(rng, 20, 6)[None]
    dense, exact = (model.run(x, [Policy(mode)])[0] for mode in (Mode.DENSE, Mode.AUTO))
    np.testing.assert_array_equal(exact.h, dense.h)
    for planes in (exact.x_planes, exact.h_planes):
        assert set(planes.ravel().tolist()) <= {0, 3}


def test_a_low_plane_that_is_never_served_leaves_the_top_one(rng: np.random.Generator) -> None:
    network = _single(rng)
    layer = network.layers[0]
    model = GoldenModel(network, _engine(network))
    x = random_input(rng, 20, 6)[None]
    # The first step is exact; after it nothing of the low plane is listed.
    trace = model.run(x, [Policy(Mode.DELTA, low_theta_x=0xFFFF, low_theta_h=0xFFFF)])[0]
    assert (trace.x_planes[0, 1:] & 2 == 0).all()
    assert (trace.h_planes & 2 == 0).all()
    top = replace(layer, weights=layer.plane(0) << layer.plane_shift(0))
    x[:] = x[:, :1]
    alone = GoldenModel(QuantNetwork((top,)), _engine(network)).run(x * 0, [Policy(Mode.DENSE)])[0]
    held = model.run(x * 0, [Policy(Mode.DELTA, low_theta_x=0xFFFF, low_theta_h=0xFFFF)])[0]
    np.testing.assert_array_equal(held.h, alone.h)


def test_quiet_cells_defer_the_low_plane(rng: np.random.Generator) -> None:
    network = _single(rng)
    model = GoldenModel(network, _engine(network))
    x = random_input(rng, 12, 6)[None]
    always = Policy(Mode.DELTA, monitor=Monitor(Rule.COUNT, low=highest(Monitor)["low"], warmup=5))
    exact, trace = model.run(x, [replace(always, monitor=Monitor())])[0], model.run(x, [always])[0]
    np.testing.assert_array_equal(trace.h[:, :5], exact.h[:, :5])
    assert (trace.x_planes[0, 5:] & 2 == 0).all()
    assert (trace.h_planes[0, 5:] & 2 == 0).all()
    never = replace(always, monitor=Monitor(Rule.COUNT, low=0))
    np.testing.assert_array_equal(model.run(x, [never])[0].h, exact.h)


def test_what_was_deferred_is_paid(rng: np.random.Generator) -> None:
    """Where cells rest again and the plane is served, the sums are those of the values themselves."""
    network = _single(rng)
    model = GoldenModel(network, _engine(network))
    state = model.zero_state(1)
    x = np.tile(random_input(rng, 1, 6), (1, 40, 1))
    deferring = Policy(Mode.DELTA, monitor=Monitor(Rule.COUNT, low=highest(Monitor)["low"]))
    model.run(x, [deferring], state)
    assert (state[0].h_reference[:, 0] != state[0].h_reference[:, 1]).any(), "something was deferred"
    model.run(x[:, :1], [Policy(Mode.DELTA)], state, restart=False)
    grid_h = network.layers[0].h_grid.apply(state[0].h)
    assert (state[0].h_reference == grid_h[:, None]).all()


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
    assert not trace.h_planes[0, 3:6, few:].any()
    assert np.flatnonzero(trace.restart[0]).tolist() == [0, 3, 6, 8]
    fixed = model.run(x, [Policy(active=few)])[0]
    assert (fixed.active_index == 2).all()


def test_units_that_a_step_skims_keep_what_they_have(rng: np.random.Generator) -> None:
    network = _single(rng, active_counts=2, skims=True)
    (layer,), (few,) = network.layers, network.layers[0].counts
    model = GoldenModel(network, _engine(network))
    x = random_input(rng, 9, 6)[None]
    active_indices = np.array([[1, 1, 0, 1, 1, 1, 0, 1, 0]])
    trace = model.run(x, [Policy()], active_indices=active_indices)[0]
    assert trace.active_index[0].tolist() == [0, 1, 0, 1, 1, 1, 0, 1, 0], "the first step computes all units"
    skims = np.flatnonzero(trace.active_index[0])
    np.testing.assert_array_equal(trace.h[0, skims, few:], trace.h[0, skims - 1, few:])
    np.testing.assert_array_equal(trace.c[0, skims, few:], trace.c[0, skims - 1, few:])
    # What they did before is still listed by the first of several steps, and never again.
    assert trace.h_planes[0, 3, few:].any()
    assert not trace.h_planes[0, 4:6, few:].any()
    # Sums of units that were left as they were lack what changed meanwhile.
    assert np.flatnonzero(trace.restart[0]).tolist() == [0, 2, 6, 8]
    assert trace.renewal[0].tolist() == [RECORDS, RECORDS, RELOAD, RECORDS, 0, 0, RELOAD, RECORDS, RELOAD]
    # The others compute what they would if all were computed.
    full = model.run(x[:, :2], [Policy()])[0]
    np.testing.assert_array_equal(full.h[0, 1, :few], trace.h[0, 1, :few])
    assert layer.with_state(1) == layer.units


def test_skimming_takes_changes_alone(rng: np.random.Generator) -> None:
    network = _single(rng, active_counts=2, skims=True)
    model, x = GoldenModel(network, _engine(network)), random_input(rng, 2, 6)[None]
    for policy, problem in (
        (Policy(Mode.DENSE), "mode is dense, which takes steps of all units: use delta"),
        (Policy(Mode.AUTO), "mode is auto, which takes steps of all units: use delta"),
        (Policy(monitor=Monitor(Rule.RATIO)), "monitor judges all units of a layer: leave it out"),
    ):
        model.run(x, [policy])
        model.run(x, [policy], active_indices=np.array([[1, 0]]))
        with pytest.raises(ValueError, match=f"^Layer 0 policy field {problem}"):
            model.run(x, [policy], active_indices=np.array([[0, 1]]))
    few = network.layers[0].counts[0]
    with pytest.raises(ValueError, match=f"^Layer 0 policy field active is {few}: say which steps skim with the input"):
        model.run(x, [Policy(active=few)])


REFUSED: list[tuple[dict[str, bool | int], Policy, str]] = [
    ({"planes": 1, "monitor": False}, Policy(Mode.AUTO), "mode is auto, which needs both lists"),
    ({"monitor": False}, Policy(Mode.DELTA, monitor=Monitor(Rule.RATIO)), "monitor is ratio, this engine was built"),
    ({}, Policy(Mode.SKIP, monitor=Monitor(Rule.COUNT)), "monitor is count, which defers changes: use mode delta"),
    ({"skip": False}, Policy(skip=Skip(change=1)), "skip asks for a rule that this engine was built without"),
    ({}, Policy(skip=Skip(predictor=True)), "the network has no predictor: train one"),
    ({}, Policy(active=5), "active is 5: use one of the compiled counts 9"),
]


@pytest.mark.parametrize(("engine", "policy", "problem"), REFUSED, ids=[problem for _, _, problem in REFUSED])
def test_what_an_engine_cannot_do_is_refused(
    engine: dict[str, bool | int], policy: Policy, problem: str, rng: np.random.Generator
) -> None:
    network = _single(rng)
    config = replace(_engine(network), **engine)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"^Layer 0 policy field .*{problem}"):
        check_policies(network, config, [policy])
    assert accepted(network, config, [Policy()])


def test_one_plane_has_no_low_threshold(rng: np.random.Generator) -> None:
    network = random_network(rng, [4, 6], (4,), peepholes=False, requant_width=18, planes=2)
    for policy, problem in (
        (Policy(low_theta_h=0), "low_theta_h is 0, but the layer's weights have one plane: leave it out"),
        (Policy(monitor=Monitor(Rule.RATIO)), "monitor is ratio, but the layer's weights have one plane"),
    ):
        with pytest.raises(ValueError, match=f"^Layer 0 policy field {problem}"):
            check_policies(network, _engine(network), [policy])


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
        check_fit(network, replace(config, planes=1, monitor=False))


def test_predictor_sums_are_bounded(rng: np.random.Generator) -> None:
    network = _single(rng)
    layer = network.layers[0]
    network = replace(network, predictor=np.full(layer.weights.shape[1], 7))
    config = replace(_engine(network), units=layer.units, inputs=layer.inputs)
    config = replace(config, weight_depth=words_per_lane(network, config))
    check_fit(network, config)
    x_grid, h_grid = Grid(0, -32768, 32767, 1), Grid(0, -32768, 32767)
    wider = replace(network, layers=(replace(layer, x_grid=x_grid, h_grid=h_grid, planes=1),))
    reach = 7 * (layer.inputs * x_grid.span + layer.units * h_grid.span)
    with pytest.raises(ValueError, match=f"Predictor sums reach {reach}, beyond 24 bits"):
        check_fit(wider, replace(config, operand_width=18, acc_width=48))


def test_random_dims_reach_every_feature() -> None:
    """The draws above are worth something only if planes, deferral, skipping and counts do happen."""
    rng = np.random.default_rng(1)
    assert len(random_dims(rng, 1, 7)) == 2
    drawn = []
    for _ in range(400):
        config, (network, _) = random_engine(rng, most=7)
        drawn.append((network, random_policies(rng, network, config)))
    policies = [policy for _, stack in drawn for policy in stack]
    for wanted in (
        lambda policy: policy.mode is Mode.AUTO,
        lambda policy: policy.low_theta_x,
        lambda policy: policy.low_theta_h == 0,
        lambda policy: policy.monitor.rule is not Rule.OFF,
        lambda policy: policy.skip.change,
        lambda policy: policy.skip.predictor,
        lambda policy: policy.active,
    ):
        assert sum(bool(wanted(policy)) for policy in policies) >= 10
    assert sum(network.skims for network, _ in drawn) >= 10
