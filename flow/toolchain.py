"""Runs the tools, and reads what they report."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from lstmith.flow.processes import begin
from lstmith.flow.toolset import tool_path
from lstmith.spec.errors import UserError

#: Cells of synthesised netlists, by the resource they count as.
CELLS = {
    "luts": ("LUT4", "SB_LUT4", "LUT1", "LUT2", "LUT3", "TRELLIS_COMB", "ICESTORM_LC"),
    "carries": ("CCU2C", "SB_CARRY", "ALU", "CCU2"),
    "brams": ("DP16KD", "SB_RAM40_4K", "ICESTORM_RAM", "PDPSC16K", "DP16K", "SDPB", "SDPX9B", "DPB", "DPX9B", "SPX9"),
    "spram": ("SB_SPRAM256KA", "ICESTORM_SPRAM"),
    "dsps": ("MULT18X18D", "SB_MAC16", "ICESTORM_DSP", "MULT18X18", "MULT9X9", "MULT36X36", "MULTALU18X18"),
}
#: Families of cells that have many variants, by the start of their names.
CELL_STARTS = {
    "ffs": ("TRELLIS_FF", "SB_DFF", "DFF", "FD1P3"),
    "brams": ("PDPSC512K", "PDP16K"),
    "dsps": ("MULTADDSUB", "MULTPREADD", "MULT9X9", "MULT18X"),
}
#: Seconds from one look at what a program prints to the next.
_LOOK_SECONDS = 1
RESOURCES = ("luts", "carries", "ffs", "brams", "spram", "dsps")


class ToolError(Exception):
    """A tool failed; the message is one line that names its log."""


class HopelessError(ToolError):
    """A tool was stopped, since what it printed told that it would not end."""


class TimingError(UserError):
    """No seed met the clock; ``result`` holds what the best reached."""

    def __init__(self, problem: str, fix: str, result: dict[str, Any]):
        super().__init__(f"board {result['board']}", problem, fix)
        self.result = result


def run_tool(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    allowed: Sequence[int] = (0,),
    seconds: int | None = None,
    hopeless: Callable[[str], bool] | None = None,
) -> int:
    """Run a tool in a folder; what it prints goes to ``<name>.out`` there.

    Parameters
    ----------
    name : str
    arguments : sequence of str
    folder : Path
    allowed : sequence of int
        Exit codes that are no failure.
    seconds : int or None
        Of a processor, that it may take.
    hopeless : callable or None
        Looks at all that it has printed, each second and when it has ended; if true, it is stopped.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    ToolError
        If the exit code is not allowed, or it takes longer than it may.
    HopelessError
        If it was ``hopeless``.
    UserError
        If the tool is not installed, or too old.
    """
    log = folder / f"{name}.out"
    with log.open("w") as output:
        command = [str(tool_path(name)), *arguments]
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=partial(begin, seconds),  # noqa: PLW1509, as begin takes no lock
        )
        with process:
            try:
                code = process.wait() if hopeless is None else _watched(process, log, hopeless)
            except BaseException:
                process.kill()
                raise
    if seconds is not None and code == -signal.SIGXCPU:
        raise ToolError(f"{name} was not done after {seconds / 60:.2g} minutes of a processor, see {log}")
    if code not in allowed:
        # Under -q, yosys tells some errors only to the log it was asked to write.
        own = folder / f"{name}.log"
        told = own if own.exists() and not log.read_text(errors="replace").strip() else log
        raise ToolError(f"{name} failed ({first_error(told)}), see {told}")
    return code


def _watched(process: subprocess.Popen[bytes], log: Path, hopeless: Callable[[str], bool]) -> int:
    """The exit code of a program that is stopped if its log is hopeless, however late that is seen."""
    code = None
    while code is None:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(_LOOK_SECONDS)
        if hopeless(log.read_text(errors="replace")):
            raise HopelessError(f"{log.stem} would not end, see {log}")
    return code


@contextmanager
def workspace(prefix: str = "lstmith-build-") -> Iterator[Path]:
    """A temporary folder that stays if a tool fails or a clock is missed, since the message names the log in it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    except (ToolError, TimingError):
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def first_error(log: Path) -> str:
    """The first error that a tool printed, or its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "Error" in line]
    return (errors or lines[-1:] or ["no output"])[0]


def count_cells(cells: dict[str, int]) -> dict[str, int]:
    """Resources of a synthesised netlist.

    Parameters
    ----------
    cells : dict of str to int
        Number of cells by type.

    Returns
    -------
    dict of str to int
        By the names in ``RESOURCES``.
    """
    counts = dict.fromkeys(RESOURCES, 0)
    for kind, number in cells.items():
        exact = [resource for resource, kinds in CELLS.items() if kind in kinds]
        starts = [resource for resource, begins in CELL_STARTS.items() if kind.startswith(begins)]
        for resource in (exact or starts)[:1]:
            counts[resource] += number
    return counts


#: Lookup tables in cells of synthesised netlists; carries of iCE40 share a logic cell with theirs.
LOGIC = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4, "SB_LUT4": 1, "ALU": 1, "RAM16SDP4": 4} | {
    f"LUT{inputs}": 1 for inputs in range(1, 4)
}


def logic_cells(cells: dict[str, int]) -> int:
    """Lookup tables of a synthesised netlist, with those in carry chains and small memories, as nextpnr counts them.

    Parameters
    ----------
    cells : dict of str to int
        Number of cells by type.
    """
    return sum(LOGIC.get(kind, 0) * number for kind, number in cells.items())


def read_statistics(path: Path) -> dict[str, int]:
    """Cells by type, of yosys' ``stat -json``."""
    return dict(json.loads(path.read_text())["design"]["num_cells_by_type"])


def read_report(path: Path) -> dict[str, Any]:
    """nextpnr's ``--report``: its JSON."""
    return dict(json.loads(path.read_text()))
