"""Where cycles go: the classes add up to the cycles, and the busy ones to the words that are counted elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_tests.cocotb.random_networks import for_two, random_active_indices, random_engine, random_hints, random_input
from hw_tests.cocotb.random_policies import random_policies
from lstmith.golden.breakdown import TITLES, CycleBreakdown, CycleClass
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.host.activity import count_activity

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
STEPS = 8


def _checked(rng: np.random.Generator) -> dict[CycleClass, int]:
    """Classes of a random run of two sequences, one of which may end early."""
    config, (network, _) = random_engine(rng, most=9)
    if rng.random() < 0.5:
        config, network = for_two(config, network)
    policies = random_policies(rng, network, config)
    x = np.stack([random_input(rng, STEPS, network.inputs) for _ in range(2)])
    hints = np.stack([random_hints(rng, STEPS) for _ in range(2)])
    active_indices = np.stack([random_active_indices(rng, network, STEPS, policies) for _ in range(2)])
    valid = np.arange(STEPS) < np.array([[STEPS], [rng.integers(1, STEPS + 1)]])
    traces = GoldenModel(network, config).run(x, policies, hints=hints, active_indices=active_indices)
    model = CycleModel(network, config)
    idle = rng.random(valid.shape) < 0.3 if config.sequences == 1 else None
    breakdown = model.breakdown(traces, policies, hints, valid, idle)
    assert (breakdown.spent >= 0).all()
    assert (breakdown.tail >= 0).all()
    total = breakdown.total(valid)
    np.testing.assert_array_equal(breakdown.cycles, model.cycles(traces, policies, hints, valid, idle))
    assert sum(total.values()) == (breakdown.cycles * valid).sum()
    words = count_activity(network, config, traces, valid).words
    assert total[CycleClass.BUSY] + total[CycleClass.EMPTY] == sum(words.values())
    return total


@settings(max_examples=100, deadline=None)
@given(rng=seeds)
def test_classes_add_up(rng: np.random.Generator) -> None:
    _checked(rng)


def test_every_class_occurs() -> None:
    missing = set(TITLES)
    for seed in range(1000):
        run = _checked(np.random.default_rng(seed))
        missing -= {kind for kind in missing if run[kind]}
        if not missing:
            break
    assert {TITLES[kind] for kind in missing} == set()


@pytest.mark.parametrize(("lengths", "ends"), [((2, 2), 1), ((3, 2), 0), ((2, 3), 1), ((1, 3), 1)])
def test_of_two_sequences_the_one_that_ends_last_has_a_tail(lengths: tuple[int, int], ends: int) -> None:
    """They take turns, the first one first; what follows the other one's end is a step of this one."""
    shape = (2, 3, len(CycleClass))
    spent, tail = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    # Each tail tells whose it is, and of which step.
    tail[..., CycleClass.TAIL] = [[1, 2, 3], [10, 20, 30]]
    valid = np.arange(3) < np.array(lengths)[:, None]
    found = CycleBreakdown(spent, tail, spent.sum(axis=2), together=2).total(valid)
    assert found[CycleClass.TAIL] == tail[ends, lengths[ends] - 1, CycleClass.TAIL]
