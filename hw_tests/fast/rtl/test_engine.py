"""A whole engine of two lanes: values, counters and cycles equal golden's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import counter_differences, differences, golden_case, image_writes, policy_writes
from hw_tests.cocotb.core_cases import state_writes as writes_of_state
from hw_tests.cocotb.random_networks import for_two, random_hints, random_input, random_masks
from hw_tests.cocotb.random_networks import random_state as drawn_state
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.test_two_sequences import random_pairs
from hw_tests.fast.rtl.core_driver import run_jobs
from hw_tests.fast.rtl.small_engine import Features, small_engine
from lstmith.compiler.program_image import build_image
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import Job
from lstmith.host.problem import active_index
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_check import default_policies

STEPS = 4


ENGINES = {
    "plain": Features(),
    "dense": Features(dims=(2, 3), precisions=(16,), ways=1, delta=False),
    "digit": Features(dims=(4, 4, 3), precisions=(4, 8), mac="digit", ways=1, peepholes=True),
    "everything": Features(
        dims=(3, 5, 4), precisions=(4, 8, 16), peepholes=True, mixed=True, skip=True, masks=4, ways=2
    ),
}


@pytest.mark.parametrize("name", ENGINES)
def test_equals_golden(name: str, rng: np.random.Generator) -> None:
    """Dense from the bus, then any policy, then from loaded states with stalls."""
    config, network = small_engine(rng, ENGINES[name])
    model, layers = GoldenModel(network, config), len(network.layers)
    dense = [Policy(Mode.DENSE)] * layers
    writes = image_writes(build_image(network, config, dense), config)
    cases = [golden_case("dense", model, dense, Job(random_input(rng, STEPS, network.inputs), writes))[0]]
    policies = random_policies(rng, network, config)
    writes = policy_writes(build_image(network, config, policies))
    job = Job(random_input(rng, STEPS, network.inputs), writes, masks=random_masks(rng, network, STEPS).tolist())
    cases.append(golden_case(f"{policies}", model, policies, job, hints=random_hints(rng, STEPS))[0])
    values = drawn_state(rng, network, config)
    state = model.loaded_state(policies, values)
    job = Job(
        random_input(rng, STEPS, network.inputs),
        writes_of_state(network, values, active_index(network, policies)),
        start=False,
        restart=True,
        x_stall=0.3,
        h_stall=0.6,
        seed=int(rng.integers(1 << 30)),
    )
    cases.append(golden_case(f"loaded {policies}", model, policies, job, state)[0])
    answers = run_jobs(config, [case.job for case in cases])
    found = [line for case, answer in zip(cases, answers, strict=True) for line in differences(case, answer)]
    assert (found or counter_differences(cases, answers)) == []


def test_initial_memories_hold_a_network(rng: np.random.Generator) -> None:
    config, network = small_engine(rng, ENGINES["everything"])
    policies = default_policies(network, config)
    job = Job(random_input(rng, STEPS, network.inputs))
    case, _ = golden_case("initial", GoldenModel(network, config), policies, job)
    (answer,) = run_jobs(config, [case.job], build_image(network, config, policies))
    assert differences(case, answer) == []


def test_two_sequences(rng: np.random.Generator) -> None:
    """Each as if it were alone, in the predicted cycles."""
    config, network = for_two(*small_engine(rng, replace(ENGINES["everything"], dims=(2, 3, 3), masks=1, skip=False)))
    pairs = random_pairs(rng, network, config)[:3]
    answers = run_jobs(config, [pair.job for pair in pairs])
    assert [line for pair, answer in zip(pairs, answers, strict=True) for line in pair.differences(answer)] == []
