"""The generated core in a simulator, as an engine: sequences in, the same results as every engine out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstmith.golden.image import build_image
from lstmith.golden.memory_map import Region, Register, address
from lstmith.rtl.top import to_verilog

from .compiled import CompiledSimulation
from .jobs import Answer, Job, Write
from .problem import Problem
from .results import EngineRun, LayerRun, real_h
from .simulate import Simulation, SimulationError

#: Idle cycles the core needs to fetch a layer's record, and to encode one loaded h.
SELECT_IDLE, HIDDEN_IDLE = 20, 4

Progress = Callable[[int], None]


class RtlCore:
    """A generated core, built once; each run may have its own policy.

    Parameters
    ----------
    problem : Problem
        Its design is generated, its policies are the image's.
    simulator : str
        ``icarus`` or ``verilator``.
    folder : Path
        For the build.
    """

    def __init__(self, problem: Problem, simulator: str, folder: Path):
        design = problem.design
        image = build_image(design.network, design.engine, problem.policies)
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "core.v"
        # Without the family's cells, which simulators do not know and which may not be initialised;
        # the netlist tests hold the two together.
        source.write_text(to_verilog(replace(design.engine, family="generic"), image))
        self._simulation: CompiledSimulation | Simulation
        if simulator == "verilator":
            self._simulation = CompiledSimulation(source, design.engine, folder / "verilator")
        else:
            self._simulation = Simulation([source], simulator, folder / simulator)

    def run(self, problem: Problem, progress: Progress | None = None) -> EngineRun:
        """All sequences, one after another.

        Parameters
        ----------
        problem : Problem
            Of the same design; its policies are written first.
        progress : callable or None
            Called with the number of finished sequences, where the simulator tells.
        """
        begun = time.perf_counter()
        jobs = [_job(problem, index) for index in range(len(problem.x))]
        if isinstance(self._simulation, CompiledSimulation):
            answers = self._simulation.run(jobs, progress)
        else:
            answers = self._simulation.run(jobs)
        seconds = time.perf_counter() - begun
        return _collect(problem, answers, seconds)


def _job(problem: Problem, index: int) -> Job:
    network, engine = problem.design.network, problem.design.engine
    steps = int(problem.lengths[index])
    image = build_image(network, engine, problem.policies)
    writes: list[Write] = [(where, value, 0) for where, value in image.policy_writes()] if index == 0 else []
    writes.append((address(Region.CONTROL, Register.OUTPUT_ALL), 1, 0))
    if problem.state is not None:
        writes += _state_writes(problem, index)
    return Job(
        problem.x[index, :steps],
        writes,
        start=problem.state is None,
        restart=problem.state is not None,
        results=steps * sum(layer.units for layer in network.layers),
    )


def _state_writes(problem: Problem, index: int) -> list[Write]:
    """Load every layer's h, which the core encodes on the way, and c."""
    assert problem.state is not None
    load = address(Region.CONTROL, Register.LOAD)
    writes: list[Write] = []
    base = 0
    for layer, (h, c) in enumerate(problem.state):
        writes.append((load, 1 + layer, SELECT_IDLE))
        for unit, value in enumerate(h[index].tolist()):
            writes.append((address(Region.HIDDEN, base + unit), value % (1 << 32), HIDDEN_IDLE))
        writes.append((load, 0, SELECT_IDLE))
        for unit, value in enumerate(c[index].tolist()):
            writes.append((address(Region.CELL, base + unit), value % (1 << 32), 0))
        base += h.shape[1]
    return writes


def _collect(problem: Problem, answers: list[Answer], seconds: float) -> EngineRun:
    network = problem.design.network
    shape = problem.x.shape[:2]
    cycles = np.zeros(shape, dtype=np.int64)
    layers = [
        LayerRun(
            np.zeros((*shape, layer.units), dtype=np.int64),
            np.zeros((*shape, layer.units), dtype=np.int64),
            np.zeros(shape, dtype=np.int64),
            np.zeros(shape, dtype=bool),
        )
        for layer in network.layers
    ]
    for row, answer in enumerate(answers):
        steps = int(problem.lengths[row])
        for index, layer in enumerate(layers):
            results = answer.results[answer.results[:, 2] == index]
            events = answer.events[answer.events[:, 1] == index]
            if len(events) != steps or len(results) != steps * layer.h.shape[2]:
                raise SimulationError(
                    f"sequence {row}, layer {index}: {len(results)} results and {len(events)} passes of {steps} steps"
                )
            layer.h[row, :steps] = results[:, 0].reshape(steps, -1)
            layer.c[row, :steps] = results[:, 1].reshape(steps, -1)
            layer.columns[row, :steps] = events[:, 2]
            layer.restart[row, :steps] = events[:, 3] != 0
        ends = answer.events[answer.events[:, 1] == len(layers) - 1, 0]
        cycles[row, :steps] = np.diff(ends, prepend=answer.first_input - 1)
    return EngineRun(network, tuple(layers), cycles, real_h(layers[-1].h), problem.valid, seconds)
