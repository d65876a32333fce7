"""A run on a simulated core beside golden: the job, what it must answer, and the comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.config import EngineConfig
from lstmith.golden.cycles import CycleModel
from lstmith.golden.image import Image
from lstmith.golden.memory_map import Region, Register, address
from lstmith.golden.model import GoldenModel, LayerState, LayerTrace
from lstmith.golden.policy import Policy
from lstmith.golden.quantised import IntArray, QuantNetwork
from lstmith.host.jobs import Answer, Job, Write

#: Idle cycles around loading an h: the record is fetched first, the last value is encoded after.
LOAD_GAP = 20


@dataclass(frozen=True)
class Case:
    """One job and golden's answer.

    Attributes
    ----------
    label : str
        For messages.
    job : Job
    traces : list of LayerTrace
        One sequence.
    h, c : int64 [units]
        State of all units after the run.
    cycles : int64 [T] or None
        Per step; None where streams stall.
    """

    label: str
    job: Job
    traces: list[LayerTrace]
    h: IntArray
    c: IntArray
    cycles: npt.NDArray[np.int64] | None


def state_writes(states: list[tuple[IntArray, IntArray]]) -> list[Write]:
    """Bus writes that load h and c of every layer."""
    writes: list[Write] = []
    unit = 0
    for layer, (h, c) in enumerate(states):
        writes.append((address(Region.CONTROL, Register.LOAD), 1 + layer, LOAD_GAP))
        for index, (h_value, c_value) in enumerate(zip(h[0], c[0], strict=True)):
            writes.append((address(Region.CELL, unit + index), int(c_value) % (1 << 32), 0))
            writes.append((address(Region.HIDDEN, unit + index), int(h_value) % (1 << 32), 0))
        writes[-1] = (*writes[-1][:2], LOAD_GAP)
        writes.append((address(Region.CONTROL, Register.LOAD), 0, LOAD_GAP))
        unit += h.shape[1]
    return writes


def image_writes(image: Image, config: EngineConfig) -> list[Write]:
    """Bus writes that load a whole network; nothing has to wait between them."""
    return [(place, value, 0) for place, value in image.bus_writes(config)]


def policy_writes(image: Image) -> list[Write]:
    """Bus writes that change only the policy."""
    return [(place, value, 0) for place, value in image.policy_writes()]


def make_case(
    label: str,
    network: QuantNetwork,
    config: EngineConfig,
    traces: list[LayerTrace],
    state: list[LayerState],
    job: Job,
) -> Case:
    """Complete ``job`` (input, writes, flags, stalls) and keep golden's answer beside it."""
    units = sum(layer.units for layer in network.layers)
    every = Job(
        job.x,
        [*job.writes, (address(Region.CONTROL, Register.OUTPUT_ALL), 1, 0)],
        job.start,
        job.restart,
        results=units * len(job.x),
        reads=[address(region, unit) for region in (Region.HIDDEN, Region.CELL) for unit in range(units)],
        x_stall=job.x_stall,
        h_stall=job.h_stall,
        seed=job.seed,
    )
    cycles = None if job.x_stall or job.h_stall else CycleModel(network, config).cycles(traces)[0]
    h = np.concatenate([layer.h[0] for layer in state])
    c = np.concatenate([layer.c[0] for layer in state])
    return Case(label, every, traces, h, c, cycles)


def golden_case(
    label: str,
    model: GoldenModel,
    policies: list[Policy],
    job: Job,
    state: list[LayerState] | None = None,
) -> tuple[Case, list[LayerState]]:
    """Run golden on ``job``; returns the case and the state after it, to continue from."""
    state = model.zero_state(1) if state is None else state
    traces = model.run(job.x[None], policies, state, restart=job.start or job.restart)
    return make_case(label, model.network, model.config, traces, state, job), state


def differences(case: Case, answer: Answer) -> list[str]:
    """What of an answer differs from golden, a line each; empty if nothing does."""
    found: list[str] = []
    steps = len(case.job.x)

    def compare(name: str, have: npt.NDArray[np.generic], want: npt.NDArray[np.generic]) -> None:
        if have.shape != want.shape:
            found.append(f"{case.label}: {name} has shape {have.shape}, not {want.shape}")
        elif bad := int((have != want).sum()):
            first = tuple(int(index) for index in np.argwhere(have != want)[0])
            found.append(
                f"{case.label}: {name} differs in {bad} places, first {first}: {have[first]}, not {want[first]}"
            )

    for index, trace in enumerate(case.traces):
        results = answer.results[answer.results[:, 2] == index]
        units = trace.h.shape[2]
        last = np.tile(np.arange(units) == units - 1, steps)
        compare(f"layer {index} h", results[:, 0], trace.h[0].ravel())
        compare(f"layer {index} c", results[:, 1], trace.c[0].ravel())
        compare(f"layer {index} last", results[:, 3], last.astype(np.int64))
        events = answer.events[answer.events[:, 1] == index]
        compare(f"layer {index} columns", events[:, 2], trace.columns[0])
        compare(f"layer {index} restart", events[:, 3], trace.restart.astype(np.int64))
    compare("state read back", answer.reads, np.concatenate([case.h, case.c]))
    if case.cycles is not None:
        ends = answer.events[answer.events[:, 1] == len(case.traces) - 1][:, 0]
        compare("cycles", np.diff(ends, prepend=answer.first_input - 1), case.cycles)
    return found
