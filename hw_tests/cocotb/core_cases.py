"""A run on a simulated core beside golden: the job, what it must answer, and the comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerState
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.host.activity import Activity, count_activity
from lstmith.host.core_traces import Held, read_cycles, read_layers
from lstmith.host.jobs import CoreJob, CoreTrace, Write
from lstmith.host.request import chosen_index
from lstmith.host.results import LayerResult
from lstmith.host.simulate import SimulationError
from lstmith.rtl.cells import cell_models
from lstmith.rtl.cores import to_verilog
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import core_map
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray, QuantNetwork
from lstmith.spec.registers import Region, Register, address

#: Idle cycles around loading an h: the record is fetched first, the last value is encoded after.
LOAD_GAP = 20
#: Counters that every case reads, in this order; they run on from job to job.
COUNTERS = (Register.WORDS_4, Register.WORDS_8, Register.WORDS_16, Register.SKIPPED, Register.RESTARTS)


@dataclass(frozen=True)
class Case:
    """One job and golden's answer.

    Attributes
    ----------
    label : str
        For messages.
    job : CoreJob
    network : QuantNetwork
    policies : list of Policy
        One per layer.
    layers : list of LayerResult
        One sequence.
    before : list of (h, c, active units)
        Per layer, int64 [H]: what a skipped first step repeats.
    state : int64 [units in use, h then c]
        Of all units after the run.
    cycles : int64 [T] or None
        Per step; None where streams stall.
    activity : Activity
        What the core did.
    uncounted : frozenset of Register
        Counters that the core was not built with.
    """

    label: str
    job: CoreJob
    network: QuantNetwork
    policies: list[Policy]
    layers: list[LayerResult]
    before: list[Held]
    state: IntArray
    cycles: npt.NDArray[np.int64] | None
    activity: Activity
    uncounted: frozenset[Register] = frozenset()

    @property
    def counts(self) -> list[int]:
        """What ``COUNTERS`` must have grown by; one that is not there reads as zero."""
        activity = self.activity
        counts = (*activity.words.values(), activity.skipped_steps, activity.restarts)
        return [0 if register in self.uncounted else count for register, count in zip(COUNTERS, counts, strict=True)]


def core_files(config: EngineConfig, folder: Path, image: MemoryImage | None = None) -> list[Path]:
    """Verilog of a core, and models of the vendor's cells that it uses, as files for a simulator."""
    text = to_verilog(config, image)
    files = {"core.v": text, "core_cells.v": cell_models(text)}
    for name, content in files.items():
        (folder / name).write_text(content)
    return [folder / name for name, content in files.items() if content]


def state_writes(
    network: QuantNetwork,
    states: list[tuple[IntArray, IntArray]],
    active_index: int = 0,
    *,
    place: int = 0,
    program: int = 0,
) -> list[Write]:
    """Bus writes that load h and c (int64 [1, H] each) of every layer of a program at an active count's index."""
    writes: list[Write] = []
    begin, select = place, (active_index << 8) + (program << 20)
    for index, (layer, (h, c)) in enumerate(zip(network.layers, states, strict=True)):
        writes.append((address(Region.CONTROL, Register.LOAD), 1 + index + select, LOAD_GAP))
        for unit in range(layer.with_state(active_index)):
            writes.append((address(Region.CELL, begin + unit), int(c[0, unit]) % (1 << 32), 0))
            writes.append((address(Region.HIDDEN, begin + unit), int(h[0, unit]) % (1 << 32), 0))
        writes[-1] = (*writes[-1][:2], LOAD_GAP)
        writes.append((address(Region.CONTROL, Register.LOAD), 0, LOAD_GAP))
        begin += layer.units
    return writes


def image_writes(image: MemoryImage, config: EngineConfig) -> list[Write]:
    """Bus writes that load a whole network; nothing has to wait between them."""
    return [(place, value, 0) for place, value in image.bus_writes(config)]


def policy_writes(image: MemoryImage) -> list[Write]:
    """Bus writes that change only the policy."""
    return [(place, value, 0) for place, value in image.policy_writes()]


def golden_case(
    label: str,
    model: GoldenModel,
    policies: list[Policy],
    job: CoreJob,
    state: list[LayerState] | None = None,
    hints: npt.NDArray[np.bool_] | None = None,
    *,
    place: int = 0,
) -> tuple[Case, list[LayerState]]:
    """Run golden on ``job``; returns the case and the state after it, to continue from.

    Parameters
    ----------
    label : str
    model : GoldenModel
    policies : list of Policy
    job : CoreJob
        Input, writes, flags, masks (empty for the policy's) and stalls; marks and reads are added here.
    state : list of LayerState or None
    hints : bool [T] or None
    place : int
        Of the first unit's state.
    """
    network, config, steps = model.network, model.config, len(job.x)
    state = model.zero_state(1) if state is None else state
    begins = job.start or job.restart
    hints = np.zeros(steps, dtype=bool) if hints is None else hints
    active_indices = job.active_indices or [chosen_index(network, policies)] * steps
    before = [
        (_shown(network, state, index), layer.c[0], network.layers[index].active(int(layer.active_index[0])))
        for index, layer in enumerate(state)
    ]
    traces = model.run(
        job.x[None],
        policies,
        state,
        restart=begins,
        hints=hints[None],
        active_indices=np.array(active_indices, dtype=np.int64)[None],
    )
    valid = np.ones((1, steps), dtype=bool)
    idle = np.array([job.rests or [False] * steps])
    follows = policies[0].skip.hints
    # Where the first layer's units begin, and how many are in use.
    bases = np.cumsum([place, *(layer.units for layer in network.layers)]).tolist()
    used = [layer.with_state(int(kept.active_index[0])) for layer, kept in zip(network.layers, state, strict=True)]
    places = [base + unit for base, count in zip(bases, used, strict=False) for unit in range(count)]
    every = replace(
        job,
        writes=[*job.writes, (address(Region.CONTROL, Register.OUTPUT_ALL), 1, 0)],
        marks=[bool(follows and hint and not (begins and t == 0)) for t, hint in enumerate(hints.tolist())],
        active_indices=active_indices,
        reads=[address(region, place) for region in (Region.HIDDEN, Region.CELL) for place in places]
        + [address(Region.CONTROL, register) for register in COUNTERS],
    )
    if config.fixed:
        # It has no bus, and sends the h of every layer.
        every, used = replace(every, writes=[], reads=[]), [0] * len(used)
    case = Case(
        label=label,
        job=every,
        network=network,
        policies=policies,
        layers=[LayerResult.of_trace(layer, trace, valid) for layer, trace in zip(network.layers, traces, strict=True)],
        before=before,
        state=np.concatenate(
            [getattr(kept, name)[0, :count] for name in ("h", "c") for kept, count in zip(state, used, strict=True)]
        ),
        cycles=None if job.stalls else CycleModel(network, config).cycles(traces, policies, hints[None], idle=idle)[0],
        activity=count_activity(network, config, traces, valid),
        uncounted=frozenset(COUNTERS) - {entry.register for entry in core_map(config).entries},
    )
    return case, state


def _shown(network: QuantNetwork, state: list[LayerState], index: int) -> IntArray:
    """h of a layer with what its dropped units count as, int64 [H]."""
    layer, kept = network.layers[index], state[index]
    active = np.arange(layer.units) < layer.with_state(int(kept.active_index[0]))
    shown: IntArray = np.where(active, kept.h[0], 0 if layer.idle_h is None else layer.idle_h)
    return shown


def differences(case: Case, core_trace: CoreTrace) -> list[str]:
    """What of an answer differs from golden, a line each; empty if nothing does."""
    found: list[str] = []

    def compare(name: str, have: npt.NDArray[np.generic], want: npt.NDArray[np.generic]) -> None:
        if have.shape != want.shape:
            found.append(f"{case.label}: {name} has shape {have.shape}, not {want.shape}")
        elif bad := int((have != want).sum()):
            first = tuple(int(index) for index in np.argwhere(have != want)[0])
            found.append(
                f"{case.label}: {name} differs in {bad} places, first {first}: {have[first]}, not {want[first]}"
            )

    try:
        layers = read_layers(case.network, core_trace, len(case.job.x), case.before)
    except SimulationError as error:
        return [f"{case.label}: {error}"]
    for index, (have, want) in enumerate(zip(layers, case.layers, strict=True)):
        for name in vars(want):
            compare(f"layer {index} {name}", getattr(have, name)[0], getattr(want, name)[0])
    compare("state read back", core_trace.reads[: len(case.state)], case.state)
    if case.cycles is not None:
        compare("cycles", read_cycles(case.network, core_trace), case.cycles)
    return found


def counter_differences(cases: list[Case], core_traces: list[CoreTrace]) -> list[str]:
    """Where the core's counters grew otherwise than golden says, from job to job on the same core."""
    found: list[str] = []
    before = np.zeros(len(COUNTERS), dtype=np.int64)
    for case, core_trace in zip(cases, core_traces, strict=True):
        have = core_trace.reads[len(case.state) :]
        if (have - before).tolist() != case.counts:
            names = [register.name for register in COUNTERS]
            found.append(f"{case.label}: counters {names} grew by {(have - before).tolist()}, not {case.counts}")
        before = have
    return found
