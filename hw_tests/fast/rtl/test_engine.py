"""A whole engine of two lanes: values, counters and cycles equal golden's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import counter_differences, differences, golden_case, image_writes, policy_writes
from hw_tests.cocotb.core_cases import state_writes as writes_of_state
from hw_tests.cocotb.random_networks import for_two, random_hints, random_input, random_masks, random_network
from hw_tests.cocotb.random_networks import random_state as drawn_state
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.test_two_sequences import random_pairs
from hw_tests.fast.rtl.core_driver import run_jobs
from lstmith.compiler.program_image import build_image, words_per_lane
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import Job
from lstmith.host.problem import active_index
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantNetwork

STEPS = 4


@dataclass(frozen=True)
class Features:
    """What a network and its engine have."""

    dims: tuple[int, ...] = (3, 5)
    precisions: tuple[int, ...] = (8,)
    ways: int = 2
    mac: str = "dsp"
    peepholes: bool = False
    mixed: bool = False
    skip: bool = False
    masks: int = 1
    delta: bool = True


ENGINES = {
    "plain": Features(),
    "dense": Features(dims=(2, 3), precisions=(16,), ways=1, delta=False),
    "digit": Features(dims=(4, 4, 3), precisions=(4, 8), mac="digit", ways=1, peepholes=True),
    "everything": Features(
        dims=(3, 5, 4), precisions=(4, 8, 16), peepholes=True, mixed=True, skip=True, masks=4, ways=2
    ),
}


def _engine(rng: np.random.Generator, features: Features) -> tuple[EngineConfig, QuantNetwork]:
    """A network, and the narrowest engine of two lanes for it."""
    network = random_network(
        rng,
        list(features.dims),
        features.precisions,
        peepholes=features.peepholes,
        requant_width=18,
        mixed=features.mixed,
        masks=features.masks,
        predictor=features.skip,
    )
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in network.layers)
    config = EngineConfig(
        lanes=2,
        precisions=features.precisions,
        mac=features.mac,
        ways=features.ways,
        peepholes=features.peepholes,
        mixed=features.mixed,
        monitor=features.mixed,
        skip=features.skip,
        masks=features.masks,
        delta=features.delta,
        acc_width=min(48, max(layer.sum_bound for layer in network.layers).bit_length() + 9),
        operand_width=max(10, span.bit_length() + 1),
        units=sum(features.dims[1:]),
        inputs=features.dims[0],
        layers=len(features.dims) - 1,
    )
    return replace(config, weight_depth=words_per_lane(network, config)), network


@pytest.mark.parametrize("name", ENGINES)
def test_equals_golden(name: str, rng: np.random.Generator) -> None:
    """Dense from the bus, then any policy, then from loaded states with stalls."""
    config, network = _engine(rng, ENGINES[name])
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
    config, network = _engine(rng, ENGINES["everything"])
    policies = default_policies(network, config)
    job = Job(random_input(rng, STEPS, network.inputs))
    case, _ = golden_case("initial", GoldenModel(network, config), policies, job)
    (answer,) = run_jobs(config, [case.job], build_image(network, config, policies))
    assert differences(case, answer) == []


def test_two_sequences(rng: np.random.Generator) -> None:
    """Each as if it were alone, in the predicted cycles."""
    config, network = for_two(*_engine(rng, replace(ENGINES["everything"], dims=(2, 3, 3), masks=1, skip=False)))
    pairs = random_pairs(rng, network, config)[:3]
    answers = run_jobs(config, [pair.job for pair in pairs])
    assert [line for pair, answer in zip(pairs, answers, strict=True) for line in pair.differences(answer)] == []
