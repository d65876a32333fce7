"""Random programs in one engine that switch at random: values, states and cycles equal golden's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import core_files, counter_differences, differences
from hw_tests.cocotb.program_cases import random_programs, switching_cases
from lstmith.host.simulate import Simulation

ENGINES = 6
ON_VERILATOR = range(0, ENGINES, 6)
#: Engines of which one or more programs read symbols.
SYMBOLS = range(0, ENGINES, 2)
RUNS, STEPS = 9, 3


@pytest.mark.parametrize(
    ("engine", "simulator"),
    [*((engine, "verilator") for engine in ON_VERILATOR), *((engine, "icarus") for engine in range(ENGINES))],
)
def test_switching_equals_golden(engine: int, simulator: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, engine, 3])
    programs = random_programs(rng, symbols=engine in SYMBOLS)
    cases = switching_cases(rng, programs, RUNS, STEPS)
    core_traces = Simulation(core_files(programs.config, tmp_path), simulator, tmp_path / "simulation").run(
        [case.job for case in cases]
    )
    found = [line for case, trace in zip(cases, core_traces, strict=True) for line in differences(case, trace)]
    found += counter_differences(cases, core_traces)
    assert not found, "\n".join([str(programs.config), *(case.label for case in cases), *found])
