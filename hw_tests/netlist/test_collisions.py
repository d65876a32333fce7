"""No result depends on what a memory answers for a word that is being written: here it answers X."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import differences, golden_case, policy_writes
from hw_tests.cocotb.random_networks import random_engine, random_input
from hw_tests.cocotb.random_policies import random_policies
from lstmith.compiler.program_image import build_memory_image
from lstmith.flow.families import COLLISIONS_UNDEFINED
from lstmith.flow.toolchain import run_tool
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.simulate import Simulation
from lstmith.rtl.rtlil import to_rtlil
from lstmith.rtl.top import NAME, Top
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork

pytestmark = pytest.mark.netlist

ENGINES, STEPS = 4, 5


def _collision_verilog(config: EngineConfig, network: QuantNetwork, folder: Path) -> Path:
    folder.mkdir()
    image = build_memory_image(network, config, [Policy()] * len(network.layers))
    (folder / "core.il").write_text(to_rtlil(Top(config, image), NAME))
    script = f"read_rtlil core.il; {COLLISIONS_UNDEFINED}; proc; clean; write_verilog -noattr core.v"
    run_tool("yosys", ["-q", "-p", script], folder)
    text = (folder / "core.v").read_text()
    assert "'hx" in text, "yosys must have written the collisions"
    return folder / "core.v"


@pytest.mark.drawn(1)
@pytest.mark.parametrize("index", range(ENGINES))
def test_collisions_do_not_matter(index: int, tmp_path: Path, rng: np.random.Generator) -> None:
    config, networks = random_engine(rng, most=10)
    network = networks[0]
    model, layers = GoldenModel(network, config), len(network.layers)
    cases = []
    for policies in (
        *([Policy(mode)] * layers for mode in (Mode.DENSE, Mode.DELTA)),
        random_policies(rng, network, config),
    ):
        writes = policy_writes(build_memory_image(network, config, policies))
        job = CoreJob(random_input(rng, STEPS, network.inputs), writes)
        cases.append(golden_case(f"{policies}", model, policies, job)[0])
    simulation = Simulation([_collision_verilog(config, network, tmp_path / "core")], "icarus", tmp_path / "icarus")
    for case, core_trace in zip(cases, simulation.run([case.job for case in cases]), strict=True):
        assert differences(case, core_trace) == []
