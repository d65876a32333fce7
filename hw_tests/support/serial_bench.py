"""A Verilated module's serial port at the end of a pipe: time passes only while something is asked of it."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lstmith.host.compiled import compile_program
from lstmith.host.simulate import SimulationError

HARNESS = Path(__file__).with_name("serial_bench.cpp")
_SEND, _SEND_RUN, _RESET, _PERIOD, _BLOCK, _SEND_BROKEN, _QUEUE, _LISTEN = range(8)
#: Cycles after which a module that has not come to rest hangs.
HUNG = 2_000_000


@dataclass(frozen=True)
class Reaction:
    """What a module did.

    Attributes
    ----------
    sent : bytes
        By its serial port.
    told : tuple of (kind, int, int)
        To a probe's engine: 0 write of (address, data), 1 input of (value, flags), 2 reset.
    rests : bool
        It came to rest.
    cycles : int
        Since power-on.
    """

    sent: bytes
    told: tuple[tuple[int, int, int], ...]
    rests: bool
    cycles: int


class SerialBench:
    """A module with ports clk, rst, rx, tx and busy; also a transport of the driver.

    Parameters
    ----------
    verilog : str
    toplevel : str
    folder : Path
        For the build.
    cycles_per_bit : int
    probe : bool
        Whether the module is a :class:`lstmith.test_support.probe.LinkProbe`.
    """

    def __init__(self, verilog: str, toplevel: str, folder: Path, cycles_per_bit: int, *, probe: bool = False):
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "dut.v"
        source.write_text(verilog)
        options = ["--prefix", "Vdut", *(["-CFLAGS", "-DPROBE"] if probe else [])]
        program = compile_program([source, HARNESS], toplevel, folder, options)
        self.name = toplevel
        self._process = subprocess.Popen(
            [str(program), str(cycles_per_bit)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def exchange(self, content: bytes = b"", *, cycles: int = HUNG, broken: bool = False) -> Reaction:
        """Send bytes and wait until the module rests; ``broken`` ends the last one with a low stop bit."""
        return self._ask(_SEND_BROKEN if broken else _SEND, cycles, content)

    def send(self, content: bytes, cycles: int = 0) -> Reaction:
        """Send bytes, let some cycles pass and wait for nothing."""
        return self._ask(_SEND_RUN, cycles, content)

    def queue(self, content: bytes, delay: int = 0) -> None:
        """Have bytes sent after some cycles, behind those that wait already; no time passes."""
        self._ask(_QUEUE, delay, content)

    def listen(self, cycles: int) -> Reaction:
        """Let time pass until a frame has ended, but for no more than some cycles."""
        return self._ask(_LISTEN, cycles)

    def reset(self, cycles: int = 1) -> None:
        """Hold the reset."""
        self._ask(_RESET, cycles)

    def set_bit(self, cycles: float) -> None:
        """Length of the bits that are sent."""
        self._ask(_PERIOD, round(1000 * cycles))

    def block(self, on: bool) -> None:
        """Stop or release a probe's engine."""
        self._ask(_BLOCK, int(on))

    def write(self, content: bytes) -> None:
        """As a transport: the module takes it, and answers, at once."""
        self._received += self.exchange(content).sent

    def read(self, timeout: float) -> bytes:
        """As a transport: what it has sent; if that is nothing, after more of its time."""
        if not self._received:
            self._received += self.exchange().sent
        received, self._received = bytes(self._received), bytearray()
        return received

    def close(self) -> None:
        """End the simulation."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def _ask(self, kind: int, argument: int, content: bytes = b"") -> Reaction:
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack("<III", kind, argument, len(content)) + content)
        self._process.stdin.flush()
        sent = self._take(self._number())
        told = self._number()
        words = struct.unpack(f"<{3 * told}I", self._take(12 * told))
        triples = tuple((words[i], words[i + 1], words[i + 2]) for i in range(0, len(words), 3))
        return Reaction(sent, triples, bool(self._number()), self._number(8))

    def _number(self, size: int = 4) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take(self, count: int) -> bytes:
        assert self._process.stdout is not None
        content = self._process.stdout.read(count)
        if len(content) != count:
            raise SimulationError(f"{self.name} ended with code {self._process.wait()}")
        return content
