"""What was placed and routed once is kept: a run that was stopped goes on, and another design begins anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lstmith.boards.catalogue import find_board
from lstmith.flow.toolchain import ToolError
from lstmith.scripts.bench import placement
from lstmith.scripts.bench.placement import Source, place

SOURCE = Source("module top; endmodule", "top.v", "read_verilog top.v", "top")
BOARD = find_board("ulx3s-25f")


class _Tools:
    """Stands for yosys and nextpnr: a netlist, and a clock of 100 MHz and the seed."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failing = False

    def run(self, name: str, arguments: Sequence[str], folder: Path, *, allowed: Sequence[int] = (0,)) -> int:
        if self.failing:
            raise ToolError(f"{name} failed")
        if name == "yosys":
            self.calls.append(name)
            (folder / "draft.json").write_text(json.dumps({"modules": {"top": {"cells": {}}}}))
        else:
            assert (folder / arguments[arguments.index("--lpf") + 1]).read_text() == 'LOCATE COMP "clk" SITE "G2";\n'
            seed = int(arguments[arguments.index("--seed") + 1])
            self.calls.append(f"{name} {seed}")
            fmax = {"a": {"achieved": 100.0 + seed}, "b": {"achieved": 500.0}}
            (folder / "report.json").write_text(json.dumps({"fmax": fmax}))
        return 0


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> _Tools:
    found = _Tools()
    monkeypatch.setattr(placement, "run_tool", found.run)
    return found


def _clock(cache: Path, source: Source = SOURCE, seeds: Sequence[int] = (1, 2, 3)) -> float:
    found: float = place("it", source, BOARD, 130, cache, lambda *_: None, seeds)["median_mhz"]
    return found


def test_goes_on_where_it_was(tools: _Tools, tmp_path: Path) -> None:
    assert _clock(tmp_path, seeds=(1,)) == 101
    tools.failing = True
    with pytest.raises(ToolError):
        _clock(tmp_path)
    tools.failing = False
    assert _clock(tmp_path) == 102
    assert tools.calls == ["yosys", "nextpnr-ecp5 1", "nextpnr-ecp5 2", "nextpnr-ecp5 3"]
    tools.failing = True
    assert _clock(tmp_path) == 102


def test_another_design_begins_anew(tools: _Tools, tmp_path: Path) -> None:
    _clock(tmp_path, seeds=(1,))
    _clock(tmp_path, replace(SOURCE, text="module top; wire a; endmodule"), seeds=(1,))
    assert tools.calls == ["yosys", "nextpnr-ecp5 1"] * 2
