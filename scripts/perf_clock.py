"""Clock of an engine alone: placed and routed for the large board, median of some seeds."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.boards.flow import SYNTHESIS, device_arguments
from lstmith.boards.pin_ring import PinRing
from lstmith.boards.toolchain import ToolError, read_report, run_tool
from lstmith.golden.config import EngineConfig

from .console import steps

SEEDS = (1, 2, 3)
#: What nextpnr is asked for: more than can be had, so that it goes on trying.
WANTED_MHZ = 130
_COMMON: dict[str, Any] = {
    "lanes": 64,
    "family": "ecp5",
    "weight_depth": 2048,
    "mixed": True,
    "monitor": True,
    "skip": True,
}
ENGINES = {
    "64 lanes {4,8}": EngineConfig(precisions=(4, 8), **_COMMON),
    "64 lanes {4,8,16}, 40-bit sums": EngineConfig(precisions=(4, 8, 16), acc_width=40, operand_width=17, **_COMMON),
}


def run_clock(folder: Path) -> dict[str, Any]:
    """MHz of every engine and seed; half an hour to several, as the machine goes."""
    board, found = find_board(DEFAULT), {}
    for title, config in ENGINES.items():
        ring, clocks = PinRing(config), {}
        ports = [ring.serial_in, ring.load, ring.serial_out]
        (folder / "top.il").write_text(rtlil.convert(ring, ports=ports, name="top", emit_src=False))
        with steps() as report:
            report(f"synthesising {title}")
            script = f"read_rtlil top.il; {SYNTHESIS['ecp5']} -top top -json top.json"
            run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script], folder)
            for done, seed in enumerate(SEEDS):
                report(f"placing and routing {title}, seed {seed}", done / len(SEEDS))
                wanted = ["--lpf-allow-unconstrained", "--seed", str(seed), "--freq", str(WANTED_MHZ)]
                files = ["--json", "top.json", "--report", "report.json"]
                (folder / "report.json").unlink(missing_ok=True)
                run_tool("nextpnr-ecp5", [*device_arguments(board), *wanted, *files], folder, allowed=(0, 1))
                if not (folder / "report.json").exists():
                    raise ToolError(f"nextpnr-ecp5 failed, see {folder}/nextpnr-ecp5.out")
                clocks[str(seed)] = min(
                    entry["achieved"] for entry in read_report(folder / "report.json")["fmax"].values()
                )
        found[title] = {"mhz": clocks, "median_mhz": statistics.median(clocks.values())}
    return found
