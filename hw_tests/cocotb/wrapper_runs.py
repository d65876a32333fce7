"""Runs through a wrapper: what is written and sent, what must come out, and a simulator that does it.

A bench inside the simulator reads ``run_0.npz``, ... of a folder and writes ``seen_0.npz``, ... beside them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from cocotb_tools.runner import get_runner

from hw_tests.cocotb.core_cases import Case
from lstmith.host.jobs import CoreJob, CoreTrace
from lstmith.host.simulate import VERILATOR_OPTIONS
from lstmith.rtl.cells import cell_models
from lstmith.rtl.cores import core_verilog
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.register_map import Bus
from lstmith.spec.streams import H_USER, X_USER

IntArray = npt.NDArray[np.int64]
#: Columns of results: h, TUSER or what it would be, TLAST.
BEAT = ("value", "user", "end")
_X = {each.name: each for each in X_USER}
_H = {each.name: each for each in H_USER}


def x_user(**fields: int) -> int:
    """TUSER of an element."""
    return sum(int(value) << _X[name].bit for name, value in fields.items())


def h_user(**fields: int) -> int:
    """TUSER of a result."""
    return sum(int(value) << _H[name].bit for name, value in fields.items())


@dataclass(frozen=True)
class WrapperRun:
    """Writes, then a sequence or several, then reads.

    Attributes
    ----------
    label : str
    writes : list of (int, int)
        Word address and data, while the core is idle.
    x : int64 [elements, 4]
        Value, TUSER, TLAST, TDEST.
    beats : int64 [results, 3]
        ``BEAT`` of what must come out.
    stall : float
        Probability that a channel pauses in a cycle.
    seed : int
        Of the stalls.
    by_registers : bool
        x and h go through the registers X and H.
    cycles : int64 [steps] or None
        Cycles of each step, where nothing stalls and no step is skipped.
    """

    label: str
    writes: list[tuple[int, int]]
    x: IntArray
    beats: IntArray
    stall: float = 0.0
    seed: int = 0
    by_registers: bool = False
    cycles: IntArray | None = field(default=None)

    def save(self, path: Path) -> None:
        """Write what the bench needs."""
        writes = np.array(self.writes, dtype=np.int64).reshape(-1, 2)
        switches = [self.stall, float(self.by_registers)]
        np.savez(path, writes=writes, x=self.x, due=len(self.beats), switches=switches, seed=self.seed)


def wrapper_run(case: Case, *, stall: float, seed: int, by_registers: bool = False) -> WrapperRun:
    """A case of golden, sent as one sequence; every layer's h leaves.

    Parameters
    ----------
    case : Case
        Its job's flags tell how the sequence begins.
    stall : float
    seed : int
    by_registers : bool
    """
    job, elements, beats = case.job, [], []
    for t, step in enumerate(job.x.tolist()):
        mark, mask = bool(job.marks and job.marks[t]), job.active_indices[t] if job.active_indices else 0
        keep = t == 0 and not job.start and not job.restart
        values = [0] if mark else step
        user = x_user(restart=t == 0 and job.restart, mark=mark, keep=keep, mask=mask)
        # What stands beside other elements than a step's first one is not looked at.
        beside = [(user, 0, job.program), *[(0, 0, 0)] * (len(values) - 1)]
        elements += [[value, *others] for value, others in zip(values, beside, strict=True)]
        if case.layers[0].skipped[0, t]:
            beats.append([0, h_user(last=1, skipped=1), 0])
            continue
        for index, layer in enumerate(case.layers):
            active = int(layer.active[0, t])
            for unit in range(active):
                beats.append([int(layer.h[0, t, unit]), h_user(last=unit + 1 == active, layer=index), 0])
    elements[-1][2] = beats[-1][2] = 1
    writes = [(place, data) for place, data, _ in job.writes]
    cycles = None if stall or by_registers or case.layers[0].skipped.any() else case.cycles
    return WrapperRun(case.label, writes, np.array(elements), np.array(beats), stall, seed, by_registers, cycles)


class WrapperSimulation:
    """A core with a wrapper in a simulator.

    Parameters
    ----------
    config : EngineConfig
    bus : Bus
    simulator : str
    folder : Path
    image : MemoryImage or None
    """

    def __init__(self, config: EngineConfig, bus: Bus, simulator: str, folder: Path, image: MemoryImage | None = None):
        self._folder = folder
        text = core_verilog(config, image, bus=bus).text
        files = {"core.v": text, "core_cells.v": cell_models(text)}
        for name, content in files.items():
            (folder / name).write_text(content)
        self._runner = get_runner(simulator)
        self._runner.build(
            sources=[folder / name for name, content in files.items() if content],
            hdl_toplevel="lstmith_core",
            build_args=VERILATOR_OPTIONS if simulator == "verilator" else ("-g2005",),
            build_dir=folder / "build",
            timescale=("1ns", "1ps"),
            always=True,
            log_file=folder / "build.log",
        )

    def run(self, runs: Sequence[WrapperRun]) -> list[dict[str, IntArray]]:
        """What AXI's bench saw of each run: ``beats`` [results, 3] and ``cycles`` [results] of them, ``faults``."""
        work = Path(tempfile.mkdtemp(prefix="runs_", dir=self._folder))
        for index, run in enumerate(runs):
            run.save(work / f"run_{index}.npz")
        self._run_bench("axi_bench", work)
        seen = []
        for index in range(len(runs)):
            with np.load(work / f"seen_{index}.npz") as arrays:
                seen.append({name: arrays[name] for name in arrays.files})
        return seen

    def run_jobs(self, jobs: Sequence[CoreJob], by_registers: Sequence[bool], *, pipelined: bool) -> list[CoreTrace]:
        """What Wishbone's bench saw of each job, of a classic or a pipelined master."""
        work = Path(tempfile.mkdtemp(prefix="runs_", dir=self._folder))
        for index, (job, registers) in enumerate(zip(jobs, by_registers, strict=True)):
            job.save(work / f"run_{index}.npz")
            np.savez(work / f"how_{index}.npz", registers=registers)
        self._run_bench("wishbone_bench", work, LSTMITH_PIPELINED=str(int(pipelined)))
        return [CoreTrace.load(work / f"seen_{index}.npz") for index in range(len(jobs))]

    def _run_bench(self, bench: str, work: Path, **environment: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            # The runner hands sys.path on to the simulator, which imports the bench by name.
            patch.syspath_prepend(str(Path(__file__).parent))
            self._runner.test(
                test_module=bench,
                hdl_toplevel="lstmith_core",
                build_dir=self._folder / "build",
                test_dir=work,
                extra_env={"LSTMITH_RUNS": str(work), "COCOTB_LOG_LEVEL": "WARNING", **environment},
                log_file=work / "test.log",
            )


def beat_differences(runs: Sequence[WrapperRun], seen: Sequence[dict[str, IntArray]]) -> list[str]:
    """What came out otherwise than golden says, a line for each run."""
    found = []
    for run, have in zip(runs, seen, strict=True):
        beats = have["beats"].reshape(-1, len(BEAT)).copy()
        # The value of a skipped step means nothing.
        beats[beats[:, 1] & h_user(skipped=1) != 0, 0] = 0
        if beats.shape != run.beats.shape:
            found.append(f"{run.label}: {len(beats)} results, not {len(run.beats)}")
        elif (bad := np.argwhere(beats != run.beats)).size:
            place, column = bad[0]
            line = f"{BEAT[column]} of result {place} is {beats[place, column]}, not {run.beats[place, column]}"
            found.append(f"{run.label}: {len(bad)} differ, first {line}")
        elif run.cycles is not None:
            # The last result of each step: of the last layer, and the last of it.
            users = run.beats[:, 1] & h_user(last=1, layer=0xFF)
            steps = np.diff(have["cycles"][users == users.max()])
            if steps.tolist() != run.cycles[1:].tolist():
                found.append(f"{run.label}: steps take {steps.tolist()} cycles, not {run.cycles[1:].tolist()}")
        if have["faults"].size:
            found.append(f"{run.label}: {have['faults'].size} broken rules, the first {have['faults'][0]}")
    return found
