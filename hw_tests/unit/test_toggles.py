"""Counting value changes in VCD files, and sorting a netlist's nets."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from lstmith.scripts.bench.energy import toggles
from lstmith.scripts.bench.energy.toggles import (
    CELL_UNIT,
    CONTROL,
    MEMORIES,
    MULTIPLIERS,
    SUMS,
    count_toggles,
    net_classes,
)

VCD = b"""$date today $end
$timescale 1ns $end
$scope module core $end
$var wire 1 ! clk $end
$var wire 1 " \\engine.a[3] $end
$var wire 1 " same $end
$var wire 1 " same $end
$var wire 4 # word [3:0] $end
$var reg 2 $ upper [5:4] $end
$var reg 2 $ copy [5:4] $end
$var wire 1 0 quiet $end
$upscope $end
$enddefinitions $end
#5
$dumpvars
1!
x"
b1x #
b11 $
00
$end
#10
0!
1"
b1 #
#15
1!
b10 $
#20
0!
0"
b1010 #
bx $
#25
x"
b0 $
#30
1"
"""
#: By hand: word is 001x, 0001, 1010; upper is 11, 10, xx, 00.
EXPECTED = {
    ("clk", 0): 3,
    ("engine.a[3]", 0): 3,
    ("same", 0): 3,
    ("quiet", 0): 0,
    ("word", 0): 2,
    ("word", 1): 2,
    ("word", 2): 0,
    ("word", 3): 1,
    ("upper", 4): 2,
    ("upper", 5): 1,
    ("copy", 4): 2,
    ("copy", 5): 1,
}


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_counts(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toggles, "CHUNK", chunk)
    found = count_toggles(io.BytesIO(VCD))
    assert dict(found) == EXPECTED


def test_a_dump_without_changes_has_none() -> None:
    assert dict(count_toggles(io.BytesIO(VCD[: VCD.index(b"#10")]))) == dict.fromkeys(EXPECTED, 0)


def _cell(kind: str, **pins: int) -> dict[str, object]:
    outputs = {"Q", "Z", "P0", "DOB0"}
    return {
        "type": kind,
        "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def test_classes(tmp_path: Path) -> None:
    cells = {
        "engine.array.lane_0.bank_DP16KD": _cell("DP16KD", CLKB=2, DOB0=3),
        "engine.array.lane_0.mac_MULT18X18D": _cell("MULT18X18D", A0=3, B0=4, P0=5),
        "engine.array.lane_0.operand_FF": _cell("TRELLIS_FF", CLK=2, DI=6, Q=4),
        "engine.array.lane_0.sum_FF": _cell("TRELLIS_FF", CLK=2, DI=5, Q=7),
        "engine.drain.gates.z_FF": _cell("TRELLIS_FF", CLK=2, DI=7, Q=8),
        "engine.sequencer.go_LUT4": _cell("LUT4", A=6, Z=9),
    }
    names = {f"n{bit}": {"bits": [bit]} for bit in range(2, 10)}
    netnames = {**names, "alias": {"bits": [9]}, "port": {"bits": ["0", 10]}}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"core": {"cells": cells, "netnames": netnames}}}))
    assert net_classes(path, "core") == {
        ("n3", 0): MEMORIES,
        ("n4", 0): MULTIPLIERS,
        ("n5", 0): MULTIPLIERS,
        ("n6", 0): CONTROL,
        ("n7", 0): SUMS,
        ("n8", 0): CELL_UNIT,
        ("n9", 0): CONTROL,
        ("port", 1): CONTROL,
    }
