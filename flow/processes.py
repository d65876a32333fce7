"""External programs that end, with all their children, when this one is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


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
