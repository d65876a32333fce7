"""A small LSTM beside a peer's: the same work, the same number of multipliers, the same device and tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmith.boards.board import Board
from lstmith.boards.catalogue import find_board
from lstmith.cli.console import steps
from lstmith.flow.families import SYNTHESIS
from lstmith.flow.toolchain import read_statistics, run_tool
from lstmith.golden.cycles import dense_breakdown
from lstmith.rtl.top import Top
from lstmith.scripts.bench.area import Area, area_of, synthesised
from lstmith.scripts.bench.blank import blank_network
from lstmith.scripts.bench.perf import peer_creator
from lstmith.scripts.bench.placement import SEEDS, Report, Source, place, ring_source
from lstmith.scripts.bench.small import small_design
from lstmith.spec.config import EngineConfig

UNITS, INPUTS, MULTIPLIERS = 20, 1, 4
BOARD = "ulx3s-25f"
#: Asked of nextpnr, for both.
WANTED_MHZ = 130
STEPS = 8
#: Weights of 8 bit and the dense, skip and delta lists, nothing else.
SMALL = EngineConfig(
    lanes=MULTIPLIERS // 2, precisions=(8,), family="ecp5", units=UNITS, inputs=INPUTS, weight_depth=1024
)
#: With the seeds of their placement: several where a peer is compared with.
ENGINES: dict[str, tuple[EngineConfig, Sequence[int]]] = {
    "lstmith, 8 bit": (SMALL, SEEDS),
    "lstmith, all options": (replace(SMALL, precisions=(4, 8), planes=2, monitor=True, skip=True), SEEDS[:1]),
}
#: Lanes of engines whose weights and formats are constants, as the peer's are: as many multipliers, and half of them.
FIXED = {"lstmith, fixed, always dense": MULTIPLIERS // 2, "lstmith, fixed, one lane": 1}


def run_peers(folder: Path, cache: Path) -> dict[str, Any]:
    """Cycles, cells and clock of a peer's cell and of ours, as JSON values.

    Parameters
    ----------
    folder : Path
        For generated files.
    cache : Path
        See :func:`lstmith.scripts.bench.placement.place`.

    Returns
    -------
    dict
        ``rows`` by title, and ``missing``: None, or what keeps the peer from being measured.
    """
    board, rows = find_board(BOARD), {}
    lacking = peer_creator.missing()
    with steps() as report:
        if lacking is None:
            rows[f"elastic-ai.creator {peer_creator.VERSION}"] = _peer(board, folder / "peer", cache, report)
        for title, (config, seeds) in ENGINES.items():
            report(f"synthesising {title}")
            cycles = int(
                dense_breakdown(blank_network([(UNITS, INPUTS)], planes=config.planes), config, STEPS).cycles[0, -1]
            )
            placed = place(title, ring_source(config), board, WANTED_MHZ, cache, report, seeds)
            rows[title] = _row(cycles, synthesised(Top(config), folder), placed)
        for title, lanes in FIXED.items():
            report(f"synthesising {title}")
            design = small_design(fixed=True, lanes=lanes)
            cycles = int(dense_breakdown(design.network, design.engine, STEPS).cycles[0, -1])
            image = design.image()
            placed = place(title, ring_source(design.engine, image), board, WANTED_MHZ, cache, report)
            rows[title] = _row(cycles, synthesised(Top(design.engine, image), folder), placed, 2 * lanes)
    return {"rows": rows, "missing": lacking}


def _peer(board: Board, folder: Path, cache: Path, report: Report) -> dict[str, Any]:
    folder.mkdir()
    report("simulating elastic-ai.creator's cell")
    peer_creator.generate(UNITS, INPUTS, folder)
    cycles = peer_creator.cycles_per_step(folder)
    source = peer_creator.verilog(folder)
    area = _area(source, board, folder)
    placed = place("elastic-ai.creator's cell", source, board, WANTED_MHZ, cache, report)
    return {**_row(cycles, area, placed), "ghdl": peer_creator.ghdl_version()}


def _area(source: Source, board: Board, folder: Path) -> Area:
    (folder / source.file).write_text(source.text)
    script = f"{source.read}; {SYNTHESIS[board.family]} -top {source.top}; tee -q -o stat.json stat -json"
    run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script], folder)
    return area_of(read_statistics(folder / "stat.json"))


def _row(cycles: int, area: Area, placed: dict[str, Any], multipliers: int = MULTIPLIERS) -> dict[str, Any]:
    return {
        "cycles_per_step": cycles,
        "ideal": 4 * UNITS * (UNITS + INPUTS) // multipliers,
        **vars(area),
        "logic": area.logic,
        "mhz": placed["mhz"],
        "median_mhz": placed["median_mhz"],
        "us_per_step": cycles / placed["median_mhz"],
    }
