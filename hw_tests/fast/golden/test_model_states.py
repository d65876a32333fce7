"""States as the host loads them and as steps leave them: of the active units alone, in the shapes they began with."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_input, random_network
from lstmith.golden.activity import RECORDS, RELOAD
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Skip


@pytest.mark.parametrize("fewer", [False, True])
def test_units_beyond_the_count_are_loaded_as_zero(fewer: bool, rng: np.random.Generator) -> None:
    network = random_network(rng, [2, 8], (8,), peepholes=False, requant_width=18, active_counts=3)
    config = EngineConfig(lanes=1, precisions=(8,), acc_width=32, operand_width=18, active_counts=3)
    (layer,) = network.layers
    active = layer.counts[-1] if fewer else layer.units
    h, c = (rng.integers(1, 1000, (2, layer.units)) for _ in range(2))
    policies = [Policy(Mode.DENSE, active=active if fewer else 0)]
    (state,) = GoldenModel(network, config).loaded_state(policies, [(h, c)])
    for have, given in ((state.h, h), (state.c, c)):
        assert have.tolist() == np.where(np.arange(layer.units) < active, given, 0).tolist()
    assert (state.h_reference[:, 0] != 0).sum(axis=1).max() <= active


def test_a_skipped_step_leaves_shapes(rng: np.random.Generator) -> None:
    network = random_network(rng, [2, 3], (8,), peepholes=False, requant_width=18)
    model = GoldenModel(network, EngineConfig(lanes=1, precisions=(8,), acc_width=32, operand_width=18, skip=True))
    state, fresh = model.zero_state(2), model.zero_state(2)
    hints = np.array([[False, True, False], [True, False, True]])
    x = np.stack([random_input(rng, 3, 2) for _ in range(2)])
    model.run(x, [Policy(Mode.DENSE, skip=Skip(hints=True))], state, hints=hints)
    for name, value in vars(state[0]).items():
        before = vars(fresh[0])[name]
        pairs = list(zip(value, before, strict=True)) if isinstance(value, list) else [(value, before)]
        for have, had in pairs:
            assert have.shape == had.shape, name


def test_records_are_fetched_where_a_sequence_starts_and_lists_where_it_is_resumed(rng: np.random.Generator) -> None:
    network = random_network(rng, [2, 3], (8,), peepholes=False, requant_width=18)
    model = GoldenModel(network, EngineConfig(lanes=1, precisions=(8,), acc_width=32, operand_width=18))
    x, policies = random_input(rng, 3, 2)[None], [Policy(Mode.DELTA)]
    states = [(rng.integers(-1000, 1000, (1, 3)), rng.integers(-1000, 1000, (1, 3)))]
    found = [
        model.run(x, policies, state)[0]
        for state in (None, model.loaded_state(policies, states), model.resumed_state(policies, states))
    ]
    assert [trace.renewal[0].tolist() for trace in found] == [[RECORDS, 0, 0], [0, 0, 0], [RELOAD, 0, 0]]
    # Unless it is told otherwise, a run begins: its sums are made anew.
    assert [trace.restart[0].tolist() for trace in found] == [[True, False, False]] * 3
    again = model.run(x, policies, model.loaded_state(policies, states), restart=False)[0]
    assert not again.restart.any()


@pytest.mark.parametrize("restart", [False, True])
def test_no_decision_outlives_the_sums(restart: bool, rng: np.random.Generator) -> None:
    """A monitor without a limit of its own defers what it deferred before, but not where the sums are made anew."""
    network = random_network(rng, [2, 3], (8,), peepholes=False, requant_width=18, planes=2)
    config = EngineConfig(
        lanes=1, precisions=(4, 8), acc_width=32, operand_width=18, planes=2, monitor=True, units=3, inputs=2
    )
    policies = [Policy(Mode.DELTA, monitor=Monitor(rule=Rule.COUNT, low=0, hysteresis=1023))]
    model = GoldenModel(network, config)
    [state] = states = model.zero_state(1)
    state.steps[:], state.fresh[:] = 5, False
    state.deferred[0][:] = True
    [trace] = model.run(random_input(rng, 1, 2)[None], policies, states, restart=restart)
    assert trace.deferred[0, 0].tolist() == [not restart] * 3
