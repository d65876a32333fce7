"""``lstmith board-sim``: a virtual board behind a pseudo-terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.cli.console import progress, remark, say
from lstmith.compiler.design import Design


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    board: Annotated[str, typer.Option(help="Whose top level to simulate, see 'boards'.")] = DEFAULT,
    clocks_per_bit: Annotated[int, typer.Option(help="Clock cycles per bit of the simulated UART.", min=2)] = 4,
) -> None:
    """Simulate a board with a design, and print the port at which it answers; Ctrl-C ends it."""
    from lstmith.host.board_sim import VirtualBoard

    chosen, loaded = find_board(board), Design.load(design)
    with progress("building the virtual board"):
        simulated = VirtualBoard(loaded, chosen, clocks_per_bit)
    with simulated:
        say(simulated.port)
        remark(f"try: lstmith run {design} --engine board --port {simulated.port} ...; Ctrl-C ends the board")
        try:
            simulated.wait()
        except KeyboardInterrupt:
            raise typer.Exit() from None
