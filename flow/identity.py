"""What a build says of itself over the link."""

from __future__ import annotations

from lstmith.boards.board import Board, Front
from lstmith.compiler.design_files import FORMAT
from lstmith.flow.commit import source_commit
from lstmith.rtl.link.spi import CYCLES_MIN
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import Feature


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
    clock_hz, spi = round(board.clock_mhz * 1e6), board.front is Front.SPI
    # A fixed engine has no bus.
    features = board.features & ~Feature.STATES if config.fixed else board.features
    return Identity(
        window=board.window,
        ring_words=board.ring_words,
        features=features | (Feature.SPI if spi else 0),
        clock_hz=clock_hz,
        baud=clock_hz // CYCLES_MIN if spi else board.baud,
        commit=source_commit(),
        board=board.name,
        design_format=FORMAT,
        config=config,
    )
