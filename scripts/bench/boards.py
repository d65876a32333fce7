"""Bitstreams: a small network on every board, and Silero VAD's; what they take, and how fast they are."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.boards.catalogue import BOARDS, find_board
from lstmith.cli.console import steps
from lstmith.compiler import compile_model
from lstmith.compiler.design import Design
from lstmith.compiler.files import read_json, whole_file
from lstmith.datasets.speech import heldout_audio
from lstmith.flow import TimingError, build
from lstmith.host.run import run_golden
from lstmith.scripts.bench.blocks import Table
from lstmith.scripts.bench.silero import heldout_request, save_features, silero_design
from lstmith.scripts.bench.stamps import MEASURED, stamp

#: Rows by part and board, each with the seed, the commit and the day it was measured: part of the repository.
RECORD = Path("scripts/bench/recorded/boards.json")
#: Boards and lanes of Silero: on the large board as many as the demo builds; None leaves the choice to the compiler.
BUILDS: dict[str, int | None] = {"icebreaker": None, "ulx3s-85f": 32}
#: Milliseconds of speech that a step of Silero hears.
FRAME_MS = 32
RESOURCES = ("luts", "carries", "ffs", "brams", "spram", "dsps")
#: The small network, which every board builds quickly.
UNITS, INPUTS, LANES = 20, 1, 2
_SEED = 1


def small_design(folder: Path, target: str, *, fixed: bool = False) -> Design:
    """The small network, compiled through the same function as ``lstmith compile``.

    Parameters
    ----------
    folder : Path
        Where the model and the calibration data are written.
    target : str
    fixed : bool
        Whether it is an engine for this network alone.
    """
    rng = np.random.default_rng(_SEED)
    model, data = folder / "small.npz", folder / "small-inputs.npz"
    np.savez(
        model,
        W_ih=rng.normal(0, 1, (4 * UNITS, INPUTS)),
        W_hh=rng.normal(0, UNITS**-0.5, (4 * UNITS, UNITS)),
        b_ih=rng.normal(0, 0.5, 4 * UNITS),
        b_hh=np.zeros(4 * UNITS),
    )
    np.savez(data, x=rng.normal(0, 0.3, (4, 60, INPUTS)).cumsum(axis=1).astype(np.float32))
    return compile_model(model, data, lanes=LANES, target=target, fixed=fixed)


def run_small(seed: int, boards: Collection[str]) -> None:
    """Build the small network and record each board's row; a missed clock is a result too."""
    _record("small", seed, {board: partial(small_design, target=board) for board in boards})


def run_silero(seed: int, boards: Collection[str]) -> None:
    """Build Silero VAD, run it on held-out speech, exact changes, and record each board's row."""
    designs = {board: partial(silero_design, lanes=BUILDS[board], target=board) for board in BUILDS if board in boards}
    _record("silero", seed, designs, _silero_figures)


def load_boards() -> dict[str, dict[str, Any]]:
    """The recorded rows by part, ``small`` and ``silero``, and board.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    recorded = read_json(RECORD, "restore it from the repository") if RECORD.exists() else {}
    return {part: recorded.get(part, {}) for part in ("small", "silero")}


def _silero_figures(design: Design, folder: Path) -> dict[str, Any]:
    save_features(folder / "heldout.npz", heldout_audio())
    request = heldout_request(design, folder / "heldout.npz")
    cycles = run_golden(request).cycles[request.valid]
    clock = find_board(design.target).clock_mhz
    return {
        "cycles_per_step": float(cycles.mean()),
        "cycles_max": int(cycles.max()),
        # Of the time in which a frame is spoken, how often its step fits.
        "margin": FRAME_MS * 1000 * clock / float(cycles.mean()),
    }


def _record(
    part: str,
    seed: int,
    designs: Mapping[str, Callable[[Path], Design]],
    more: Callable[[Design, Path], dict[str, Any]] = lambda design, folder: {},
) -> None:
    """Each row is kept as soon as it is measured: a board takes minutes, and others stay as they are."""
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for board, make in designs.items():
            design = make(folder)
            with steps() as report:
                try:
                    result = build(design, board, folder / board, seed=seed, progress=report)
                except TimingError as error:
                    result = error.result
            kept = {name: result[name] for name in (*RESOURCES, "fmax_mhz", "target_mhz", "seconds", "tool_versions")}
            told = {"lanes": design.engine.lanes, "seed": seed, **more(design, folder), MEASURED: stamp()}
            recorded = load_boards()
            recorded[part][board] = {**kept, **told}
            with whole_file(RECORD) as draft:
                draft.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


def silero_rows(results: dict[str, Any]) -> Table:
    """The same with the cycles of a step, and the margin over the time in which its frame is spoken."""
    columns, rows = board_rows(results)
    found = [results[board.name] for board in BOARDS if board.name in results]
    told = [
        [f"{figures['cycles_per_step']:,.0f}", f"{figures['cycles_max']:,}", f"{figures['margin']:,.0f}x"]
        for figures in found
    ]
    more = ["cycles per step", "worst", "margin"]
    return [*columns, *more], [[*row, *cells] for row, cells in zip(rows, told, strict=True)]


def board_rows(results: dict[str, Any]) -> Table:
    """Resources and clock as a table, in the order of the catalogue."""
    columns = ["board", "lanes", *RESOURCES, "MHz", "clock", "slack", "seconds", "seed", MEASURED]
    rows: list[list[object]] = [
        [
            board.title,
            figures["lanes"],
            *(figures[name] for name in RESOURCES),
            f"{figures['fmax_mhz']:.1f}",
            f"{figures['target_mhz']:g}",
            f"{100 * (1 - figures['target_mhz'] / figures['fmax_mhz']):.0f} %",
            f"{figures['seconds']:.0f}",
            figures["seed"],
            figures[MEASURED],
        ]
        for board in BOARDS
        if (figures := results.get(board.name)) is not None
    ]
    return columns, rows
