"""Simulated cores: build once per engine, run any number of jobs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lstmith.flow.tools import package_directory, verilator_environment
from lstmith.host.jobs import CoreJob, CoreTrace
from lstmith.spec.errors import UserError

SIMULATORS = ("icarus", "verilator")
#: Of a short run the build takes nearly all the time. cocotb's runner makes every signal visible, so that Verilator
#: may not simplify anything; here only the ports are. The C++ is one file, which reads its headers once, and is not
#: optimised.
VERILATOR_OPTIONS = (
    *("-O3", "-Wno-fatal", "--x-initial", "0"),
    *("--no-public-flat-rw", "--public-depth", "1"),
    *("--output-split", "0", "-CFLAGS", "-O0"),
)


class SimulationError(Exception):
    """The simulator failed; the message names its log."""


class Simulation:
    """A core in a simulator.

    Parameters
    ----------
    verilog : sequence of Path
        Source files; the top module is ``toplevel``.
    simulator : str
        ``icarus`` or ``verilator``.
    folder : Path
        For the build and the logs.
    toplevel : str
    options : sequence of str
        More arguments of the simulator's compiler.
    """

    def __init__(
        self,
        verilog: Sequence[Path],
        simulator: str,
        folder: Path,
        toplevel: str = "lstmith_core",
        options: Sequence[str] = (),
    ):
        if simulator not in SIMULATORS:
            raise ValueError(f"Simulator must be one of {SIMULATORS}, not {simulator!r}")
        # Other engines work without it.
        package_directory("cocotb_tools", extra="sim")
        from cocotb_tools.runner import get_runner

        self._folder, self._toplevel, self._runs = folder, toplevel, 0
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [*(VERILATOR_OPTIONS if simulator == "verilator" else ()), *options]
        with _tools(), _exit_as_error(folder / "build.log"):
            self._runner = get_runner(simulator)
            self._runner.build(
                sources=list(verilog),
                hdl_toplevel=toplevel,
                build_args=arguments,
                build_dir=folder / "build",
                timescale=("1ns", "1ps"),
                always=True,
                log_file=folder / "build.log",
            )

    def run(self, jobs: Sequence[CoreJob]) -> list[CoreTrace]:
        """Run jobs one after another on the same core, which keeps its memories between them."""
        work = Path(tempfile.mkdtemp(prefix=f"run_{self._runs}_", dir=self._folder))
        self._runs += 1
        for index, job in enumerate(jobs):
            job.save(work / f"job_{index}.npz")
        with _tools(), _exit_as_error(work / "test.log"):
            self._runner.test(
                test_module="lstmith.host.core_bench",
                hdl_toplevel=self._toplevel,
                build_dir=self._folder / "build",
                test_dir=work,
                extra_env={"LSTMITH_JOBS": str(work), "COCOTB_LOG_LEVEL": "WARNING"},
                log_file=work / "test.log",
            )
        core_traces = [work / f"answer_{index}.npz" for index in range(len(jobs))]
        if missing := [path for path in core_traces if not path.exists()]:
            raise SimulationError(f"{len(missing)} of {len(jobs)} jobs did not finish, see {work / 'test.log'}")
        return [CoreTrace.load(path) for path in core_traces]


@contextmanager
def _tools() -> Iterator[None]:
    """The runner reads the environment of this process only."""
    before = dict(os.environ)
    os.environ.update(verilator_environment())
    # The simulator's Python must find this environment's packages even if it was not activated.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _exit_as_error(log: Path) -> Iterator[None]:
    """The runner ends the process when its tool fails; make that an exception."""
    try:
        yield
    except (SystemExit, RuntimeError):
        tail = log.read_text().splitlines()[-20:] if log.exists() else []
        raise SimulationError("\n".join([f"simulator failed, see {log}", *tail])) from None
    except FileNotFoundError as error:
        raise UserError(
            str(error.filename), "this program is not installed", "apt-get install iverilog g++ make"
        ) from None
