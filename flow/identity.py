"""What a build says of itself over the link."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lstmith.boards.board import Board
from lstmith.compiler.design import FORMAT
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.link_identity import Identity

_COMMIT_BYTES = 8


def source_commit() -> bytes:
    """First 8 bytes of the commit that this source is at; zeros if it is no checkout or git is missing."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
        return bytes.fromhex(found.strip())[:_COMMIT_BYTES]
    except (OSError, subprocess.CalledProcessError):
        return bytes(_COMMIT_BYTES)


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
