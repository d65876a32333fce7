"""What a design reaches with several seeds, whether or not its clock is met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lstmith.boards.board import Board
from lstmith.compiler.design import Design
from lstmith.flow.attempt import Progress, Work
from lstmith.flow.bitstream import board_engine
from lstmith.flow.processes import processor_seconds
from lstmith.flow.toolchain import workspace


def reached_clocks(
    design: Design, board: Board, seeds: Sequence[int], progress: Progress | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Place and route a design with its link at the board's clock, with one seed after the other.

    Parameters
    ----------
    design : Design
    board : Board
    seeds : sequence of int
    progress : callable or None
        Called with the name of each stage.

    Yields
    ------
    seed : int
    figures : dict
        What was placed, as ``lstmith.flow.build`` tells it, and ``minutes``: processor minutes of placement and
        routing, and of the synthesis before it where this seed is the first; None if an earlier run's result was used.

    Raises
    ------
    UserError
        If the board cannot hold the design.
    ToolError
        If a tool fails.
    """
    config = board_engine(design, board)
    with workspace() as folder:
        work = Work(board, config, design.image(engine=config), folder, progress)
        for seed in seeds:
            before = processor_seconds()
            (_,) = work.attempts(board.clock_mhz, [seed])
            figures = work.results[board.clock_mhz, seed].figures
            spent = None if "placement and routing" in figures["reused"] else (processor_seconds() - before) / 60
            yield seed, {**figures, "minutes": spent}
