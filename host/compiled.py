"""A core compiled to a program of its own: what long runs use instead of cocotb, which is for tests.

cocotb makes every signal of the core visible, which keeps Verilator from optimising; without that and
without Python in the loop a 64-lane core runs an order of magnitude faster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.golden.config import EngineConfig
from lstmith.golden.errors import UserError

from .jobs import Answer, Job
from .processes import running
from .simulate import SimulationError
from .tools import verilator_environment

HARNESS = Path(__file__).with_name("harness.cpp")
TOPLEVEL = "lstmith_core"
#: Columns of results and of events.
_FIELDS = 4


class CompiledSimulation:
    """A core built by Verilator around ``harness.cpp``.

    Parameters
    ----------
    verilog : Path
        Source file with the module ``lstmith_core``.
    config : EngineConfig
        What it was generated from.
    folder : Path
        For the build and the jobs.

    Raises
    ------
    UserError
        If there is no C++ compiler or make.
    SimulationError
        If the build fails.
    """

    def __init__(self, verilog: Path, config: EngineConfig, folder: Path):
        self._config, self._folder = config, folder
        self._environment = {**os.environ, **verilator_environment()}
        folder.mkdir(parents=True, exist_ok=True)
        self._program = folder / "build" / "harness"
        command = [
            *("verilator", "--cc", "--exe", "--build", "-j", "2", "-O3", "-Wno-lint", "-Wno-style"),
            *("--x-initial", "0", "--x-assign", "0"),
            # What runs every cycle is worth optimising; the rest only costs build time.
            *("-MAKEFLAGS", "OPT_FAST=-O2 OPT_GLOBAL=-O2"),
            *("--top-module", TOPLEVEL, "--Mdir", str(folder / "build"), "-o", "harness"),
            *(str(verilog.resolve()), str(HARNESS)),
        ]
        try:
            with running(command, self._environment) as process:
                output, _ = process.communicate()
        except FileNotFoundError as error:
            raise UserError(str(error.filename), "cannot be started", "apt-get install g++ make perl") from None
        if process.returncode:
            raise SimulationError("\n".join(["verilator failed", *output.splitlines()[-20:]]))

    def run(self, jobs: Sequence[Job], progress: Callable[[int], None] | None = None) -> list[Answer]:
        """Run jobs one after another on the same core; it forgets everything between calls.

        Parameters
        ----------
        jobs : sequence of Job
            Without stalls, reads and resets, which only cocotb does.
        progress : callable or None
            Called with the number of finished jobs.
        """
        if any(job.x_stall or job.h_stall or job.reads or job.abandon for job in jobs):
            raise ValueError("Jobs with stalls, reads or resets need cocotb")
        given, taken = self._folder / "jobs.bin", self._folder / "answers.bin"
        _words(jobs, self._config.c_width).tofile(given)
        command = [str(self._program), str(given), str(taken)]
        complaints = []
        with running(command) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.strip().isdigit():
                    complaints.append(line.strip())
                elif progress is not None:
                    progress(int(line))
        if process.returncode:
            raise SimulationError(f"simulated core failed with code {process.returncode}: {' '.join(complaints)}")
        return _answers(np.fromfile(taken, dtype=np.int64), len(jobs))


def _words(jobs: Sequence[Job], c_width: int) -> npt.NDArray[np.int64]:
    """The jobs as ``harness.cpp`` reads them."""
    parts = [np.array([len(jobs), c_width], dtype=np.int64)]
    for job in jobs:
        steps, width = job.x.shape
        flags = int(job.start) | int(job.restart) << 1
        parts.append(np.array([len(job.writes), steps, width, flags, job.results], dtype=np.int64))
        parts.append(np.array(job.writes, dtype=np.int64).ravel())
        parts.append(job.x.astype(np.int64).ravel())
    return np.concatenate(parts)


def _answers(words: npt.NDArray[np.int64], jobs: int) -> list[Answer]:
    answers, at = [], 0
    for _ in range(jobs):
        first, results, events = words[at : at + 3].tolist()
        at += 3
        middle, end = at + results * _FIELDS, at + (results + events) * _FIELDS
        answers.append(
            Answer(
                words[at:middle].reshape(-1, _FIELDS),
                words[middle:end].reshape(-1, _FIELDS),
                first,
                np.empty(0, dtype=np.int64),
            )
        )
        at = end
    return answers
