"""Attempts by number, several at a time."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lstmith.scripts.fuzz.attempts import Attempt

#: Of a number and a folder that nobody else uses: what the attempt is of, and what became of it.
Try = Callable[[int, Path], tuple[str, Attempt]]
#: What the processes of `run_attempts` run, and where: they are forked, and with it take over all that is prepared.
_running: list[tuple[Try, Path]] = []


def run_attempts(run: Try, numbers: Sequence[int], workers: int, work: Path) -> Iterator[tuple[int, str, Attempt]]:
    """Run all numbers, so many at a time; they come as they end.

    Parameters
    ----------
    run : callable
        May fork.
    numbers : sequence of int
    workers : int
        Processes.
    work : Path
        Where each attempt gets a folder.

    Yields
    ------
    number, kind, attempt
    """
    _running.append((run, work))
    try:
        with multiprocessing.get_context("fork").Pool(workers, initializer=_leave_stopping) as pool:
            yield from pool.imap_unordered(_numbered, numbers)
    finally:
        _running.pop()


def _leave_stopping() -> None:
    """Ctrl-C is the parent's, which ends these processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _numbered(number: int) -> tuple[int, str, Attempt]:
    run, work = _running[-1]
    with tempfile.TemporaryDirectory(dir=work) as name:
        return number, *run(number, Path(name))
