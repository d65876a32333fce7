"""One command in a forked process with limits, and what became of it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: What a command may take: seconds of the processor, and megabytes.
SECONDS, MEGABYTES = 10, 1024
#: Seconds by the clock after which a command that only waits is ended: the machine may have other work.
PATIENCE = 120
#: Nothing may take more address space than this; what counts is the memory in use.
_ADDRESSES = 8 << 30
_PAUSE = 0.005
#: What the child ends with, beside the command's own codes: done, but not right; nothing at all.
_WRONG, _BROKEN = 100, 101

#: Verdicts: ``refused`` and ``accepted`` are right; ``warned`` tells the user what only a programmer understands.
VERDICTS = ("refused", "accepted", "warned", "traceback", "hang", "memory", "wrong")


@dataclass(frozen=True)
class Attempt:
    """What became of a command: one of ``VERDICTS``, and what it told."""

    verdict: str
    told: str


def attempt(arguments: list[str], folder: Path, output: str, right: Callable[[Path], bool]) -> Attempt:
    """Runs a command of ``lstmith``.

    Parameters
    ----------
    arguments : list of str
    folder : Path
        Where it runs.
    output : str
        What it writes there, if it accepts its input; it must write nothing else.
    right : callable
        Whether an output that was written is whole.
    """
    told = folder / "told.txt"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        code = _BROKEN
        try:
            code = _child(arguments, folder, told, output, right)
        except Exception:  # With LSTMITH_DEBUG nothing turns it into a message.
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            # The parent's handlers and buffers are not this process's to run.
            os._exit(code)
    begin = time.monotonic()
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - begin > PATIENCE:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return Attempt("hang", "")
        time.sleep(_PAUSE)
    message = told.read_text(encoding="utf-8", errors="replace") if told.exists() else ""
    return Attempt(_verdict(status, used.ru_maxrss // 1024, message, (folder / output).exists()), message)


def _child(arguments: list[str], folder: Path, told: Path, output: str, right: Callable[[Path], bool]) -> int:
    from lstmith.cli.main import execute

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    os.chdir(folder)
    null, text = os.open(os.devnull, os.O_RDWR), os.open(told, os.O_WRONLY | os.O_CREAT)
    for stream, target in ((0, null), (1, null), (2, text)):
        os.dup2(target, stream)
    # Whoever started this may have put something else in their places.
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", closefd=False) for stream in (1, 2))
    code = execute(arguments)
    sys.stderr.flush()
    if code:
        return code
    return code if (folder / output).exists() and right(folder / output) else _WRONG


def _verdict(status: int, megabytes: int, told: str, written: bool) -> str:
    if os.WIFSIGNALED(status):
        return "hang" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else "traceback"
    code = os.WEXITSTATUS(status)
    if megabytes > MEGABYTES:
        return "memory"
    if "Traceback" in told or "internal error" in told or code not in (0, 2, _WRONG):
        return "traceback"
    if code == _WRONG or (code == 2 and (written or not told.strip())):
        return "wrong"
    if "Warning:" in told:
        return "warned"
    return "refused" if code else "accepted"
