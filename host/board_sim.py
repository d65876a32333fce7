"""The virtual board: the top level that a bitstream holds, simulated behind a pseudo-terminal.

The driver talks to it as to a board, byte by byte through the UART's pins; only the bits are shorter, and carry chains
are plain sums (:mod:`lstmith.rtl.prim.expressed`).
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from lstmith.boards.board import Board
from lstmith.boards.top import SIMULATED, simulation_verilog
from lstmith.compiler.design import Design
from lstmith.flow.identity import build_identity
from lstmith.host.compiled import compile_program
from lstmith.host.simulate import SimulationError
from lstmith.rtl.array.weight_bank import initialised
from lstmith.rtl.cells import cell_models
from lstmith.rtl.prim.expressed import Expressed
from lstmith.spec.memory_image import image_tag

HARNESS = Path(__file__).with_name("board_sim.cpp")
#: Clock cycles per bit on the wire; a board has about 20.
CLOCKS_PER_BIT = 4
#: Seconds to wait for the simulation to end by itself.
_END_SECONDS = 5.0


class VirtualBoard:
    """A simulated board; a context manager that starts and ends it.

    Parameters
    ----------
    design : Design
        What its bitstream holds.
    board : Board
        Whose top level is simulated.
    clocks_per_bit : int

    Attributes
    ----------
    port : str
        The pseudo-terminal, once it runs.

    Raises
    ------
    UserError
        If there is no C++ compiler.
    SimulationError
        If the build fails.
    """

    def __init__(self, design: Design, board: Board, clocks_per_bit: int = CLOCKS_PER_BIT):
        # Removed when the board ends, or with this object.
        self._folder = tempfile.TemporaryDirectory(prefix="lstmith-board-", ignore_cleanup_errors=True)
        self._clocks = clocks_per_bit
        self._process: subprocess.Popen[str] | None = None
        self.port = ""
        try:
            self._program = self._build(design, board, Path(self._folder.name))
        except BaseException:
            self._folder.cleanup()
            raise

    def _build(self, design: Design, board: Board, folder: Path) -> Path:
        image = design.image()
        identity = build_identity(board, design.engine)
        identity = replace(identity, baud=identity.clock_hz // self._clocks)
        source = folder / "board.v"
        # Weights in memories without initial contents come from a flash, which is not here: the driver sends them.
        filled = initialised(depth=design.engine.weight_depth, family=design.engine.family)
        tag = image_tag(image, design.engine) if filled else 0
        text = simulation_verilog(identity, image, tag, Expressed())
        source.write_text(text)
        models = folder / "cells.v"
        models.write_text(cell_models(text))
        return compile_program((source, models, HARNESS), SIMULATED, folder, ("--prefix", "Vboard"))

    def __enter__(self) -> VirtualBoard:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self) -> None:
        """Power on."""
        command = [str(self._program), str(self._clocks)]
        # A group of its own: Ctrl-C reaches this program alone, which ends the board in order.
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()
        if not self.port:
            raise SimulationError(f"the virtual board ended with code {self._process.wait()}")

    def cycles(self) -> int:
        """Clock cycles since power-on; time that it slept does not count."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGUSR1)
        return int(self._process.stdout.readline())

    def reset(self) -> None:
        """Press the board's reset; memories keep what they hold."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR2)

    def wait(self) -> None:
        """Until the board ends, which it does not by itself."""
        assert self._process is not None
        code = self._process.wait()
        raise SimulationError(f"the virtual board ended with code {code}")

    def end(self) -> None:
        """Power off, and remove what was built."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
        self._folder.cleanup()
