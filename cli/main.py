"""The command line ``lstmith``; the one place where errors become messages and exit codes.

0 done; 2 the user's input is wrong, or Ctrl-C; 1 anything else. ``LSTMITH_DEBUG=1`` shows tracebacks.
"""

from __future__ import annotations

import errno
import importlib.metadata
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from lstmith.cli.lazy import CommandTable
from lstmith.spec.errors import UserError
from lstmith.spec.extras import extra_of, not_installed

#: Set by the shell when it asks for completions.
COMPLETION = "_LSTMITH_COMPLETE"

app = typer.Typer(
    name="lstmith",
    help="LSTM inference cores for FPGAs, from a trained model.",
    cls=CommandTable,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"lstmith {importlib.metadata.version('lstmith')}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


DONE, FAILED, WRONG_INPUT = 0, 1, 2

# Typer's exception for wrong options, which it does not export by name.
UsageError = typer.BadParameter.__base__


INTERRUPTED = "interrupted: nothing was written; start the command again"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Interrupt:
    """Ctrl-C once: later ones must not disturb the cleaning up."""

    def __init__(self) -> None:
        self.happened = False

    def __enter__(self) -> _Interrupt:
        self._before = [signal.signal(number, self._handle) for number in _SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> NoReturn:
        self.happened = True
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt


def main() -> NoReturn:
    """Entry point of the program."""
    if COMPLETION in os.environ:
        sys.exit(guard(lambda: app(prog_name="lstmith")))
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name.

    Returns
    -------
    int
        The exit code; a failure has been told on standard error in one line.
    """

    def invoke() -> None:
        root = typer.main.get_command(app)
        with root.make_context("lstmith", list(arguments) or ["--help"]) as context:
            root.invoke(context)

    return guard(invoke)


def guard(action: Callable[[], None]) -> int:
    """Run something and turn whatever it raises into a message and an exit code."""
    with _Interrupt() as interrupt:
        try:
            action()
        except typer.Exit as end:
            return int(end.exit_code)
        except UserError as error:
            return _tell(str(error), WRONG_INPUT)
        except UsageError as error:  # type: ignore[misc]
            return _tell(_usage(error), WRONG_INPUT)
        except KeyboardInterrupt as stop:
            return _tell(str(stop) or INTERRUPTED, WRONG_INPUT)
        except BrokenPipeError:
            # Whoever read the output has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Exception as error:
            if interrupt.happened:
                # A tool noticed the signal in its own way.
                return _tell(INTERRUPTED, WRONG_INPUT)
            if os.environ.get("LSTMITH_DEBUG"):
                raise
            if known := _environment(error):
                return _tell(known, WRONG_INPUT)
            return _tell(f"internal error: {type(error).__name__}: {error}; set LSTMITH_DEBUG=1 for details", FAILED)
    return DONE


def _environment(error: Exception) -> str | None:
    """What the user can do about an error that is the machine's: a package that is missing, or a full disk."""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if extra := extra_of(package):
            return str(not_installed(package, extra))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = error.filename or tempfile.gettempdir()
        return f"{place}: no space is left there; free some, or set TMPDIR to a folder on another disk"
    return None


def _usage(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "lstmith"
    message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    return f"{path.removeprefix('lstmith ')}: {message}; see '{path} --help'"


def _tell(message: str, code: int) -> int:
    print(f"lstmith: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
