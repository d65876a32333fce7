"""Devices that answer nonsense, each met by a run of its own."""

from __future__ import annotations

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
    folder : Path
        For the design.
    rng : Generator
    """

    def __init__(self, folder: Path, rng: np.random.Generator):
        folder.mkdir()
        self._folder, self._design = folder, small_design(rng)
        self._design.save(folder / "design")
        np.savez(folder / "x.npz", x=rng.normal(0, 1, (6, self._design.network.inputs)))
        # A device in memory answers at once; one that does not will not.
        session.HELLO_SECONDS = session.ANSWER_SECONDS = 0.05
        session.LONGEST_SECONDS = 0.1
        device.RESULT_SECONDS = 2.0

    def attempt(self, rng: np.random.Generator, number: int, folder: Path) -> Attempt:
        """A run at one device; results of another kind than golden's are told by the command as always."""
        with PtyDevice(changed(self._design, nonsense(rng, SHARES[number % len(SHARES)]))) as port:
            command = ["run", str(self._folder / "design"), "--input", str(self._folder / "x.npz")]
            command += ["--engine", "board", "--port", port.port, "-o", "y.npz"]
            return attempt(command, folder, "y.npz", right)
