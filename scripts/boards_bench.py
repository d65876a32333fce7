"""Silero VAD's bitstreams: what they take of each board, and how fast they are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lstmith.boards.build import TimingError, build_bitstream
from lstmith.boards.catalogue import find_board

from .blocks import Table
from .console import steps
from .silero_bench import silero_design

#: Boards and lanes: on the large board as many as the demo builds; None leaves the choice to the compiler.
BUILDS = (("icebreaker", None), ("ulx3s-85f", 43))
RESOURCES = ("luts", "carries", "ffs", "brams", "spram", "dsps")


def run_boards(seed: int) -> dict[str, Any]:
    """Build everything; a missed clock is a result too."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for board, lanes in BUILDS:
            design = silero_design(folder, lanes=lanes, target=board)
            with steps() as report:
                try:
                    result = build_bitstream(design, find_board(board), seed, folder / board, report)
                except TimingError as error:
                    result = error.result
            results[board] = {**result, "lanes": design.engine.lanes}
    return results


def board_rows(results: dict[str, Any]) -> Table:
    """Resources and clock as a table."""
    columns = ["board", "lanes", *RESOURCES, "MHz", "wanted MHz", "seconds to build"]
    rows: list[list[object]] = [
        [
            find_board(board).title,
            figures["lanes"],
            *(figures[name] for name in RESOURCES),
            f"{figures['fmax_mhz']:.1f}",
            f"{figures['target_mhz']:g}",
            f"{figures['seconds']:.0f}",
        ]
        for board, figures in results.items()
    ]
    return columns, rows
