"""A whole engine of two lanes: values, counters and cycles equal golden's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import counter_differences, differences, golden_case, image_writes, policy_writes
from hw_tests.cocotb.core_cases import state_writes as writes_of_state
from hw_tests.cocotb.program_cases import random_programs, switching_cases
from hw_tests.cocotb.random_networks import for_two, random_active_indices, random_hints, random_input
from hw_tests.cocotb.random_networks import random_state as drawn_state
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.random_runs import random_pairs
from hw_tests.cocotb.verdict_cases import verdicts_alone, with_verdicts
from hw_tests.fast.rtl.core_driver import run_jobs
from hw_tests.fast.rtl.small_engine import Features, small_engine
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.request import chosen_index
from lstmith.spec.codes import Kind
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.policy_check import default_policies

STEPS = 4


ENGINES = {
    "plain": Features(),
    "dense": Features(dims=(2, 3), precisions=(16,), rows_per_cycle=1, delta=False),
    "digit": Features(dims=(4, 4, 3), precisions=(4, 8), mac="digit", rows_per_cycle=1, peepholes=True),
    "planes": Features(dims=(4, 5), precisions=(4, 8), mac="digit", rows_per_cycle=1, planes=2),
    "kinds": Features(dims=(3, 3, 4, 3), precisions=(16,), kinds=tuple(Kind)),
    "together": Features(dims=(4, 7), precisions=(4, 8), planes=2, skip=True, rows_per_cycle=4),
    "everything": Features(
        dims=(3, 5, 4), precisions=(4, 8, 16), peepholes=True, planes=2, skip=True, active_counts=4, rows_per_cycle=2
    ),
}


@pytest.mark.parametrize("name", ENGINES)
def test_equals_golden(name: str, rng: np.random.Generator) -> None:
    """Dense from the bus, then any policy, then from loaded states with stalls."""
    config, network = small_engine(rng, ENGINES[name])
    model, layers = GoldenModel(network, config), len(network.layers)
    dense = [Policy(Mode.DENSE)] * layers
    writes = image_writes(build_memory_image(network, config, dense), config)
    cases = [golden_case("dense", model, dense, CoreJob(random_input(rng, STEPS, network.inputs), writes))[0]]
    policies = random_policies(rng, network, config)
    writes = policy_writes(build_memory_image(network, config, policies))
    job = CoreJob(
        random_input(rng, STEPS, network.inputs),
        writes,
        active_indices=random_active_indices(rng, network, STEPS, policies).tolist(),
    )
    cases.append(golden_case(f"{policies}", model, policies, job, hints=random_hints(rng, STEPS))[0])
    values = drawn_state(rng, network, config)
    state = model.loaded_state(policies, values)
    job = CoreJob(
        random_input(rng, STEPS, network.inputs),
        writes_of_state(network, values, chosen_index(network, policies)),
        start=False,
        restart=True,
        x_stall=0.3,
        h_stall=0.6,
        seed=int(rng.integers(1 << 30)),
    )
    cases.append(golden_case(f"loaded {policies}", model, policies, job, state)[0])
    core_traces = run_jobs(config, [case.job for case in cases])
    found = [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ]
    assert (found or counter_differences(cases, core_traces)) == []


def test_initial_memories_hold_a_network(rng: np.random.Generator) -> None:
    config, network = small_engine(rng, ENGINES["everything"])
    policies = default_policies(network, config)
    job = CoreJob(random_input(rng, STEPS, network.inputs))
    case, _ = golden_case("initial", GoldenModel(network, config), policies, job)
    (core_trace,) = run_jobs(config, [case.job], build_memory_image(network, config, policies))
    assert differences(case, core_trace) == []


def test_as_many_steps_are_skipped_in_a_row_as_the_limit_says(rng: np.random.Generator) -> None:
    """An input that stands still is less than one away from what was listed."""
    config, network = small_engine(rng, replace(ENGINES["together"], dims=(2, 2), rows_per_cycle=2))
    model, policies = GoldenModel(network, config), [Policy(Mode.DELTA, skip=Skip(change=1, limit=15))]
    x = np.repeat(random_input(rng, 1, network.inputs), 20, axis=0)
    case, _ = golden_case("still", model, policies, CoreJob(x))
    skipped = model.run(x[None], policies)[0].skipped[0]
    assert skipped.tolist() == [False] + [True] * 15 + [False] + [True] * 3
    (core_trace,) = run_jobs(config, [case.job], build_memory_image(network, config, policies))
    assert differences(case, core_trace) == []


@pytest.mark.parametrize("judges", [False, True])
def test_two_sequences(judges: bool, rng: np.random.Generator) -> None:
    """Each as if it were alone, in the predicted cycles, with its own verdicts."""
    config, network = for_two(
        *small_engine(rng, replace(ENGINES["everything"], dims=(2, 3, 3), active_counts=1, skip=False))
    )
    if judges:
        config, [network] = with_verdicts(rng, config, [network])
    pairs = random_pairs(rng, network, config)[:3]
    core_traces = run_jobs(config, [pair.job for pair in pairs])
    assert [
        line for pair, core_trace in zip(pairs, core_traces, strict=True) for line in pair.differences(core_trace)
    ] == []


@pytest.mark.parametrize("name", ["planes", "dense", "wide"])
def test_verdicts(name: str, rng: np.random.Generator) -> None:
    """Behind every h, and alone; of engines with narrow words, with wide ones alone, and with both."""
    engines = ENGINES | {"wide": Features(dims=(3, 4), precisions=(8, 16), rows_per_cycle=2)}
    config, network = small_engine(rng, engines[name])
    config, [network] = with_verdicts(rng, config, [network])
    policies = default_policies(network, config)
    writes = image_writes(build_memory_image(network, config, policies), config)
    job = CoreJob(random_input(rng, STEPS, network.inputs), writes)
    case, _ = golden_case("verdicts", GoldenModel(network, config), policies, job)
    alone, wanted = verdicts_alone(case)
    every, only = run_jobs(config, [case.job, alone])
    assert differences(case, every) == []
    assert only.results.tolist() == wanted.tolist()


@pytest.mark.parametrize("judges", [False, True])
def test_programs_equal_golden(judges: bool, rng: np.random.Generator) -> None:
    """Switched at random, from zero, loaded and kept states; with and without a verdict side by side."""
    programs = random_programs(rng, most=4)
    if judges:
        config, [first] = with_verdicts(rng, programs.config, programs.networks[:1])
        programs = replace(programs, config=config, networks=[first, *programs.networks[1:]])
    cases = switching_cases(rng, programs, runs=5, steps=2)
    core_traces = run_jobs(programs.config, [case.job for case in cases])
    found = [line for case, trace in zip(cases, core_traces, strict=True) for line in differences(case, trace)]
    assert not found + counter_differences(cases, core_traces), programs.config
