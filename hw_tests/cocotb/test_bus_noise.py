"""A bus that is used while the core runs: nothing changes, in all regions, read and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import Case, counter_differences, differences, golden_case, image_writes, policy_writes
from hw_tests.cocotb.random_networks import random_engine, random_input
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.simulate import Simulation
from lstmith.rtl.cores import to_verilog
from lstmith.spec.policy import Mode, Policy

STEPS = 6


@pytest.mark.drawn(1)
@pytest.mark.parametrize("engine", range(4))
def test_accesses_while_busy_change_nothing(engine: int, rng: np.random.Generator, tmp_path: Path) -> None:
    config, networks = random_engine(rng)
    network = networks[0]
    model = GoldenModel(network, config)
    policies = [Policy(Mode.DELTA if engine % 2 else Mode.DENSE)] * len(network.layers)
    image = build_memory_image(network, config, policies)
    cases: list[Case] = []
    for noise in (0.0, 0.2, 1.0):
        writes = policy_writes(image) if cases else image_writes(image, config)
        job = CoreJob(random_input(rng, STEPS, network.inputs), writes, noise=noise, seed=int(rng.integers(1 << 30)))
        cases.append(golden_case(f"noise {noise}", model, policies, job)[0])
        # Stalled streams leave the core busy for longer, and idle in between.
        job = replace(job, writes=policy_writes(image), x_stall=0.3, h_stall=0.3)
        cases.append(golden_case(f"noise {noise}, stalled", model, policies, job)[0])
    source = tmp_path / "core.v"
    source.write_text(to_verilog(config))
    core_traces = Simulation([source], "icarus", tmp_path / "simulation").run([case.job for case in cases])
    found = [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ]
    found += counter_differences(cases, core_traces)
    assert not found, "\n".join([str(config), *found])
