"""The exact model: equal to plain Python integers, the same for every exact policy, close to float, fast."""

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
    random_network,
    random_state,
)
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.unit import networks, slow_lstm
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.activity import LayerTrace
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import run_float
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def _same(one: list[LayerTrace], other: list[LayerTrace]) -> bool:
    return all((a.h == b.h).all() and (a.c == b.c).all() for a, b in zip(one, other, strict=True))


@settings(max_examples=60)
@given(rng=seeds)
def test_equals_plain_integers(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng, most=7)
    x = random_input(rng, 5, network.inputs)
    traces = GoldenModel(network, config).run(x[None], random_dense(network))
    values = x.tolist()
    for layer, trace in zip(network.layers, traces, strict=True):
        h, c = slow_lstm.run_layer(layer, config, values)
        assert trace.h[0].tolist() == h
        assert trace.c[0].tolist() == c
        values = h


def random_dense(network: QuantNetwork) -> list[Policy]:
    """Dense policies for every layer."""
    return [Policy(Mode.DENSE)] * len(network.layers)


@settings(max_examples=40)
@given(rng=seeds)
def test_every_mode_without_threshold_is_exact(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng)
    model = GoldenModel(network, config)
    x = random_input(rng, 12, network.inputs)[None]
    dense = model.run(x, random_dense(network))
    modes = [Policy(Mode(int(mode))) for mode in rng.integers(0, 4 if config.planes == 2 else 3, len(network.layers))]
    assert _same(dense, model.run(x, modes))
    assert _same(dense, model.run(x, [Policy(Mode.DELTA)] * len(modes)))
    if config.planes == 2:
        assert _same(dense, model.run(x, [Policy(Mode.AUTO)] * len(modes)))


@settings(max_examples=40)
@given(rng=seeds)
def test_batch_is_its_sequences_and_a_run_can_be_cut(rng: np.random.Generator) -> None:
    config, (network, _) = random_engine(rng)
    model = GoldenModel(network, config)
    policies = random_policies(rng, network, config)
    x = np.stack([random_input(rng, 9, network.inputs) for _ in range(3)])
    hints = np.stack([random_hints(rng, 9) for _ in range(3)])
    active_indices = np.stack([random_active_indices(rng, network, 9, policies) for _ in range(3)])
    values = [random_state(rng, network, config) for _ in range(3)]
    together = [
        (np.concatenate([h for h, _ in layer]), np.concatenate([c for _, c in layer]))
        for layer in zip(*values, strict=True)
    ]
    whole = model.run(x, policies, model.loaded_state(policies, together), hints=hints, active_indices=active_indices)
    for index in range(3):
        state = model.loaded_state(policies, values[index])
        cut = int(rng.integers(1, 9))
        one, before, after = slice(index, index + 1), slice(None, cut), slice(cut, None)
        first = model.run(
            x[one, before], policies, state, hints=hints[one, before], active_indices=active_indices[one, before]
        )
        second = model.run(
            x[one, after],
            policies,
            state,
            restart=False,
            hints=hints[one, after],
            active_indices=active_indices[one, after],
        )
        for all_of_it, begin, end in zip(whole, first, second, strict=True):
            for name in (
                "h",
                "c",
                "x_planes",
                "h_planes",
                "restart",
                "skipped",
                "active_index",
                "columns",
            ):
                parts = np.concatenate([getattr(begin, name), getattr(end, name)], axis=1)
                assert (getattr(all_of_it, name)[index] == parts[0]).all(), name


@settings(max_examples=30)
@given(rng=seeds)
def test_a_run_goes_on_from_the_states_that_another_left(rng: np.random.Generator) -> None:
    """Every list of the rest begins anew, so only what is exact is the same: all values.

    A dense step lists every h but that of a start, which is zero.
    """
    config, (network, _) = random_engine(rng)
    model, policies = GoldenModel(network, config), random_dense(network)
    x = np.stack([random_input(rng, 8, network.inputs) for _ in range(2)])
    whole, cut = model.run(x, policies), int(rng.integers(1, 8))
    left = [(trace.h[:, cut - 1].astype(np.int64), trace.c[:, cut - 1].astype(np.int64)) for trace in whole]
    rest = model.run(x[:, cut:], policies, model.loaded_state(policies, left))
    for name in ("h", "c"):
        for trace, then in zip(whole, rest, strict=True):
            assert (getattr(trace, name)[:, cut:] == getattr(then, name)).all(), name
    for trace, then in zip(whole, rest, strict=True):
        assert not trace.h_planes[:, 0].any()
        assert then.h_planes[:, 0].all()


def test_hints_are_for_policies_that_follow_them() -> None:
    rng = np.random.default_rng(5)
    network = random_network(rng, [2, 3], (8,), peepholes=False, requant_width=18)
    model = GoldenModel(network, EngineConfig(lanes=1, precisions=(8,), acc_width=32, operand_width=18, skip=True))
    x, hints = random_input(rng, 6, 2)[None], np.array([[False, True, True, False, True, False]])
    for follows in (False, True):
        policies = [Policy(Mode.DENSE, skip=Skip(hints=follows))]
        (trace,) = model.run(x, policies, hints=hints)
        assert trace.skipped.tolist() == (hints & follows).tolist()
        assert not model.run(x, policies)[0].skipped.any()


@pytest.mark.parametrize("peepholes", [False, True])
def test_sixteen_bits_follow_float(peepholes: bool) -> None:
    rng = np.random.default_rng(3)
    network = networks.random_network(rng, 24, 10, layers=2, peepholes=peepholes)
    data = networks.random_calibration(rng, network)
    quantised = quantise(network, data, precision=[16]).network
    config = EngineConfig(lanes=1, precisions=(16,), acc_width=48, operand_width=18, c_width=24, peepholes=peepholes)
    x = quantised.quantise_input(data.x)
    traces = GoldenModel(quantised, config).run(x, [Policy()] * 2)
    exact = run_float(network, np.asarray(x * quantised.x_lsb, dtype=np.float64))
    for trace, h in zip(traces, exact.h, strict=True):
        error = np.abs(trace.h / 32768 - h)
        assert error.mean() < 4e-4
        assert error.max() < 5e-3


def test_sums_beyond_the_accumulator_are_refused() -> None:
    rng = np.random.default_rng(4)
    network = random_network(rng, random_dims(rng, 1, 20), (8,), peepholes=False, requant_width=18)
    bound = network.layers[0].sum_bound
    config = EngineConfig(lanes=1, precisions=(8,), acc_width=max(16, bound.bit_length() + 1), operand_width=18)
    GoldenModel(network, config)
    assert bound.bit_length() > 15, "the narrower engine must exist"
    with pytest.raises(ValueError, match=f"Layer 0 sums reach {bound}, beyond {bound.bit_length()}-bit"):
        GoldenModel(network, replace(config, acc_width=bound.bit_length()))


def test_sums_beyond_float64_are_refused() -> None:
    units, inputs = 1, 1 << 20
    weights = np.full((4, inputs + units), 32767, dtype=np.int64)
    zero = np.zeros(4, dtype=np.int64)
    grid = Grid(0, -32768, 32767, exponent=4)
    layer = QuantLayer(16, weights, zero, zero, zero, grid, Grid(0, -32768, 32767), 8, 1.0)
    assert layer.sum_bound >= 1 << 53
    with pytest.raises(ValueError, match="beyond 48-bit accumulators"):
        GoldenModel(QuantNetwork((layer,)), EngineConfig(lanes=1, precisions=(16,), acc_width=48))
