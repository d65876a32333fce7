"""4. Board: the design on a board at a serial port, or on a virtual one.

    python examples/4_board.py [FOLDER [PORT]]

Without a PORT such as /dev/ttyUSB0 (`lstmith devices` lists them), Verilator compiles the whole top level of the board,
UART included, for half a minute; then the host talks to it through a pseudo-terminal, byte by byte as to a board.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from lstmith.boards.catalogue import find_board
from lstmith.compiler import Design
from lstmith.host import Accelerator, VirtualBoard
from lstmith.spec.errors import UserError


def main(folder: Path, port: str | None) -> None:
    """Load the design, run a sequence at once and step by step, compare with golden."""
    if not (folder / "design").is_dir():
        raise UserError(str(folder), "holds no design", "run examples/1_compile.py first")
    design = Design.load(folder / "design")
    with np.load(folder / "x.npz") as data:
        x = data["x"][:20]
    with ExitStack() as stack:
        if port is None:
            port = stack.enter_context(VirtualBoard(design, find_board(design.target))).port
        board = stack.enter_context(Accelerator(port))
        # Weights are sent only if the board does not hold them; golden vectors prove that it computes right.
        board.load(design)
        print(board.verified)

        h = board.infer(x)
        print(f"{len(h)} steps at once: {np.count_nonzero(h != design.run(x).h)} values differ from golden")
        # Steps as they come, from a microphone for example: each h is here before the next input is asked for.
        for step, live in enumerate(board.infer(iter(x))):
            if not np.array_equal(live, h[step]):
                sys.exit(f"{sys.argv[0]}: step {step} differs")
        print(f"{len(h)} steps one by one: the same; the core was busy for {board.counters()['busy_cycles']} cycles")


if __name__ == "__main__":
    given = [*sys.argv[1:], None, None]
    try:
        main(Path(given[0] or "build/example"), given[1])
    except UserError as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
