"""Sequences as a core takes them, and what it answers as an engine's results: the same for simulators and boards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lstmith.host.core_traces import of_sequence, read_cycles, read_idle, read_layers
from lstmith.host.jobs import CoreJob, CoreTrace, Write
from lstmith.host.request import RunRequest, chosen_index
from lstmith.host.results import EngineRun, LayerResult, real_h
from lstmith.host.simulate import SimulationError
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray, QuantNetwork
from lstmith.spec.registers import LOAD_IDLE, Region, Register, address

#: Idle cycles the core needs to encode one loaded h.
HIDDEN_IDLE = 4
#: Where the register LOAD takes the active count's index, the sequence, and the program.
LOAD_ACTIVE_SHIFT, LOAD_SEQUENCE_SHIFT, LOAD_PROGRAM_SHIFT = 8, 16, 20


def job_rows(request: RunRequest) -> list[list[int]]:
    """Which sequences a core runs together: one after another, or each with the next one in turn."""
    together, count = request.design.engine.sequences, len(request.x)
    return [list(range(first, min(first + together, count))) for first in range(0, count, together)]


def make_turns(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """(sequence, step) in the order of the stream, of sequences of these lengths; the longest one ends alone."""
    return [(turn, t) for t in range(max(lengths)) for turn, length in enumerate(lengths) if t < length]


def make_jobs(request: RunRequest, rows: list[int]) -> list[tuple[QuantNetwork, CoreJob]]:
    """Sequences that run together, behind those of the runs whose states they take over, in order."""
    before = [] if request.after is None else make_jobs(request.after, rows)
    return [*before, (request.design.network, make_job(request, rows))]


def make_job(request: RunRequest, rows: list[int]) -> CoreJob:
    """Sequences that run together, as a core takes them; the first ones bring the policies."""
    design = request.design
    network, engine = design.network, design.engine
    turns = make_turns([int(request.lengths[row]) for row in rows])
    row = np.array([rows[turn] for turn, _ in turns])
    step = np.array([t for _, t in turns])
    writes: list[Write] = []
    # A fixed core has its policy, and sends the h of every layer.
    if rows[0] == 0 and not engine.fixed:
        writes += [(where, value, 0) for where, value in design.image(request.policies).policy_writes(design.program)]
    if not engine.fixed:
        writes.append((address(Region.CONTROL, Register.OUTPUT_ALL), 1, 0))
    if request.state is not None:
        active_index = chosen_index(network, request.policies)
        for turn, index in enumerate(rows):
            states = [(h[index], c[index]) for h, c in request.state]
            place = (turn << engine.unit_bits) + design.place
            writes += state_writes(network, states, active_index, turn, place, design.program)
    marks = np.array([sent_marks(request.policies, request.hints[index]) for index in rows])
    return CoreJob(
        request.x[row, step],
        writes,
        start=request.state is None and request.after is None,
        restart=request.state is not None or request.after is not None,
        marks=[bool(marks[turn, t]) for turn, t in turns],
        active_indices=request.active_indices[row, step].tolist(),
        turns=[turn for turn, _ in turns],
        program=design.program,
    )


def sent_marks(policies: list[Policy], hints: npt.NDArray[np.bool_]) -> list[bool]:
    """Steps of a sequence to send as marks, from its hints, bool [T]: never the first."""
    follows = policies[0].skip.hints
    return [bool(follows and hint and t) for t, hint in enumerate(hints.tolist())]


def state_writes(
    network: QuantNetwork,
    states: list[tuple[IntArray, IntArray]],
    active_index: int = 0,
    sequence: int = 0,
    place: int = 0,
    program: int = 0,
) -> list[Write]:
    """Bus writes that load every layer's h, which the core encodes on the way, and c.

    Parameters
    ----------
    network : QuantNetwork
    states : list of (h, c)
        Per layer, int64 [H] each; of dropped units nothing is written but a zero cell. A network that skims drops none.
    active_index : int
        Index of the active count.
    sequence : int
        Of an engine with two: which of them.
    place : int
        Of the first unit, in the state memories.
    program : int
        Whose descriptors tell how h is listed.
    """
    load = address(Region.CONTROL, Register.LOAD)
    active_index = 0 if network.skims else active_index
    writes: list[Write] = []
    select = (active_index << LOAD_ACTIVE_SHIFT) + (sequence << LOAD_SEQUENCE_SHIFT) + (program << LOAD_PROGRAM_SHIFT)
    for index, (layer, (h, c)) in enumerate(zip(network.layers, states, strict=True)):
        active = layer.with_state(active_index)
        writes.append((load, 1 + index + select, LOAD_IDLE))
        for unit, value in enumerate(h[:active].tolist()):
            writes.append((address(Region.HIDDEN, place + unit), value % (1 << 32), HIDDEN_IDLE))
        writes.append((load, 0, LOAD_IDLE))
        for unit, value in enumerate(c.tolist()):
            writes.append((address(Region.CELL, place + unit), value * (unit < active) % (1 << 32), 0))
        place += layer.units
    return writes


def collect(request: RunRequest, core_traces: list[CoreTrace], seconds: float) -> EngineRun:
    """What a core answered to all sequences.

    Raises
    ------
    SimulationError
        If results are missing.
    """
    network = request.design.network
    sequences, longest = request.x.shape[:2]
    shape = (sequences, longest)
    cycles, idle = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    layers = [LayerResult.empty(layer, shape) for layer in network.layers]
    for rows, core_trace in zip(job_rows(request), core_traces, strict=True):
        turns = np.array([turn for turn, _ in make_turns([int(request.lengths[row]) for row in rows])])
        for turn, row in enumerate(rows):
            steps = int(request.lengths[row])
            try:
                found = read_layers(network, of_sequence(core_trace, turns, turn), steps)
            except SimulationError as error:
                raise SimulationError(f"sequence {row}, {error}") from None
            for layer, one in zip(layers, found, strict=True):
                for name, values in vars(one).items():
                    getattr(layer, name)[row, :steps] = values[0]
            cycles[row, :steps] = read_cycles(network, core_trace)[turns == turn]
            idle[row, :steps] = read_idle(core_trace)[turns == turn]
    h = real_h(network, layers[-1].h)
    return EngineRun(network, request.design.engine, tuple(layers), cycles, h, request.valid, seconds, idle=idle)
