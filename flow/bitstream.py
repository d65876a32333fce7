"""From a design to resources and to a bitstream, by yosys and nextpnr."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmith.boards.board import FAMILIES, Board
from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.boards.clock import pll_clocks, with_clock
from lstmith.compiler.design import Design
from lstmith.compiler.files import Folder, whole_directory
from lstmith.compiler.sizing.estimate import LANE_FFS, USUAL_FIXED_FFS, estimate
from lstmith.compiler.sizing.size import size_engine
from lstmith.flow.attempt import YOSYS, Progress, Work, missed, run_yosys
from lstmith.flow.closing import AUTO, TRIES, close, close_fastest
from lstmith.flow.families import FLOWS, SYNTHESIS, bitstream_name
from lstmith.flow.identity import build_identity
from lstmith.flow.routing import LOG, Router, one_by_one
from lstmith.flow.toolchain import count_cells, read_statistics, run_tool, workspace
from lstmith.flow.toolset import chosen_tools, tool_path, tool_versions
from lstmith.rtl.link.flash import flash_content
from lstmith.rtl.rtlil import to_rtlil
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
    (_MARKER, WEIGHTS, LOG, *(f"lstmith{flow.suffix}" for flow in FLOWS.values())),
)


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
        (folder / "core.il").write_text(to_rtlil(Top(config, image), NAME))
        run_yosys(folder, "core.il", family, NAME)
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
    design: Design,
    board: Board | str,
    output: str | Path,
    *,
    seed: int = 1,
    clock: float | str | None = None,
    tries: int = TRIES,
    progress: Progress | None = None,
    router: Router = one_by_one,
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
        Of nextpnr: the first that is tried, see :func:`.closing.close`.
    clock : float, ``"auto"`` or None
        In MHz, one that the board's PLL can make; ``auto`` is the fastest that is met, None the board's own.
    tries : int
        Seeds for each clock, at most.
    progress : callable or None
        Called with the name of each stage.
    router : callable
        Who places and routes, see :data:`.routing.Router`; one seed after the other here if not given.

    Returns
    -------
    dict
        As :func:`synthesise`, with ``fmax_mhz``, ``target_mhz``, ``seed``, of the seed that was kept; ``clock_mhz``,
        what the board runs at; ``seeds``, the MHz that each seed reached; ``tools``, native or packaged; ``reused``,
        the stages whose results an earlier build had left; ``critical_path``; ``commit`` and ``tag``, which
        the device tells over its link; ``bitstream``, its path; and for such boards ``weights`` and
        ``weights_offset``.

    Raises
    ------
    UserError
        If there is no such board or clock, the design was not made for it, or the output cannot be written.
    TimingError
        If no seed meets the clock; nothing is written then.
    ToolError
        If a tool fails.
    """
    board, out = find_board(board) if isinstance(board, str) else board, Path(output)
    if clock is not None and clock != AUTO:
        board = with_clock(board, float(clock))
    config = board_engine(design, board)
    begun = time.monotonic()
    image = design.image(engine=config)
    identity = build_identity(board, config)
    flow = FLOWS[board.family]
    for tool in ("yosys", flow.router, flow.packer):
        tool_path(tool)
    # The directory's draft comes first: a place that cannot be written is refused before the work.
    with whole_directory(out, FOLDER) as draft, workspace() as folder:
        work = Work(board, config, image, folder, progress, router)
        if clock == AUTO:
            closing = close_fastest(work.attempts, pll_clocks(board), board.clock_mhz, seed, tries)
        else:
            closing = close(work.attempts, board.clock_mhz, seed, tries)
        kept = work.results[closing.clock_mhz, closing.best]
        result = kept.figures | {
            "clock_mhz": closing.clock_mhz,
            "seeds": {str(number): round(mhz, 2) for number, mhz in closing.seeds.items()},
            "tools": chosen_tools(),
            "tool_versions": tool_versions([YOSYS, *flow.packages]),
            "seconds": round(time.monotonic() - begun, 1),
        }
        if not closing.closed:
            raise missed(closing, result, kept.folder / LOG, config.lanes)
        _tell(progress, "bitstream")
        bitstream = bitstream_name(board)
        run_tool(flow.packer, [*flow.pack(board), bitstream], kept.folder)
        shutil.copyfile(kept.folder / bitstream, draft / bitstream)
        shutil.copyfile(kept.folder / LOG, draft / LOG)
        if not board.carries_weights(config):
            (draft / WEIGHTS).write_bytes(flash_content(image))
            result |= {"weights": str(out / WEIGHTS), "weights_offset": board.flash_offset}
        result |= {"commit": identity.commit.hex(), "tag": image_tag(image, config)}
        result |= {"bitstream": str(out / bitstream), "seconds": round(time.monotonic() - begun, 1)}
        (draft / _MARKER).write_text(json.dumps(result, indent=2) + "\n")
    return result


def board_engine(design: Design, board: Board) -> EngineConfig:
    """The design's engine for a board's cells.

    Raises
    ------
    UserError
        If the board cannot hold it, or the design was not made for it.
    """
    config = design.engine
    # Before sizing, which would only find an image that such boards do not have.
    if board.small and config.family != board.family:
        raise UserError("design", f"was compiled for {design.target}", f"compile it again with --target {board.name}")
    # Sizing the same network again tells what is too large, and by how much.
    size_engine(
        design.network, board, lanes=config.lanes, mac=config.mac, precisions=config.precisions, delta=config.delta
    )
    return replace(config, family=board.family)


def _tell(progress: Progress | None, stage: str) -> None:
    if progress is not None:
        progress(stage)
