"""Random programs in one engine that switch at random: values, states and cycles equal golden's.

Between them come sequences of programs that are not there, which are refused and change nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import Case, core_files, counter_differences, differences
from hw_tests.cocotb.program_cases import random_programs, switching_cases, with_refusals
from hw_tests.cocotb.vectors import SIMULATORS
from hw_tests.cocotb.wrapper_runs import WrapperSimulation, beat_differences, wrapper_run
from lstmith.host.simulate import Simulation
from lstmith.spec.register_map import Bus

ENGINES = 6
#: Engines of which one or more programs read symbols.
SYMBOLS = range(0, ENGINES, 2)
RUNS, STEPS = 9, 3
#: Programs on a bus: one number that its port can name is free.
COUNT = 3
#: Share of the runs on a bus whose x and h go through registers.
BY_REGISTERS = 0.3


@pytest.mark.drawn(1)
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("engine", range(ENGINES))
def test_switching_equals_golden(engine: int, simulator: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, engine, 3])
    programs = random_programs(rng, symbols=engine in SYMBOLS)
    cases = with_refusals(rng, programs, switching_cases(rng, programs, RUNS, STEPS))
    core_traces = Simulation(core_files(programs.config, tmp_path), simulator, tmp_path / "simulation").run(
        [case.job for case in cases]
    )
    found = [line for case, trace in zip(cases, core_traces, strict=True) for line in differences(case, trace)]
    found += counter_differences(cases, core_traces)
    assert not found, "\n".join([str(programs.config), *(case.label for case in cases), *found])


def there(case: Case) -> bool:
    """Whether its program is."""
    return case.job.program < COUNT


@pytest.mark.drawn(1)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_axi_switches_as_tdest_says(simulator: str, seed: int, tmp_path: Path) -> None:
    """By TDEST with a sequence's first element, or by the register X."""
    rng = np.random.default_rng([seed, 5])
    programs = random_programs(rng, most=10, count=COUNT)
    cases = with_refusals(rng, programs, switching_cases(rng, programs, RUNS, STEPS))
    runs = [
        wrapper_run(
            case,
            stall=case.job.x_stall,
            seed=case.job.seed,
            by_registers=there(case) and bool(rng.random() < BY_REGISTERS),
        )
        for case in cases
    ]
    core = WrapperSimulation(programs.config, Bus.AXI, simulator, tmp_path)
    found = beat_differences(runs, core.run(runs))
    assert not found, "\n".join([str(programs.config), *found])


@pytest.mark.drawn(1)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_wishbone_switches_as_the_port_or_register_says(simulator: str, seed: int, tmp_path: Path) -> None:
    """By x_program, with the cycles of the native core, or by the register X."""
    rng = np.random.default_rng([seed, 6])
    programs = random_programs(rng, most=10, count=COUNT)
    cases = with_refusals(rng, programs, switching_cases(rng, programs, RUNS, STEPS))
    # The register X refuses such elements by itself, one by one.
    by_registers = [there(case) and bool(rng.random() < BY_REGISTERS) for case in cases]
    cases = [
        replace(case, cycles=None) if registers else case for case, registers in zip(cases, by_registers, strict=True)
    ]
    core = WrapperSimulation(programs.config, Bus.WISHBONE, simulator, tmp_path)
    traces = core.run_jobs([case.job for case in cases], by_registers, pipelined=simulator == "icarus")
    found = [line for case, trace in zip(cases, traces, strict=True) for line in differences(case, trace)]
    found += [] if found else counter_differences(cases, traces)
    assert not found, "\n".join([str(programs.config), *found])
