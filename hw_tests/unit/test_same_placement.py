"""A commit and weights are contents of memories and nothing else: hardware that is the same is placed the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable

from lstmith.boards.board import FAMILIES
from lstmith.flow.attempt import run_yosys
from lstmith.flow.toolchain import CELLS, count_cells
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.rtl.link.receiver import FrameReceiver
from lstmith.spec.link_identity import IDENTITY_BYTES

#: What block memories hold when a device starts.
CONTENT = re.compile(r"INIT(VAL)?(_RAM)?_[0-9A-F]+")


def _mapped(design: Elaboratable, family: str, folder: Path) -> tuple[str, set[str]]:
    """The netlist that nextpnr reads, in its order, without the contents of block memories; and these contents."""
    folder.mkdir()
    (folder / "top.il").write_text(rtlil.convert(design, name="top", emit_src=False))
    run_yosys(folder, "top.il", family, "top")
    netlist = json.loads((folder / "top.json").read_text())
    contents = set()
    for cell in netlist["modules"]["top"]["cells"].values():
        if cell["type"] in CELLS["brams"]:
            for name in [name for name in cell["parameters"] if CONTENT.fullmatch(name)]:
                contents.add(cell["parameters"].pop(name))
    assert count_cells({cell["type"]: 1 for cell in netlist["modules"]["top"]["cells"].values()})["brams"]
    return json.dumps(netlist), contents


@pytest.mark.drawn(2)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("what", ["commit", "weights"])
def test_contents_change_nothing_else(what: str, family: str, tmp_path: Path, rng: np.random.Generator) -> None:
    found = []
    for number in range(2):
        if what == "commit":
            design: Elaboratable = FrameReceiver(identity=rng.bytes(IDENTITY_BYTES))
        else:
            design = WeightBank(depth=1024, family=family, init=rng.integers(0, 1 << 16, 1024).tolist())
        found.append(_mapped(design, family, tmp_path / str(number)))
    (first, held), (second, holds) = found
    assert held != holds
    assert first == second
