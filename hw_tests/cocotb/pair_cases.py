"""A run of two sequences in turn beside golden: the job, what it must answer, and the comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerState
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.host.core_traces import of_sequence, read_cycles, read_layers
from lstmith.host.jobs import CoreJob, CoreTrace
from lstmith.host.results import LayerResult
from lstmith.host.sequences import make_turns
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray, QuantNetwork
from lstmith.spec.registers import Region, Register, address

PAIR = range(2)


@dataclass(frozen=True)
class Pair:
    """Two sequences and what golden says of them: per layer [2, T, ...], ``state`` as read back at the end."""

    label: str
    job: CoreJob
    lengths: list[int]
    network: QuantNetwork
    policies: list[Policy]
    layers: list[LayerResult]
    before: list[list[tuple[IntArray, IntArray, int]]]
    state: IntArray
    cycles: npt.NDArray[np.int64] | None

    def differences(self, core_trace: CoreTrace) -> list[str]:
        """What of an answer differs, a line each."""
        turns, found = np.array(self.job.turns), []
        for row, length in enumerate(self.lengths):
            have = read_layers(self.network, of_sequence(core_trace, turns, row), length, self.before[row])
            for index, (one, both) in enumerate(zip(have, self.layers, strict=True)):
                found += [
                    f"{self.label}: sequence {row} layer {index} {name}"
                    for name in vars(both)
                    if (getattr(one, name)[0] != getattr(both, name)[row, :length]).any()
                ]
        if (core_trace.reads != self.state).any():
            found.append(f"{self.label}: state read back")
        cycles = read_cycles(self.network, core_trace)
        if self.cycles is not None and (cycles != self.cycles).any():
            found.append(f"{self.label}: {cycles.tolist()} cycles, not {self.cycles.tolist()}")
        return found


def pair_case(
    label: str,
    model: GoldenModel,
    policies: list[Policy],
    x: npt.NDArray[np.int16],
    job: CoreJob,
    *,
    lengths: list[int],
    state: list[LayerState],
    hints: npt.NDArray[np.bool_],
) -> Pair:
    """Two sequences [2, T, I] with a job's writes, flags and stalls; ``state`` goes on, if they are equally long."""
    network, config = model.network, model.config
    before = [
        [(kept.h[row], kept.c[row], layer.units) for layer, kept in zip(network.layers, state, strict=True)]
        for row in PAIR
    ]
    begins = job.start or job.restart
    traces = model.run(x, policies, state, restart=begins, hints=hints)
    valid = np.arange(x.shape[1]) < np.array(lengths)[:, None]
    turns = make_turns(lengths)
    row, step = (np.array(column) for column in zip(*turns, strict=True))
    units = sum(layer.units for layer in network.layers)
    reads = [
        address(region, (sequence << config.unit_bits) + place)
        for sequence in PAIR
        for region in (Region.HIDDEN, Region.CELL)
        for place in range(units)
    ]
    ends = [
        getattr(trace, name)[sequence, lengths[sequence] - 1]
        for sequence in PAIR
        for name in ("h", "c")
        for trace in traces
    ]
    follows = policies[0].skip.hints
    cycles = CycleModel(network, config).cycles(traces, policies, hints, valid)[row, step]
    return Pair(
        label,
        replace(
            job,
            x=x[row, step],
            writes=[*job.writes, (address(Region.CONTROL, Register.OUTPUT_ALL), 1, 0)],
            turns=row.tolist(),
            marks=[bool(follows and hints[place] and not (begins and place[1] == 0)) for place in turns],
            reads=reads,
        ),
        lengths,
        network,
        policies,
        [LayerResult.of_trace(layer, trace, valid) for layer, trace in zip(network.layers, traces, strict=True)],
        before,
        np.concatenate(ends),
        None if job.stalls else cycles,
    )
