# amaranth: UnusedElaboratable=no
"""Settings of a fixed engine, and small fixed engines beside golden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw_tests.cocotb.core_cases import differences
from hw_tests.fast.rtl.core_driver import run_jobs
from hw_tests.fixed_cases import fixed_cases, fixed_engine
from lstmith.compiler.program_image import build_memory_image
from lstmith.rtl.engine import Engine
from lstmith.rtl.fixed_settings import FixedSettings
from lstmith.rtl.top import port_widths
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_check import check_policies, default_policies

OPTIONS = EngineConfig(lanes=2, precisions=(8,))
ENGINES = {
    "delta": OPTIONS,
    "dense": replace(OPTIONS, delta=False, rows_per_cycle=1),
    "symbols": replace(OPTIONS, symbols=4),
    "peepholes": replace(OPTIONS, precisions=(4,), peepholes=True, lanes=1),
}


@pytest.mark.parametrize(("name", "mode"), [("delta", Mode.DELTA), ("dense", Mode.DENSE), ("symbols", Mode.DELTA)])
def test_settings_are_those_of_the_network(name: str, mode: Mode, rng: np.random.Generator) -> None:
    """A fixed engine has no thresholds: its list leaves out nothing but zeros."""
    engine, network = fixed_engine(rng, ENGINES[name], [3, 5])
    unit = FixedSettings(engine, build_memory_image(network, engine, default_policies(network, engine)))
    grid = network.layers[0].x_grid
    seen: list[int] = []

    async def look(ctx: Any) -> None:
        seen.append(ctx.get(unit.settings.inputs))
        names = "shift", "exponent", "unsigned", "mode", "theta"
        seen.extend(ctx.get(unit.settings.grid[each]) for each in names)
        if engine.symbols:
            seen.append(ctx.get(unit.settings.symbols))

    simulation = Simulator(unit)
    simulation.add_testbench(look)
    simulation.run()
    wanted = [network.inputs - 1, grid.shift, grid.exponent, int(grid.low == 0), mode, 0]
    assert seen == wanted + [1] * (name == "symbols")


@pytest.mark.parametrize("name", list(ENGINES))
def test_equals_golden(name: str, rng: np.random.Generator) -> None:
    engine, network = fixed_engine(rng, ENGINES[name], [2, 3])
    image, cases = fixed_cases(rng, engine, network, 3)
    core_traces = run_jobs(engine, [case.job for case in cases], image)
    assert [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ] == []


def test_the_link_is_told_how_long_a_step_is(rng: np.random.Generator) -> None:
    engine, network = fixed_engine(rng, OPTIONS, [5, 3])
    unit = Engine(engine, build_memory_image(network, engine, default_policies(network, engine)))
    told: list[int] = []

    async def look(ctx: Any) -> None:
        told.append(ctx.get(unit.step_inputs[0]))

    simulation = Simulator(unit)
    simulation.add_clock(1e-6)
    simulation.add_testbench(look)
    simulation.run()
    assert told == [network.inputs - 1]


def test_it_has_no_bus_and_needs_its_network(rng: np.random.Generator) -> None:
    engine, network = fixed_engine(rng, OPTIONS, [2, 3])
    assert not [name for name in port_widths(engine) if name.startswith("bus_")]
    with pytest.raises(ValueError, match="must be given for a fixed engine"):
        Engine(engine)
    with pytest.raises(ValueError, match="leave it out, or compile without --fixed"):
        check_policies(network, engine, [Policy(Mode.DENSE)])


@pytest.mark.parametrize(("option", "value"), [("skip", True), ("active_counts", 2), ("planes", 2), ("programs", 2)])
def test_what_only_other_policies_use_is_refused(option: str, value: int) -> None:
    more: dict[str, Any] = {option: value}
    with pytest.raises(ValueError, match=f"fixed needs {option} left out"):
        replace(OPTIONS, fixed=True, **more)
