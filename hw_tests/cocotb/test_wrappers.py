"""Cores with AXI and Wishbone: random engines, networks, policies and stalls on every channel give golden's results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import (
    Case,
    counter_differences,
    differences,
    golden_case,
    image_writes,
    policy_writes,
    state_writes,
)
from hw_tests.cocotb.random_networks import (
    random_active_indices,
    random_engine,
    random_hints,
    random_input,
    random_state,
)
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.wrapper_runs import WrapperSimulation, beat_differences, wrapper_run
from lstmith.compiler.program_image import build_memory_image, words_per_lane
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantNetwork
from lstmith.spec.register_map import Bus

#: Random engines of the normal tier by simulator, and how many rounds of four runs each gets: on Verilator a core takes
#: longer to build than to run. The others are for `-m slow`: 200 runs of each bus on each simulator.
ROUNDS = {"icarus": {0: 2, 1: 2, 2: 2}, "verilator": {0: 6}}
MORE_ENGINES, MORE_ROUNDS = range(3, 13), 5
CHOSEN = [
    *((engine, simulator) for simulator, engines in ROUNDS.items() for engine in engines),
    *(pytest.param(engine, name, marks=pytest.mark.slow) for engine in MORE_ENGINES for name in ROUNDS),
]
#: Share of the runs whose x and h go through registers.
BY_REGISTERS = 0.15
#: Weight words that one dense run may issue.
WORDS_PER_RUN = 800


def random_cases(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig, rounds: int) -> list[Case]:
    """Of each round: a dense run, one from zero, one from loaded states, and one that goes on from there."""
    model, layers = GoldenModel(network, config), len(network.layers)
    words = words_per_lane(network, config)
    steps = int(np.clip(WORDS_PER_RUN // words, 2, 8))
    cases = []
    for turn in range(rounds):
        dense = [Policy(Mode.DENSE)] * layers
        image = build_memory_image(network, config, dense)
        writes = policy_writes(image) if turn else image_writes(image, config)
        cases.append(golden_case("dense", model, dense, CoreJob(random_input(rng, steps, network.inputs), writes))[0])

        def stalled(job: CoreJob) -> CoreJob:
            return replace(
                job, x_stall=(stall := float(rng.choice([0.1, 0.6]))), h_stall=stall, seed=int(rng.integers(1 << 30))
            )

        policies = random_policies(rng, network, config)
        writes = policy_writes(build_memory_image(network, config, policies))
        indices = random_active_indices(rng, network, steps, policies).tolist()
        job = stalled(CoreJob(random_input(rng, steps, network.inputs), writes, active_indices=indices))
        cases.append(golden_case(f"{policies}", model, policies, job, hints=random_hints(rng, steps))[0])

        values = random_state(rng, network, config)
        state = model.loaded_state(policies, values)
        writes = state_writes(network, values, int(state[0].active_index[0]))
        indices = random_active_indices(rng, network, steps, policies).tolist() if network.skims else []
        x = random_input(rng, steps, network.inputs)
        job = stalled(CoreJob(x, writes, start=False, restart=True, active_indices=indices))
        case, state = golden_case(f"loaded {policies}", model, policies, job, state, random_hints(rng, steps))
        cases.append(case)
        job = stalled(CoreJob(random_input(rng, steps, network.inputs), start=False))
        case, _ = golden_case(f"continued {policies}", model, policies, job, state, random_hints(rng, steps))
        cases.append(replace(case, job=replace(case.job, writes=[])))
    return cases


def core_with_cases(
    rng: np.random.Generator, engine: int, simulator: str
) -> tuple[EngineConfig, MemoryImage | None, list[Case]]:
    """An engine, what is in its memories, and cases; the first engine is loaded over its bus."""
    config, networks = random_engine(rng, most=10)
    print(config)
    network = networks[0]
    cases = random_cases(rng, network, config, ROUNDS[simulator].get(engine, MORE_ROUNDS))
    if engine == 0:
        return config, None, cases
    first, dense = cases[0], [Policy(Mode.DENSE)] * len(network.layers)
    every = policy_writes(build_memory_image(network, config, dense))
    cases[0] = replace(first, job=replace(first.job, writes=[*every, first.job.writes[-1]]))
    return config, build_memory_image(network, config, default_policies(network, config)), cases


@pytest.mark.drawn(1)
@pytest.mark.parametrize(("engine", "simulator"), CHOSEN)
def test_axi_equals_golden(engine: int, simulator: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, engine, 3])
    config, image, cases = core_with_cases(rng, engine, simulator)
    runs = [
        wrapper_run(case, stall=case.job.x_stall, seed=case.job.seed, by_registers=bool(rng.random() < BY_REGISTERS))
        for case in cases
    ]
    core = WrapperSimulation(config, Bus.AXI, simulator, tmp_path, image)
    found = beat_differences(runs, core.run(runs))
    assert not found, "\n".join([str(config), *found])


@pytest.mark.drawn(1)
@pytest.mark.parametrize(("engine", "simulator"), CHOSEN)
def test_wishbone_equals_golden(engine: int, simulator: str, seed: int, tmp_path: Path) -> None:
    """Values, cycles and counters, for a classic master and for a pipelined one in turn."""
    rng = np.random.default_rng([seed, engine, 4])
    config, image, cases = core_with_cases(rng, engine, simulator)
    core = WrapperSimulation(config, Bus.WISHBONE, simulator, tmp_path, image)
    by_registers = [bool(rng.random() < BY_REGISTERS) for _ in cases]
    cases = [
        replace(case, cycles=None) if registers else case for case, registers in zip(cases, by_registers, strict=True)
    ]
    traces = core.run_jobs([case.job for case in cases], by_registers, pipelined=bool(engine % 2))
    found = [line for case, trace in zip(cases, traces, strict=True) for line in differences(case, trace)]
    found += [] if found else counter_differences(cases, traces)
    assert not found, "\n".join([str(config), *found])
