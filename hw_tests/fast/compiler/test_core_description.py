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
#: Ports of more than one bit; a bus that counts bytes has two bits more in its addresses. The others are flags.
_AXI_LITE = {"awaddr": 26, "awprot": 3, "wdata": 32, "wstrb": 4, "bresp": 2, "araddr": 26, "arprot": 3, "rdata": 32}
_STREAMS = {"x_value": 16, "x_mask": 3, "h_value": 16, "h_cell": 18, "event_columns": 4, "event_mask": 3}
WIDE = {
    Bus.NATIVE: {**_STREAMS, "bus_addr": 24, "bus_w_data": 32, "bus_r_data": 32},
    Bus.AXI: {
        "s_axis_x_tdata": 16,
        "s_axis_x_tuser": 8,
        "m_axis_h_tdata": 16,
        "m_axis_h_tuser": 16,
        **{f"s_axil_{name}": width for name, width in _AXI_LITE.items()},
        "s_axil_rresp": 2,
    },
    Bus.WISHBONE: {**_STREAMS, "wb_adr_i": 24, "wb_dat_i": 32, "wb_sel_i": 4, "wb_dat_o": 32},
}
#: Ports with numbers that may be negative.
SIGNED = {"x_value", "h_value", "h_cell", "s_axis_x_tdata", "m_axis_h_tdata"}


@pytest.mark.parametrize("bus", Bus)
def test_ports_are_those_of_the_top_level(bus: Bus) -> None:
    found = describe_core(ENGINE, [], bus)
    assert (found["clock"], found["reset"]["port"], found["reset"]["active"]) == NAMES[bus]
    ports = {port["name"]: port for port in found["ports"]}
    assert {name: (port["direction"], port["width"]) for name, port in ports.items()} == core_ports(ENGINE, bus)
    assert {found["clock"], found["reset"]["port"]} <= set(ports)
    assert {name: port["width"] for name, port in ports.items() if port["width"] > 1} == WIDE[bus]
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
