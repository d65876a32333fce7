"""Lanes on the device: every block once, in the chain's order, beside its neighbours."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Value

from lstmith.flow.attempt import run_yosys
from lstmith.flow.floorplan import GRIDS, place_lanes
from lstmith.rtl.array.mac.dsp import DspMac
from lstmith.rtl.array.mac.parameters import MacParameters

#: Multipliers and block memories that nextpnr reports.
BLOCKS = {"LFE5U-25F": (28, 56), "LFE5U-45F": (72, 108), "LFE5U-85F": (156, 208), "LFE5UM5G-85F": (156, 208)}


def _netlist(lanes: int, memories: int, folder: Path) -> Path:
    cells = {"top.core.cell.kept": "MULT18X18D", "top.core.array.lane_0.sum": "CCU2C"}
    for lane in range(lanes):
        cells |= {f"top.core.array.lane_{lane}.mac.multiplier_{half}": "MULT18X18D" for half in range(2)}
        cells |= {f"top.core.array.lane_{lane}.bank.ram.memory.0.{part}": "DP16KD" for part in range(memories)}
    described = {name: {"type": kind, "attributes": {}} for name, kind in cells.items()}
    content = {"modules": {"top": {"cells": described}}}
    path = folder / "top.json"
    path.write_text(json.dumps(content))
    return path


def _places(path: Path) -> dict[str, tuple[int, int, str]]:
    cells = json.loads(path.read_text())["modules"]["top"]["cells"]
    found = {}
    for name, cell in cells.items():
        if "BEL" in cell["attributes"]:
            match = re.fullmatch(r"X(\d+)/Y(\d+)/([\w.]+)", cell["attributes"]["BEL"])
            assert match
            found[name] = (int(match[1]), int(match[2]), match[3])
    return found


@pytest.mark.parametrize("device", GRIDS)
def test_grids_have_all_blocks(device: str) -> None:
    multipliers, memories = BLOCKS[device]
    grid = GRIDS[device]
    assert len(set(grid.path())) == len(grid.path()) == multipliers
    assert 4 * len(grid.columns) * len(grid.memories) == memories


@pytest.mark.parametrize(
    ("device", "lanes", "memories"),
    [("LFE5U-25F", 1, 1), ("LFE5U-25F", 13, 4), ("LFE5U-45F", 32, 2), ("LFE5U-85F", 64, 2), ("LFE5U-85F", 78, 1)],
)
def test_neighbours_lie_side_by_side(device: str, lanes: int, memories: int, tmp_path: Path) -> None:
    path = _netlist(lanes, memories, tmp_path)
    assert place_lanes(path, device) == lanes * (2 + memories)
    places = _places(path)
    assert len(set(places.values())) == len(places) == lanes * (2 + memories)
    firsts = [places[f"top.core.array.lane_{lane}.mac.multiplier_0"] for lane in range(lanes)]
    turns = 0
    for (x, y, _), (next_x, next_y, _) in pairwise(firsts):
        turns += y != next_y
        # Nine tiles per pair of lanes, with a column of something else here and there; or the row's end.
        assert abs(next_x - x) <= (7 if y == next_y else 1)
    assert turns <= len(GRIDS[device].multipliers) - 1
    for lane, (x, _, _) in enumerate(firsts):
        weights = [place for name, place in places.items() if f"lane_{lane}.bank" in name]
        assert all(name.startswith("EBR") and abs(column - x) <= 40 for column, _, name in weights)


@pytest.mark.parametrize(("device", "lanes"), [("iCE40UP5K", 2), ("LFE5U-25F", 15), ("LFE5U-25F", 0)])
def test_what_has_no_plan_stays(device: str, lanes: int, tmp_path: Path) -> None:
    path = _netlist(lanes, 1, tmp_path)
    before = path.read_text()
    assert place_lanes(path, device) == 0
    assert path.read_text() == before


def test_names_are_those_of_a_lane(tmp_path: Path) -> None:
    """Of what the lane's own MAC becomes, both multipliers have a place."""
    mac = DspMac(MacParameters(family="ecp5", word_bits=(4, 8), planes=2, acc_width=32))
    m: Module = Module()
    inner: dict[str, Module] = {name: Module() for name in ("core", "array", "lane_0")}
    for name, outside in zip(inner, (m, *inner.values()), strict=False):
        outside.submodules[name] = inner[name]
    inner["lane_0"].submodules.mac = mac
    ports = [Value.cast(value) for _, _, value in mac.signature.flatten(mac)]
    (tmp_path / "top.il").write_text(rtlil.convert(m, ports=ports, name="top", emit_src=False))
    run_yosys(tmp_path, "top.il", "ecp5", "top")
    place_lanes(tmp_path / "top.json", "LFE5U-25F")
    blocks = [block for _, _, block in _places(tmp_path / "top.json").values()]
    assert len(set(blocks)) == 2
    assert all(block.startswith("MULT18") for block in blocks)


def test_more_weights_than_memories(tmp_path: Path) -> None:
    """The placer says so; what has a place is distinct."""
    path = _netlist(14, 5, tmp_path)
    assert place_lanes(path, "LFE5U-25F") == 28 + 56
    assert len(set(_places(path).values())) == 28 + 56
