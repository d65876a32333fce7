"""Verdicts of random engines and networks: behind every h, and alone, each equals golden's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import Case, core_files, counter_differences, differences, golden_case, image_writes
from hw_tests.cocotb.random_networks import input_of, random_engine, random_hints
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.vectors import SIMULATORS
from hw_tests.cocotb.verdict_cases import verdicts_alone, with_verdicts
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.simulate import Simulation

ENGINES = 6
RUNS = 3
STEPS = 5


@pytest.mark.drawn(1)
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("engine", range(ENGINES))
def test_verdicts_equal_golden(engine: int, simulator: str, seed: int, tmp_path: Path) -> None:
    """Each run once with the h of every layer, in the predicted cycles, and once with the verdicts alone, stalled."""
    rng = np.random.default_rng([seed, engine])
    config, networks = with_verdicts(rng, *random_engine(rng, mixed=engine % 4 != 0))
    cases: list[Case] = []
    for network in networks:
        model = GoldenModel(network, config)
        for run in range(RUNS):
            policies = random_policies(rng, network, config)
            writes = image_writes(build_memory_image(network, config, policies), config)
            job = CoreJob(input_of(rng, STEPS, network), writes)
            label = f"{[layer.kind.name for layer in network.layers]} {network.layers[-1].verdict.name} {run}"
            cases.append(golden_case(label, model, policies, job, hints=random_hints(rng, STEPS))[0])
    alone = []
    for case in cases:
        job, wanted = verdicts_alone(case)
        x_stall, h_stall = (float(chance) for chance in rng.choice([0.0, 0.1, 0.6], 2))
        alone.append((replace(job, x_stall=x_stall, h_stall=h_stall, seed=int(rng.integers(1 << 30))), wanted))
    jobs = [job for case, other in zip(cases, alone, strict=True) for job in (case.job, other[0])]
    core_traces = Simulation(core_files(config, tmp_path), simulator, tmp_path / "simulation").run(jobs)
    found = [
        line for case, core_trace in zip(cases, core_traces[::2], strict=True) for line in differences(case, core_trace)
    ]
    doubled = [case for case in cases for _ in range(2)]
    assert (found or counter_differences(doubled, core_traces)) == [], config
    for case, (_, wanted), core_trace in zip(cases, alone, core_traces[1::2], strict=True):
        assert core_trace.results.tolist() == wanted.tolist(), (case.label, config)
        assert core_trace.reads[: len(case.state)].tolist() == case.state.tolist(), case.label
