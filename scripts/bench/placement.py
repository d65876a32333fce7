"""Cells and clock of a core alone, with a memory: what was placed and routed once is not done again."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from lstmith.boards.board import Board
from lstmith.boards.top import find_platform
from lstmith.compiler.files import whole_file
from lstmith.flow.families import PLACER, ROUTER, SYNTHESIS, device_arguments
from lstmith.flow.floorplan import GRIDS, place_lanes
from lstmith.flow.pin_ring import PinRing
from lstmith.flow.processes import processor_seconds
from lstmith.flow.toolchain import ToolError, first_error, read_report, run_tool
from lstmith.flow.toolset import tool_versions
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage

Report = Callable[..., None]

#: Median of these is the clock that benches tell.
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Source:
    """A design as yosys reads it.

    Parameters
    ----------
    text : str
        RTLIL or Verilog.
    file : str
        Name that the reading commands give it.
    read : str
        Yosys commands before synthesis.
    top : str
        Name of the module.
    """

    text: str
    file: str
    read: str
    top: str


def ring_source(config: EngineConfig, image: MemoryImage | None = None) -> Source:
    """A core with all its ports behind three pins."""
    ring = PinRing(config, image)
    text = rtlil.convert(ring, ports=[ring.serial_in, ring.load, ring.serial_out], name="top", emit_src=False)
    return Source(text, "top.il", "read_rtlil top.il", "top")


def place(
    title: str,
    source: Source,
    board: Board,
    wanted_mhz: float,
    cache: Path,
    report: Report,
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Any]:
    """Clock of a design on an ECP5 board's device: ``clk`` at the board's own pin, all others anywhere.

    Parameters
    ----------
    title : str
        What progress is told of.
    source : Source
    board : Board
    wanted_mhz : float
        What nextpnr aims at.
    cache : Path
        Folder where netlists and results are kept, by what they depend on; a run that was stopped goes on there.
    report : callable
        Progress, ``report(stage, fraction)``.
    seeds : sequence of int

    Returns
    -------
    dict
        ``mhz`` by seed; ``minutes`` of a processor that placing and routing took, by seed, None where they were not
        counted; ``median_mhz`` and the tools' versions.

    Raises
    ------
    ToolError
        If a tool fails.
    """
    tools = ["yosys", f"nextpnr-{board.family}"]
    device = [*device_arguments(board), *PLACER, *ROUTER]
    script = f"{source.read}; {SYNTHESIS[board.family]} -top {source.top} -json top.json"
    versions = tool_versions([f"yowasp-{tool}" for tool in tools])
    basis = [source.text, script, device, wanted_mhz, versions, repr(GRIDS.get(board.device)), _clock_pin(board)]
    folder = cache / hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    clocks, minutes = {}, {}
    for done, seed in enumerate(seeds):
        kept = folder / f"seed-{seed}.json"
        if not kept.exists():
            if not (folder / "top.json").exists():
                report(f"synthesising {title}")
                _synthesise(source, script, folder)
                place_lanes(folder / "draft.json", board.device, source.top)
                (folder / "draft.json").replace(folder / "top.json")
            (folder / "top.lpf").write_text(_clock_pin(board))
            report(f"placing and routing {title}, seed {seed}", done / len(seeds))
            arguments = [*device, "--lpf-allow-unconstrained", "--seed", str(seed), "--freq", str(wanted_mhz)]
            files = ["--json", "top.json", "--lpf", "top.lpf", "--report", "report.json"]
            _place(tools[1], [*arguments, *files], folder, kept)
        found = json.loads(kept.read_text())
        clocks[str(seed)], minutes[str(seed)] = float(found["mhz"]), found.get("minutes")
    return {
        "mhz": clocks,
        "minutes": minutes,
        "median_mhz": statistics.median(clocks.values()),
        "tool_versions": versions,
    }


def _clock_pin(board: Board) -> str:
    """Constraint of the clock: from the pin that nextpnr would take there may be no way to the clock's buffer."""
    platform = find_platform(board)
    (pin,) = platform.lookup(platform.default_clk).ios[0].names
    return f'LOCATE COMP "clk" SITE "{pin}";\n'


def _synthesise(source: Source, script: str, folder: Path) -> None:
    (folder / source.file).write_text(source.text)
    # Under another name until it is whole, since a netlist that is there is taken as it is.
    run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script.replace("top.json", "draft.json")], folder)


def _place(tool: str, arguments: Sequence[str], folder: Path, kept: Path) -> None:
    (folder / "report.json").unlink(missing_ok=True)
    # Missing the clock that is asked for is a result too.
    before = processor_seconds()
    run_tool(tool, arguments, folder, allowed=(0, 1))
    if not (folder / "report.json").exists():
        log = folder / f"{tool}.out"
        raise ToolError(f"{tool} failed ({first_error(log)}), see {log}")
    clocks = [entry["achieved"] for entry in read_report(folder / "report.json")["fmax"].values()]
    with whole_file(kept) as draft:
        draft.write_text(json.dumps({"mhz": min(clocks), "minutes": (processor_seconds() - before) / 60}) + "\n")
