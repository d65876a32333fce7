"""Devices that answer nonsense, each met by a run of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hw_tests.unit.link_cases import PtyDevice, changed, nonsense, small_design
from lstmith.host.link import device, session
from lstmith.scripts.fuzz.attempts import Attempt, attempt
from lstmith.scripts.fuzz.mutants import right

#: Shares of answers that are nonsense.
SHARES = (0.02, 0.2, 1.0)


class Devices:
    """A design, its input, and devices whose answers are changed.

    Parameters
    ----------
    work : Path
        For the design.
    seed : int
    """

    def __init__(self, work: Path, seed: int):
        rng = np.random.default_rng(seed)
        self._seed, self._design = seed, small_design(rng)
        self._folder = folder = work / "devices"
        folder.mkdir()
        self._design.save(folder / "design")
        np.savez(folder / "x.npz", x=rng.normal(0, 1, (6, self._design.network.inputs)))
        # A device in memory answers at once; one that does not will not.
        session.HELLO_SECONDS = session.ANSWER_SECONDS = 0.05
        session.LONGEST_SECONDS = 0.1
        device.RESULT_SECONDS = 2.0

    def attempt(self, number: int, folder: Path) -> tuple[str, Attempt]:
        """A run at one device, in a folder; results of another kind than golden's are told by the command as always."""
        rng = np.random.default_rng([self._seed, 1, number])
        with PtyDevice(_misled(changed(self._design, nonsense(rng, SHARES[number % len(SHARES)])))) as port:
            command = ["run", str(self._folder / "design"), "--input", str(self._folder / "x.npz")]
            command += ["--engine", "board", "--port", port.port, "-o", "y.npz"]
            return "device", attempt(command, folder, "y.npz", right)


def _misled(device: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A device that says nothing when a host asks what the model holds for impossible: it was told nonsense."""

    def answer(content: bytes) -> bytes:
        try:
            return device(content)
        except AssertionError:
            return b""

    return answer
