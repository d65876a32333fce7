"""What a build says of itself over the link."""

from __future__ import annotations

from lstmith.boards.board import Board
from lstmith.compiler.design_files import FORMAT
from lstmith.flow.commit import source_commit
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.link_identity import Identity


def build_identity(board: Board, config: EngineConfig) -> Identity:
    """The identity of a build for a board.

    Raises
    ------
    UserError
        If the engine takes two sequences in turn, which the link does not tell apart.
    """
    if config.sequences > 1:
        raise UserError(
            "design field sequences", f"is {config.sequences}, the host link carries 1", "compile it with --sequences 1"
        )
    return Identity(
        window=board.window,
        ring_words=board.ring_words,
        features=board.features,
        clock_hz=round(board.clock_mhz * 1e6),
        baud=board.baud,
        commit=source_commit(),
        board=board.name,
        design_format=FORMAT,
        config=config,
    )
