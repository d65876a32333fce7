"""``lstmith program`` and ``lstmith devices``: boards that are plugged in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmith.boards.catalogue import find_board
from lstmith.cli.console import out, progress, say, table


def program_command(
    build: Annotated[Path, typer.Argument(help="Directory that 'build' wrote.")],
    board: Annotated[str, typer.Option(help="Board, see 'lstmith boards'.")],
    flash: Annotated[bool, typer.Option(help="Into the board's flash, so that it survives power-off.")] = False,
    cable: Annotated[
        str, typer.Option(help="What openFPGALoader calls the programming cable, if it is not the board's usual one.")
    ] = "",
) -> None:
    """Write a bitstream, and weights that it cannot carry, to a board."""
    from lstmith.flow.programmer import plan, program

    found = find_board(board)
    writes = plan(build, found, flash=flash)
    with progress(f"writing to {found.title}"):
        program(writes, found, cable)
    say(f"{' and '.join(write.what for write in writes)} written to {found.title}; see 'lstmith devices' for its port")
    if found.wiring:
        say(f"To talk to it, connect {found.wiring}.")


def devices_command(
    port: Annotated[list[str] | None, typer.Argument(help="More ports to ask, such as a virtual board's.")] = None,
) -> None:
    """List serial ports, and what answers at them; what is wrong is told beside each."""
    from lstmith.host.link.discover import discover

    with progress("asking"):
        found = discover(port or [])
    if not found:
        say("No serial port is there: plug a board in, or start 'lstmith board-sim'.")
        return
    rows: list[list[object]] = [[entry.port, entry.bridge, entry.answer] for entry in found]
    out.print(table("Devices", ["port", "bridge", "what answers"], rows))
