"""Mapped netlists, and models of their cells that Icarus 11 can read."""

from __future__ import annotations

import re
from pathlib import Path

from amaranth.hdl import Elaboratable

from lstmith.flow.families import synthesis
from lstmith.flow.toolchain import read_statistics, run_tool
from lstmith.flow.toolset import yosys_share
from lstmith.rtl import cells
from lstmith.rtl.rtlil import to_rtlil

#: Yosys' own models, below its share directory.
_YOSYS_MODELS = {
    "ecp5": ("lattice/common_sim.vh", "lattice/ccu2c_sim.vh"),
    "ice40": ("ice40/cells_sim.v",),
    "gowin": ("gowin/cells_sim.v",),
}
#: Of these only what yosys maps to, where Icarus cannot read all of them or others are better.
_CELLS = {
    "ecp5": {"LUT2", "LUT4", "PFUMX", "L6MUX21", "TRELLIS_FF", "TRELLIS_DPR16X4", "CCU2C"},
    "gowin": {
        *("GND", "VCC", "IBUF", "OBUF", "MUX2", "RAM16SDP1", "RAM16SDP2", "RAM16SDP4"),
        *(f"LUT{inputs}" for inputs in range(1, 5)),
        *(f"MUX2_LUT{inputs}" for inputs in range(5, 9)),
        *(f"DFF{reset}{enable}" for reset in ("", "R", "S") for enable in ("", "E")),
    },
}
#: Models of blocks for which yosys has none.
_BLOCKS = {
    "ecp5": (Path(__file__).with_name("ecp5_blocks.v"), cells.FOLDER / "MULT18X18D.v"),
    "gowin": (Path(__file__).with_name("gowin_blocks.v"),),
}


def map_netlist(design: Elaboratable, family: str, top: str, folder: Path) -> tuple[Path, dict[str, int]]:
    """Synthesise a design.

    Parameters
    ----------
    design : Elaboratable
    family : str
        A key of ``flow.SYNTHESIS``.
    top : str
        Name of the netlist's only module.
    folder : Path
        Made if it is not there.

    Returns
    -------
    netlist : Path
        Verilog; beside it, as ``.json``, the same netlist for programs. Every net has one name, and every
        one that is not a port is one bit wide.
    cells : dict of str to int
        Number of cells by type.

    Raises
    ------
    ToolError
        If yosys fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.il").write_text(to_rtlil(design, top))
    script = (
        f"read_rtlil design.il; {synthesis(family, folder)} -top {top}; "
        "delete t:$scopeinfo; splitnets; opt_clean -purge; tee -q -o stat.json stat -json; "
        "write_verilog -noattr netlist.v; write_json netlist.json"
    )
    run_tool("yosys", ["-q", "-p", script], folder)
    return folder / "netlist.v", read_statistics(folder / "stat.json")


def cell_models(family: str, folder: Path) -> list[Path]:
    """Verilog files with the models of the cells of ``ecp5``, ``ice40`` or ``gowin``; one is written into a folder."""
    share = yosys_share()
    text = "\n".join((share / name).read_text() for name in _YOSYS_MODELS[family])
    # Icarus 11 knows neither these timing checks nor, on iCE40, defaults of input ports.
    text = re.sub(r"\bspecify\b.*?\bendspecify\b", "", text, flags=re.DOTALL)
    if family in _CELLS:
        modules = {
            found[1]: found[0]
            for found in re.finditer(r"^module (\w+).*?^\s*endmodule", text, re.DOTALL | re.MULTILINE)
        }
        text = "\n".join(modules[name] for name in sorted(_CELLS[family]))
    models = folder / "cells.v"
    models.write_text(f"`define NO_ICE40_DEFAULT_ASSIGNMENTS\n{text}\n")
    return [models, *_BLOCKS.get(family, ())]


def inline_cells(netlist: Path, top: str) -> tuple[Path, Path, list[Path]]:
    """Write a mapped ECP5 netlist as plain Verilog, which simulates many times faster, with the same nets.

    Parameters
    ----------
    netlist : Path
        Of :func:`map_netlist`.
    top : str

    Returns
    -------
    verilog : Path
        Small cells replaced by what their models do. Every net of the netlist is there; names that begin
        with ``_`` are the models' own.
    names : Path
        The netlist as JSON with these names of nets, which are short and without special characters.
    models : list of Path
        Of the blocks that stay.

    Raises
    ------
    ToolError
        If yosys fails.
    """
    folder = netlist.parent
    small, *blocks = cell_models("ecp5", folder)
    run_tool(
        "yosys",
        [
            "-q",
            "-p",
            f"read_json {netlist.with_suffix('.json').name}; select -module {top}; rename -hide w:*; "
            "rename -enumerate -pattern n%; select -clear; write_json names.json; "
            # The JSON also holds the cells as empty modules; those with parameters would be taken for the models.
            f"delete =$paramod*; setattr -set keep 1 {top}/w:*; read_verilog -overwrite {small.name}; "
            f"hierarchy -top {top}; proc; flatten; rename -hide w:*.*; opt_expr; opt_clean -purge; "
            "write_verilog -noattr plain.v",
        ],
        folder,
    )
    return folder / "plain.v", folder / "names.json", blocks
