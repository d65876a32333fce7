"""States as the host loads them and as steps leave them: of the active units alone, in the shapes they began with."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_input, random_network
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy, Skip


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
