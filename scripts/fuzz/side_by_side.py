"""Attempts by number, several at a time."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator

from lstmith.scripts.fuzz.attempts import Attempt

#: What an attempt is of, and what became of it.
Try = Callable[[int], tuple[str, Attempt]]
#: What the processes of `run_attempts` run: they are forked, and with it take over all that is imported and prepared.
_running: list[Try] = []


def run_attempts(run: Try, numbers: range, workers: int) -> Iterator[tuple[int, str, Attempt]]:
    """Run all numbers, so many at a time; they come as they end.

    Parameters
    ----------
    run : callable
        May fork.
    numbers : range
    workers : int
        Processes.

    Yields
    ------
    number, kind, attempt
    """
    _running.append(run)
    try:
        with multiprocessing.get_context("fork").Pool(workers, initializer=_leave_stopping) as pool:
            yield from pool.imap_unordered(_numbered, numbers)
    finally:
        _running.pop()


def _leave_stopping() -> None:
    """Ctrl-C is the parent's, which ends these processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _numbered(number: int) -> tuple[int, str, Attempt]:
    return number, *_running[-1](number)
