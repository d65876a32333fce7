"""Random engines, networks, policies, inputs and stalls: the RTL equals golden in every number and cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import (
    Case,
    core_files,
    counter_differences,
    differences,
    golden_case,
    image_writes,
    policy_writes,
)
from hw_tests.cocotb.random_networks import further_networks, input_of, preset_engine, random_engine, random_network
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.random_runs import random_runs, short_run
from hw_tests.cocotb.vectors import SIMULATORS
from hw_tests.presets import claiming
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.simulate import Simulation
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.policy_check import default_policies
from lstmith.spec.presets import Tier, preset
from lstmith.spec.quantised import QuantNetwork

#: Presets for one sequence, on both simulators.
PRESETS = [each.name for each in claiming(Tier.RANDOM) if each.engine.sequences == 1]
#: Random engines.
ENGINES = 24
#: Four (engine, network, policy) triples for each of two networks per engine, one for each further; Verilator runs many
#: in the time that it takes to build one core.
FURTHER = {"icarus": 4, "verilator": 40}
#: Engines for all kinds of layers.
MIXED = range(0, ENGINES, 3)
#: Engines whose networks read symbols, all or some of them.
SYMBOLS = range(2, ENGINES + 10, 6)
#: Engines without delta.
DENSE_ONLY = range(4, ENGINES, 8)
#: Engines that start with a network in their memories.
STARTING = (*range(1, ENGINES, 4), "digit", "generic")
#: With these, 200 more pairs of a random policy and a network, at night. A simulator's program takes longer to build
#: than to run, so each engine gets many.
MORE_ENGINES = range(ENGINES, ENGINES + 10)
MORE_ROUNDS = 5


@pytest.mark.drawn(8)
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize(
    "engine", [*PRESETS, *range(ENGINES), *(pytest.param(engine, marks=pytest.mark.slow) for engine in MORE_ENGINES)]
)
def test_core_equals_golden(engine: int | str, simulator: str, seed: int, tmp_path: Path) -> None:
    # The same engine and first runs on both simulators.
    rng = np.random.default_rng([seed, *str(engine).encode()])
    if isinstance(engine, str):
        config, networks = preset_engine(rng, preset(engine).engine)
    else:
        config, networks = random_engine(
            rng, delta=engine not in DENSE_ONLY, mixed=engine in MIXED, symbols=engine in SYMBOLS
        )
    further: list[QuantNetwork] = []
    if isinstance(engine, int) and engine < ENGINES:
        config, further = further_networks(rng, config, FURTHER[simulator])
    print(config)
    # Some engines have their first network as initial memory contents.
    starts = engine in STARTING
    initial = build_memory_image(networks[0], config, default_policies(networks[0], config)) if starts else None
    rounds = MORE_ROUNDS if engine in MORE_ENGINES else 1
    cases = []
    for index, network in enumerate(networks):
        dims = [network.inputs, *(layer.units for layer in network.layers)]
        drawn = [f"{layer.kind.name} {layer.precision}" for layer in network.layers]
        name = f"network {index} {dims} of {drawn} bits,"
        cases += random_runs(rng, network, config, name, load=index > 0 or initial is None, rounds=rounds)
    compared = len(cases)
    cases += [short_run(rng, network, config) for network in further]
    core = Simulation(core_files(config, tmp_path, initial), simulator, tmp_path / "simulation")
    core_traces = core.run([case.job for case in cases])

    found = [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ]
    found += [] if found else counter_differences(cases, core_traces)
    assert not found, "\n".join([str(config), *found])
    for first in range(0, compared, 2 + 3 * rounds):
        dense, exact = core_traces[first], core_traces[first + 1]
        by_layer = [np.argsort(core_trace.results[:, 2], kind="stable") for core_trace in (dense, exact)]
        assert (dense.results[by_layer[0]] == exact.results[by_layer[1]]).all()


#: Engines that are reset in mid-run, on Icarus: presets, and random ones by number.
RESET = (*PRESETS, 0, 1, 2)


@pytest.mark.drawn(2)
@pytest.mark.parametrize("engine", RESET)
def test_reset_in_mid_run(engine: int | str, seed: int, tmp_path: Path) -> None:
    """Whatever was under way, after a reset of one cycle the next sequence is exact, in results and in cycles."""
    rng = np.random.default_rng([seed, *f"reset {engine}".encode()])
    config, networks = (
        preset_engine(rng, preset(engine).engine) if isinstance(engine, str) else random_engine(rng, mixed=engine == 0)
    )
    network = networks[0]
    model, x = GoldenModel(network, config), input_of(rng, 3, network)
    jobs: list[CoreJob] = []
    cases: list[Case] = []
    for _ in range(6):
        image = build_memory_image(network, config, random_policies(rng, network, config))
        writes = policy_writes(image) if jobs else image_writes(image, config)
        jobs.append(CoreJob(x, writes, abandon=int(rng.integers(1, 400))))
        # Registers fall back to their initial values, memories keep what was written.
        policies = random_policies(rng, network, config)
        writes = policy_writes(build_memory_image(network, config, policies))
        cases.append(golden_case(f"after a reset {policies}", model, policies, CoreJob(x, writes))[0])
        jobs.append(cases[-1].job)
    core_traces = Simulation(core_files(config, tmp_path), "icarus", tmp_path / "simulation").run(jobs)
    found = [
        line
        for case, core_trace in zip(cases, core_traces[1::2], strict=True)
        for line in differences(case, core_trace)
    ]
    assert not found, "\n".join([str(config), *found])


def test_skipped_first_step_of_a_continued_stack(rng: np.random.Generator, tmp_path: Path) -> None:
    """Layers of five and of two folds; the run that goes on begins with a skipped step."""
    network = random_network(rng, [3, 5, 2], (8,), peepholes=False, requant_width=18)
    config = EngineConfig(
        lanes=1, precisions=(8,), acc_width=32, operand_width=18, layers=2, skip=True, units=7, inputs=3
    )
    policies = [Policy(Mode.DELTA, skip=Skip(hints=True)), Policy(Mode.DELTA)]
    model, x = GoldenModel(network, config), input_of(rng, 5, network)
    writes = image_writes(build_memory_image(network, config, policies), config)
    begun, state = golden_case("begun", model, policies, CoreJob(x[:2], writes))
    job, hints = CoreJob(x[2:], start=False, restart=False), np.array([True, False, True])
    cases = [begun, golden_case("continued", model, policies, job, state, hints)[0]]
    core_traces = Simulation(core_files(config, tmp_path), "icarus", tmp_path / "simulation").run(
        [case.job for case in cases]
    )
    assert [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ] == []
