"""A core compiled to a program of its own: what long runs use instead of cocotb, which is for tests.

cocotb makes every signal of the core visible, which keeps Verilator from optimising; without that and
without Python in the loop a 64-lane core runs an order of magnitude faster.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.flow.cache import kept_step
from lstmith.flow.processes import running
from lstmith.flow.tools import verilator_environment
from lstmith.flow.toolset import tool_versions
from lstmith.host.jobs import EVENT_FIELDS, OUTCOME_FIELDS, RESULT_FIELDS, CoreJob, CoreTrace, Element
from lstmith.host.simulate import SimulationError
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError

HARNESS = Path(__file__).with_name("harness.cpp")
TOPLEVEL = "lstmith_core"
#: Columns of the three tables of an answer.
_TABLES = (len(RESULT_FIELDS), len(EVENT_FIELDS), len(OUTCOME_FIELDS))


def compile_program(
    sources: Sequence[Path], toplevel: str, folder: Path, options: Sequence[str] = (), *, fast: str = "-O1"
) -> Path:
    """Verilator's model of a module and a C++ main around it, as a program.

    Parameters
    ----------
    sources : sequence of Path
        Verilog and C++.
    toplevel : str
        The module.
    folder : Path
        For the build; made if missing.
    options : sequence of str
        More of Verilator's.
    fast : str
        How the compiler treats what runs every cycle; the rest only costs build time.

    Raises
    ------
    UserError
        If there is no C++ compiler or make.
    SimulationError
        If the build fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        *("--cc", "--exe", "--build", "-j", "2", "-O3", "-Wno-lint", "-Wno-style"),
        *("--x-initial", "0", "--x-assign", "0", "-MAKEFLAGS", f"OPT_FAST={fast} OPT_GLOBAL=-O2"),
        *("--top-module", toplevel, "--Mdir", "build", "-o", "harness", *options),
    ]
    # The model's messages name the Verilog file: relative, so that a compiler cache knows the model again.
    files = [os.path.relpath(path, folder) if path.suffix == ".v" else str(path.resolve()) for path in sources]
    # A link may need what is on this machine, and a name is in the text of messages: neither may differ.
    basis = [*tool_versions(["verilator"]).values(), platform.platform(), *arguments, *(path.name for path in sources)]
    kept_step(folder, files, basis, ["build/harness"], lambda: _compile(["verilator", *arguments, *files], folder))
    return folder / "build" / "harness"


def _compile(command: Sequence[str], folder: Path) -> None:
    try:
        with running(command, {**os.environ, **verilator_environment()}, folder) as process:
            output, _ = process.communicate()
    except FileNotFoundError as error:
        raise UserError(str(error.filename), "cannot be started", "apt-get install g++ make perl") from None
    if process.returncode:
        raise SimulationError("\n".join(["verilator failed", *output.splitlines()[-20:]]))


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
    models : sequence of Path
        Further source files.
    traced : bool
        Whether runs can dump the nets of ``lstmith_core``; those whose names begin with ``_`` are left out.

    Raises
    ------
    UserError, SimulationError
        See :func:`compile_program`.
    """

    def __init__(
        self,
        verilog: Path,
        config: EngineConfig,
        folder: Path,
        *,
        models: Sequence[Path] = (),
        traced: bool = False,
    ):
        self._config, self._folder = config, folder
        ports = f"-DSEQUENCES={config.sequences} -DPLANES={config.planes} -DPROGRAMS={config.programs}"
        ports += f" -DFIXED={int(config.fixed)}"
        options = [*(["--trace", "--trace-depth", "1"] if traced else []), "-CFLAGS", ports]
        sources = (verilog, *models, HARNESS)
        self._program = compile_program(sources, TOPLEVEL, folder, options, fast="-O0" if traced else "-O1")

    def run(
        self, jobs: Sequence[CoreJob], progress: Callable[[int], None] | None = None, trace: Path | None = None
    ) -> list[CoreTrace]:
        """Run jobs one after another on the same core; it forgets everything between calls, which may overlap.

        Parameters
        ----------
        jobs : sequence of Job
            Without stalls, rests, reads and resets, which only cocotb does.
        progress : callable or None
            Called with the number of finished jobs.
        trace : Path or None
            VCD file to write, of a core built to be traced: two times per cycle, from the first job's first
            input on.
        """
        if any(job.x_stall or job.h_stall or any(job.rests) or job.reads or job.abandon for job in jobs):
            raise ValueError("Jobs with stalls, rests, reads or resets need cocotb")
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            given, taken = Path(name) / "jobs.bin", Path(name) / "answers.bin"
            _words(jobs, self._config.c_width).tofile(given)
            command = [str(self._program), str(given), str(taken), *([] if trace is None else [str(trace)])]
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


def _words(jobs: Sequence[CoreJob], c_width: int) -> npt.NDArray[np.int64]:
    """The jobs as ``harness.cpp`` reads them."""
    parts = [np.array([len(jobs), c_width], dtype=np.int64)]
    for job in jobs:
        elements = [_packed(element) for element in job.elements()]
        parts.append(np.array([len(job.writes), len(elements), len(job.x)], dtype=np.int64))
        parts.append(np.array(job.writes, dtype=np.int64).ravel())
        parts.append(np.array(elements, dtype=np.int64))
    return np.concatenate(parts)


def _packed(element: Element) -> int:
    """A transfer in one word: value, start, restart, mark, mask, sequence, program from bit 0 on."""
    flags = element.start | element.restart << 1 | element.mark << 2 | element.mask << 3 | element.sequence << 6
    return element.value & 0xFFFF | flags << 16 | element.program << 23


def _answers(words: npt.NDArray[np.int64], jobs: int) -> list[CoreTrace]:
    core_traces, at = [], 0
    for _ in range(jobs):
        first, *rows = words[at : at + 1 + len(_TABLES)].tolist()
        at += 1 + len(_TABLES)
        tables = []
        for count, fields in zip(rows, _TABLES, strict=True):
            tables.append(words[at : at + count * fields].reshape(-1, fields))
            at += count * fields
        results, events, outcomes = tables
        core_traces.append(CoreTrace(results, events, outcomes, first, np.empty(0, dtype=np.int64)))
    return core_traces
