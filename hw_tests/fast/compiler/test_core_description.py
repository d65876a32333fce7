"""What CORE.json says of the three top levels, beside what the top level itself has."""

from __future__ import annotations

import pytest

from lstmith.compiler.core_description import describe_core
from lstmith.rtl.cores import core_ports
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import core_map
from lstmith.spec.register_map import Bus
from lstmith.spec.register_table import TABLE

ENGINE = EngineConfig(lanes=1, precisions=(8,), units=4, inputs=2)
#: Clock, reset, and the level at which it holds.
NAMES = {
    Bus.NATIVE: ("clk", "rst", "high"),
    Bus.AXI: ("aclk", "aresetn", "low"),
    Bus.WISHBONE: ("wb_clk_i", "wb_rst_i", "high"),
}
#: Ports with numbers that may be negative.
SIGNED = {"x_value", "h_value", "h_cell", "s_axis_x_tdata", "m_axis_h_tdata"}


@pytest.mark.parametrize("bus", Bus)
def test_ports_are_those_of_the_top_level(bus: Bus) -> None:
    found = describe_core(ENGINE, [], bus)
    assert (found["clock"], found["reset"]["port"], found["reset"]["active"]) == NAMES[bus]
    ports = {port["name"]: port for port in found["ports"]}
    assert {name: (port["direction"], port["width"]) for name, port in ports.items()} == core_ports(ENGINE, bus)
    assert [ports[name]["width"] for name in (found["clock"], found["reset"]["port"])] == [1, 1]
    assert {name for name, port in ports.items() if port["signed"]} == SIGNED & set(ports)
    assert ("tuser" in found) == (bus is Bus.AXI)


@pytest.mark.parametrize("bus", Bus)
def test_registers_have_their_values_after_a_reset(bus: Bus) -> None:
    found = describe_core(ENGINE, [], bus)
    core = core_map(ENGINE, bus)
    resets = {entry.name: entry.reset(ENGINE) for entry in core.entries if entry.reset}
    assert any(resets.values())
    assert {each["name"]: each["reset"] for each in found["register_map"]} == {
        entry.name: resets.get(entry.name, 0) for entry in core.entries
    }
    assert len(TABLE) > len(core.entries)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_fixed_engine_has_no_registers_to_name(fixed: bool) -> None:
    engine = EngineConfig(lanes=1, precisions=(8,), units=4, inputs=2, fixed=fixed, delta=not fixed)
    regions = describe_core(engine, [])["regions"]
    assert regions.get("control") == (None if fixed else 0)
