"""One run of tests in a forked process, with a file of the package replaced in memory.

The process that forks has imported the libraries, but no module that may be mutated: a run pays for the project's
own modules and its tests alone. No file is written, so runs side by side do not meet and a stopped one leaves nothing.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import CodeType

import pytest

from lstmith import spec
from lstmith.scripts.mutation.claims import BLOCKS
from lstmith.scripts.mutation.mutants import told_scopes
from lstmith.scripts.mutation.recorder import Recorder

#: Libraries that nearly all tests import.
_LIBRARIES = ("numpy", "pytest", "hypothesis", "amaranth.hdl", "amaranth.sim", "amaranth.lib.memory", "onnx")
_PAUSE = 0.02


@dataclass(frozen=True)
class Job:
    """Tests to run.

    Attributes
    ----------
    key : str
        What the result is stored under.
    name : str
        For those who read the results.
    tests : tuple of str
        As pytest names them.
    limit : float
        Seconds of the processor before the run is ended; so many that other work of the machine does not count.
    patience : float
        Times the limit, by the clock, before a run that only waits is ended.
    replaced : tuple of Path and str, optional
        A file, and what it holds in this run.
    record : Path, optional
        Where the run writes which functions of the repository each test called.
    """

    key: str
    name: str
    tests: tuple[str, ...]
    limit: float
    patience: float
    replaced: tuple[Path, str] | None = None
    record: Path | None = None


@dataclass(frozen=True)
class Result:
    """What became of a job: ``passed``, ``failed`` or ``timed out``, and seconds of the processor."""

    verdict: str
    seconds: float


def warm() -> None:
    """Imports what every run needs; what is there now is not looked through again when a run collects garbage."""
    for name in _LIBRARIES:
        import_module(name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    for module in iter_modules(spec.__path__, f"{spec.__name__}."):
        import_module(module.name)
    gc.freeze()


def _load_by(change: Callable[[Path], str | None]) -> None:
    """Modules of files for which there is a changed text are made of that."""
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        file = Path(self.path).resolve()
        text = change(file)
        return original(self, fullname) if text is None else compile(text, str(file), "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]


def _telling(root: Path) -> None:
    """From now on, modules of the blocks tell which of their scopes run."""

    def text(file: Path) -> str | None:
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else ""
        return told_scopes(name, file.read_text(encoding="utf-8")) if name.startswith(BLOCKS) else None

    _load_by(text)


def _child(root: Path, job: Job, seed: int) -> int:
    """Runs the test; pytest's exit code."""
    os.setsid()
    seconds = math.ceil(job.limit)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.chdir(root)
    os.environ["LSTMITH_SEED"] = str(seed)
    sys.path.insert(0, str(root))
    # Libraries that are there already cannot be rewritten, and need not be.
    options = ["-q", "-W", "ignore::pytest.PytestAssertRewriteWarning", "-m", "(not slow or drawn) and not netlist"]
    options += ["-p", "no:cacheprovider", "-p", "no:xdist", *job.tests]
    if job.record is not None:
        _telling(root)
        return int(pytest.main(options, plugins=[Recorder(job.record)]))
    if job.replaced is not None:
        file, text = job.replaced
        _load_by(lambda loaded: text if loaded == file.resolve() else None)
    return int(pytest.main(["-x", *options]))


def _start(root: Path, job: Job, seed: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        code = _child(root, job, seed)
    finally:
        # The parent's handlers and buffers are not this process's to run.
        os._exit(code)


def run(root: Path, jobs: Iterator[Job], *, seed: int, workers: int) -> Iterator[tuple[Job, Result]]:
    """Results of jobs, in the order in which they end.

    Parameters
    ----------
    root : Path
        Folder of the repository.
    jobs : iterator of Job
    seed : int
        Of random tests, the same for all.
    workers : int
        Processes at a time.

    Yields
    ------
    tuple of Job, Result
    """
    running: dict[int, tuple[Job, float]] = {}
    waiting = next(jobs, None)
    try:
        while running or waiting is not None:
            while waiting is not None and len(running) < workers:
                running[_start(root, waiting, seed)] = waiting, time.monotonic()
                waiting = next(jobs, None)
            time.sleep(_PAUSE)
            for pid, (job, since) in list(running.items()):
                ended, status, used = os.wait4(pid, os.WNOHANG)
                if ended:
                    del running[pid]
                    late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
                    verdict = "timed out" if late else "failed" if status else "passed"
                    yield job, Result(verdict, used.ru_utime + used.ru_stime)
                elif time.monotonic() - since > job.patience * job.limit:
                    _end(pid)
                    del running[pid]
                    yield job, Result("timed out", job.limit)
    finally:
        for pid in running:
            _end(pid)


def _end(pid: int) -> None:
    """Ends a run and what it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # It has not made its own group yet.
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
