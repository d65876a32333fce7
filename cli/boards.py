"""``lstmith boards``: what can be built for."""

from __future__ import annotations

from lstmith.boards.catalogue import BOARDS, DEFAULT
from lstmith.cli.console import out, say, table


def command() -> None:
    """List the supported boards."""
    rows: list[list[object]] = [
        [
            board.name,
            board.title,
            f"{board.device} {board.package}",
            f"{board.clock_mhz:g} MHz",
            board.luts,
            board.dsps,
            f"{(board.brams * board.bram_bits + board.sprams * board.spram_bits) // 8192} KiB",
            "/".join(str(bits) for bits in board.precisions),
        ]
        for board in BOARDS
    ]
    out.print(table("Boards", ["name", "board", "device", "clock", "LUTs", "DSPs", "memory", "weight bits"], rows))
    say(f"The default is {DEFAULT}; 'generic' is plain Verilog for any FPGA.")
