"""Cores with AXI and Wishbone: random engines, networks, policies and stalls on every channel give golden's results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import Case, golden_case, image_writes, policy_writes, state_writes
from hw_tests.cocotb.random_networks import (
    random_active_indices,
    random_engine,
    random_hints,
    random_input,
    random_state,
)
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.wrapper_runs import WrapperRun, WrapperSimulation, differences, wrapper_run
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.request import chosen_index
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantNetwork
from lstmith.spec.register_map import Bus

BUSES = (Bus.AXI,)
#: Random engines of the normal tier, and those of `-m slow`; each gets so many rounds of four runs.
ENGINES, ROUNDS = range(3), 2
MORE_ENGINES, MORE_ROUNDS = range(3, 13), 5
#: Weight words that one dense run may issue.
WORDS_PER_RUN = 800


def random_runs(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig, rounds: int) -> list[WrapperRun]:
    """Of each round: a run without stalls, one from zero, one from loaded states, and one that goes on from there."""
    model, layers = GoldenModel(network, config), len(network.layers)
    words = sum(
        config.folds(layer.units) * layer.weights.shape[1] * config.words_per_entry(layer.precision)
        for layer in network.layers
    )
    steps = int(np.clip(WORDS_PER_RUN // words, 2, 8))
    runs = []

    def stalled(case: Case) -> WrapperRun:
        stall = float(rng.choice([0.0, 0.1, 0.6]))
        by_registers = bool(rng.random() < 0.15)
        return wrapper_run(case, stall=stall, seed=int(rng.integers(1 << 30)), by_registers=by_registers)

    for turn in range(rounds):
        dense = [Policy(Mode.DENSE)] * layers
        image = build_memory_image(network, config, dense)
        writes = policy_writes(image) if turn else image_writes(image, config)
        case, _ = golden_case("dense", model, dense, CoreJob(random_input(rng, steps, network.inputs), writes))
        runs.append(wrapper_run(case, stall=0.0, seed=0))

        policies = random_policies(rng, network, config)
        writes = policy_writes(build_memory_image(network, config, policies))
        indices = random_active_indices(rng, network, steps).tolist()
        job = CoreJob(random_input(rng, steps, network.inputs), writes, active_indices=indices)
        case, _ = golden_case(f"{policies}", model, policies, job, hints=random_hints(rng, steps))
        runs.append(stalled(case))

        values = random_state(rng, network, config)
        state = model.loaded_state(policies, values)
        chosen = chosen_index(network, policies)
        writes = state_writes(network, values, chosen)
        job = CoreJob(random_input(rng, steps, network.inputs), writes, start=False, restart=True)
        case, state = golden_case(f"loaded {policies}", model, policies, job, state, random_hints(rng, steps))
        runs.append(stalled(case))
        job = CoreJob(random_input(rng, steps, network.inputs), start=False)
        case, _ = golden_case(f"continued {policies}", model, policies, job, state, random_hints(rng, steps))
        runs.append(stalled(replace(case, job=replace(case.job, writes=[]))))
    return runs


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("bus", BUSES)
@pytest.mark.parametrize(
    "engine", [*ENGINES, *(pytest.param(engine, marks=pytest.mark.slow) for engine in MORE_ENGINES)]
)
def test_wrapped_core_equals_golden(engine: int, bus: Bus, simulator: str, seed: int, tmp_path: Path) -> None:
    # The same engine and runs on both simulators.
    rng = np.random.default_rng([seed, engine, 3])
    config, networks = random_engine(rng, most=10)
    print(config)
    network = networks[0]
    # The first engine is loaded over its bus, the others begin with a network inside.
    image = None if engine == 0 else build_memory_image(network, config, default_policies(network, config))
    runs = random_runs(rng, network, config, MORE_ROUNDS if engine in MORE_ENGINES else ROUNDS)
    if image is not None:
        first = policy_writes(build_memory_image(network, config, [Policy(Mode.DENSE)] * len(network.layers)))
        runs[0] = replace(runs[0], writes=[(place, data) for place, data, _ in first] + runs[0].writes[-1:])
    core = WrapperSimulation(config, bus, simulator, tmp_path, image)
    found = differences(runs, core.run(runs))
    assert not found, "\n".join([str(config), *found])
