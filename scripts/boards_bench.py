"""Bitstreams: a small network on every board, and Silero VAD's; what they take, and how fast they are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.boards.build import TimingError, build_bitstream
from lstmith.boards.catalogue import BOARDS, find_board
from lstmith.compiler.design import Design

from .blocks import Table
from .compile import compile_design
from .console import steps
from .silero_bench import silero_design

#: Boards and lanes of Silero: on the large board as many as the demo builds; None leaves the choice to the compiler.
BUILDS = (("icebreaker", None), ("ulx3s-85f", 43))
RESOURCES = ("luts", "carries", "ffs", "brams", "spram", "dsps")
#: The small network, which every board builds quickly.
UNITS, INPUTS, LANES = 20, 1, 2
_SEED = 1


def small_design(folder: Path, target: str) -> Design:
    """The small network, compiled through the same function as ``lstmith compile``.

    Parameters
    ----------
    folder : Path
        Where the model and the calibration data are written.
    target : str
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
    design, _, _ = compile_design(model, data, lanes=LANES, precision="8", target=target)
    return design


def run_small(seed: int, boards: list[str]) -> dict[str, Any]:
    """Build the small network; a missed clock is a result too."""
    return _built(seed, {board: partial(small_design, target=board) for board in boards})


def run_silero(seed: int) -> dict[str, Any]:
    """Build Silero VAD; a missed clock is a result too."""
    return _built(seed, {board: partial(silero_design, lanes=lanes, target=board) for board, lanes in BUILDS})


def _built(seed: int, designs: dict[str, Callable[[Path], Design]]) -> dict[str, Any]:
    results = {}
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for board, make in designs.items():
            design = make(folder)
            with steps() as report:
                try:
                    result = build_bitstream(design, find_board(board), seed, folder / board, report)
                except TimingError as error:
                    result = error.result
            results[board] = {**result, "lanes": design.engine.lanes}
    return results


def board_rows(results: dict[str, Any]) -> Table:
    """Resources and clock as a table, in the order of the catalogue."""
    columns = ["board", "lanes", *RESOURCES, "MHz", "clock", "slack", "seconds"]
    rows: list[list[object]] = [
        [
            board.title,
            figures["lanes"],
            *(figures[name] for name in RESOURCES),
            f"{figures['fmax_mhz']:.1f}",
            f"{figures['target_mhz']:g}",
            f"{100 * (1 - figures['target_mhz'] / figures['fmax_mhz']):.0f} %",
            f"{figures['seconds']:.0f}",
        ]
        for board in BOARDS
        if (figures := results.get(board.name)) is not None
    ]
    return columns, rows
