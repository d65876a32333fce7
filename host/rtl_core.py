"""The generated core in a simulator, as an engine: sequences in, the same results as every engine out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstmith.compiler.design import Design
from lstmith.host.compiled import CompiledSimulation
from lstmith.host.request import RunRequest
from lstmith.host.results import EngineRun
from lstmith.host.sequences import collect, job_rows, make_jobs
from lstmith.host.simulate import Simulation
from lstmith.spec.extras import require

Progress = Callable[[int], None]


class RtlCore:
    """A generated core, built once; each run may have its own policy.

    Icarus simulates the text that ``generate`` writes. For Verilator, which long runs take, the carry chains of vendor
    cells are plain sums, which makes a core of 64 lanes some twenty times as fast: :mod:`lstmith.rtl.prim.expressed`.

    Parameters
    ----------
    request : RunRequest
        Its design is generated; policies come with a run.
    simulator : str
        ``icarus`` or ``verilator``.
    folder : Path
        For the build.
    options : sequence of str
        More arguments of Icarus.
    """

    def __init__(self, request: RunRequest, simulator: str, folder: Path, options: Sequence[str] = ()):
        require("sim")
        # The hardware is imported by those who simulate it.
        from lstmith.rtl.array.weight_bank import initialised
        from lstmith.rtl.cells import cell_models
        from lstmith.rtl.cores import core_verilog
        from lstmith.rtl.prim.expressed import Expressed

        design = request.design
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "core.v"
        platform = Expressed() if simulator == "verilator" else None
        text = core_verilog(design.engine, design.image(), platform=platform).text
        source.write_text(text)
        models = []
        if cells := cell_models(text):
            models.append(folder / "core_cells.v")
            models[0].write_text(cells)
        # Memories that no bitstream can fill are filled through the bus, as a board does it.
        filled = initialised(depth=design.engine.weight_depth, family=design.engine.family)
        self._writes = [] if filled else _weights(design)
        self._simulation: CompiledSimulation | Simulation
        if simulator == "verilator":
            self._simulation = CompiledSimulation(source, design.engine, folder / "verilator", models=models)
        else:
            self._simulation = Simulation([source, *models], simulator, folder / simulator, options=options)

    def run(self, request: RunRequest, progress: Progress | None = None) -> EngineRun:
        """All sequences, one after another, or two by two where the core takes them in turn.

        Parameters
        ----------
        request : RunRequest
            Of the same design; its policies are written first.
        progress : callable or None
            Called with the number of finished sequences, where the simulator tells.
        """
        begun = time.perf_counter()
        groups = [make_jobs(request, rows) for rows in job_rows(request)]
        jobs = [job for group in groups for _, job in group]
        loads = [(where, value, 0) for where, value in self._writes]
        jobs[0] = replace(jobs[0], writes=loads + jobs[0].writes)
        if isinstance(self._simulation, CompiledSimulation):
            ended = np.cumsum([0, *(len(rows) for rows in job_rows(request))])
            every = len(groups[0])
            core_traces = self._simulation.run(jobs, progress and (lambda done: progress(int(ended[done // every]))))
        else:
            core_traces = self._simulation.run(jobs)
        seconds = time.perf_counter() - begun
        # Of runs whose states are taken over nothing is told but that they happened.
        return collect(request, core_traces[len(groups[0]) - 1 :: len(groups[0])], seconds)


def _weights(design: Design) -> list[tuple[int, int]]:
    return list(design.image().weight_writes(design.engine))
