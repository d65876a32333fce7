"""Japanese vowels on the virtual board: the speaker from the device, and what that costs on the wire.

``python -m lstmith.scripts.bench.vowels``
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.boards.catalogue import find_board
from lstmith.cli.console import out, table
from lstmith.compiler.design import Design
from lstmith.compiler.pipeline import compile_model
from lstmith.host.accelerator import Accelerator
from lstmith.host.board_sim import VirtualBoard
from lstmith.host.link.transport import SerialTransport
from lstmith.spec.codes import Verdict
from lstmith.workloads import japanese_vowels
from lstmith.workloads.japanese_vowels_graph import X, vowels_graph

NET, TARGET = "seed1", "ulx3s-25f"
#: Bits per second that a pseudo-terminal is opened with; it takes any.
BAUD = 1_000_000

Float32 = npt.NDArray[np.float32]


class CountingTransport(SerialTransport):
    """A serial port that counts bytes.

    Attributes
    ----------
    sent, received : int
    """

    def __init__(self, port: str):
        super().__init__(port, BAUD)
        self.sent = self.received = 0

    def write(self, content: bytes) -> None:
        """Send all of it."""
        self.sent += len(content)
        super().write(content)

    def read(self, timeout: float) -> bytes:
        """What has arrived."""
        content = super().read(timeout)
        self.received += len(content)
        return content


@dataclass(frozen=True)
class Wire:
    """Bytes that an utterance's answers took, per step."""

    sent: float
    received: float


@dataclass(frozen=True)
class Vowels:
    """What the board said of utterances.

    Attributes
    ----------
    speakers, golden, wanted : int64 [U]
        By the device, by the golden model, and in truth.
    steps : int
        Of all utterances.
    wires : dict of str to Wire
        By what was asked of the device.
    """

    speakers: npt.NDArray[np.int64]
    golden: npt.NDArray[np.int64]
    wanted: npt.NDArray[np.int64]
    steps: int
    wires: dict[str, Wire]


def vowels_design() -> Design:
    """One net, whole on the core."""
    workload = japanese_vowels.load()
    calibration = padded_batch(workload.calibration[NET])[0]
    graph = vowels_graph(workload, NET)
    return compile_model(graph, {X: calibration[:, :, None]}, target=TARGET, head=True)


def padded_batch(utterances: list[Float32]) -> tuple[Float32, npt.NDArray[np.int64]]:
    """Utterances side by side, float32 [U, T, 12], the last step repeated behind their ends, and their lengths."""
    lengths = np.array([len(each) for each in utterances])
    longest = int(lengths.max())
    return np.stack([np.pad(each, ((0, longest - len(each)), (0, 0)), mode="edge") for each in utterances]), lengths


def without_verdict(design: Design) -> Design:
    """The same design, whose answers are the head's values."""
    *layers, last = design.network.layers
    plain = replace(design.network, layers=(*layers, replace(last, verdict=Verdict.NONE)))
    return replace(design, network=plain)


def run_vowels(every: int = 1) -> Vowels:
    """Every so many test utterances on the virtual board."""
    design = vowels_design()
    plain = without_verdict(design)
    utterances, wanted = japanese_vowels.utterances("TEST")
    x, lengths = padded_batch(utterances[::every])
    steps = int(lengths.sum())
    with Accelerator("golden") as model:
        model.load(design)
        golden = model.judge(x, lengths)
    wires: dict[str, Wire] = {}
    with VirtualBoard(design, find_board(TARGET)) as board:
        transport = CountingTransport(board.port)

        def counted(name: str, given: Design, ask: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
            device.load(given)
            transport.sent = transport.received = 0
            found = ask()
            wires[name] = Wire(transport.sent / steps, transport.received / steps)
            return found

        with Accelerator(transport) as device:
            counted("head's values of every step", plain, lambda: device.infer(x, lengths))
            each = counted("speaker of every step", design, lambda: device.judge(x, lengths, every=1))
            speakers = counted("speaker of each utterance", design, lambda: device.judge(x, lengths))
    # The last of every step's is the utterance's.
    if not np.array_equal(each[np.arange(len(lengths)), lengths - 1], speakers):
        raise RuntimeError("The device names another speaker when it tells the speaker of every step")
    return Vowels(speakers, golden, wanted[::every], steps, wires)


def main() -> None:
    """Print what came of all utterances."""
    found = run_vowels()
    same, right = (int((found.speakers == each).sum()) for each in (found.golden, found.wanted))
    out.print(f"{len(found.speakers)} utterances, {found.steps} steps: {same} as golden says, {right} right")
    rows: list[list[object]] = [
        [name, f"{wire.sent:.1f}", f"{wire.received:.1f}"] for name, wire in found.wires.items()
    ]
    out.print(table("Bytes on the wire per step", ["asked of the device", "sent", "received"], rows))


if __name__ == "__main__":
    main()
