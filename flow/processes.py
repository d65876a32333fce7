"""External programs that end, with all their children, when this one is interrupted."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Of prctl(2): the signal that a process gets when its parent ends.
_PDEATHSIG = 1
#: Seconds of a processor that a program has to end by itself.
_GRACE = 10
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def begin(seconds: int | None) -> None:
    """For ``preexec_fn``: the program ends when its parent does, also by kill -9; on Linux alone.

    A worker that is given up would otherwise leave a placement behind that goes on for minutes, for nobody.

    Parameters
    ----------
    seconds : int or None
        Of a processor, after which it gets SIGXCPU.
    """
    if _libc is not None:
        _libc.prctl(_PDEATHSIG, signal.SIGKILL)
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + _GRACE))


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A program in a process group of its own, its output and errors in one pipe; ``folder`` is where it works.

    A compiler driver's children would otherwise outlive it and write into a folder that is being removed.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with process:
        try:
            yield process
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def processor_seconds() -> float:
    """Processor seconds of all programs that this process ran to their end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
