# amaranth: UnusedElaboratable=no
"""The top level: its ports keep their names, directions and widths, in Verilog too."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lstmith.rtl.cells import cell_models
from lstmith.rtl.cores import core_verilog, to_verilog
from lstmith.rtl.prim.expressed import Expressed
from lstmith.rtl.top import NAME, Top, port_widths
from lstmith.spec.config import EngineConfig

CONFIG = EngineConfig(lanes=1, precisions=(8,), units=2, inputs=2, weight_depth=16)
STREAM = ["x_value", "x_start", "x_restart", "x_mark", "x_mask", "x_valid"]
INPUTS = [*STREAM, "h_ready", "bus_addr", "bus_w_data", "bus_w_en", "bus_r_en"]
RESULT = ["x_ready", "h_value", "h_cell", "h_layer", "h_last", "h_valid", "bus_r_data"]
#: What a core is elaborated for.
PLATFORMS = {"device": None, "simulator": Expressed()}
#: Behind the columns of an event: what an engine of two planes tells in addition.
DIGITS = ["event_digits", "event_low"]
#: A port of a module in Verilog.
DECLARED = re.compile(r"^  (input|output) (?:signed )?(?:\[(\d+):0\] )?(\w+);$", re.MULTILINE)


#: Ports of more than one bit of the smallest engine; the others are flags.
WIDE = {
    "x_value": 16, "x_mask": 3, "h_value": 16, "h_cell": 18, "bus_addr": 24, "bus_w_data": 32, "bus_r_data": 32,
    "event_columns": 3, "event_digits": 4, "event_low": 3, "event_mask": 3,
}  # fmt: skip


def _outputs(planes: int) -> list[str]:
    digits = DIGITS if planes == 2 else []
    event = ["event_valid", "event_layer", "event_columns", *digits, "event_restart", "event_mask"]
    return [*RESULT, *event, "outcome_valid", "outcome_skipped", "busy"]


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("sequences", [1, 2])
def test_ports(sequences: int, planes: int) -> None:
    config = replace(CONFIG, sequences=sequences, planes=planes)
    more = {"in": ["x_sequence"], "out": ["h_sequence", "event_sequence"]} if sequences == 2 else {"in": [], "out": []}
    ports = port_widths(config)
    for direction, names in (("in", INPUTS), ("out", _outputs(planes))):
        assert [name for name, (way, _) in ports.items() if way == direction] == names + more[direction]
    top = Top(config)
    widths = {name: len(getattr(top, name)) for name in ports}
    assert widths == {name: width for name, (_, width) in ports.items()}
    assert {name: width for name, width in widths.items() if width > 1} == {n: w for n, w in WIDE.items() if n in ports}


@pytest.mark.parametrize("mac", ["dsp", "digit"])
def test_a_simulator_gets_sums_for_carry_chains(mac: str) -> None:
    config = replace(CONFIG, family="ecp5", mac=mac, precisions=(4, 8), planes=2, acc_width=24)
    texts = {name: core_verilog(config, platform=platform).text for name, platform in PLATFORMS.items()}
    cells = {name: set(re.findall(r"^module (\w+)", cell_models(text), re.MULTILINE)) for name, text in texts.items()}
    assert cells == {"device": {"CCU2C", "MULT18X18D"}, "simulator": {"MULT18X18D"}}


@pytest.mark.parametrize("planes", [1, 2])
def test_verilog_has_these_ports(planes: int) -> None:
    config = replace(CONFIG, planes=planes)
    text = to_verilog(config)
    body = text[text.index(f"module {NAME}(") :]
    declared = re.findall(
        r"^  (input|output) (?:signed )?(?:\[(\d+):0\] )?(\w+);$", body[: body.index("endmodule")], re.M
    )
    found = {name: (way[:-3], int(top or 0) + 1) for way, top, name in declared}
    assert found == {"clk": ("in", 1), "rst": ("in", 1), **port_widths(config)}
