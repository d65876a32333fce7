"""What a core answered to one sequence, step by step and layer by layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.golden.verdict import verdicts
from lstmith.host.jobs import EVENT_FIELDS, RESULT_FIELDS, SEQUENCE_SHIFT, CoreTrace
from lstmith.host.results import LayerResult
from lstmith.host.simulate import SimulationError
from lstmith.spec.codes import VERDICT_BITS, Verdict
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

#: What a skipped step repeats of a layer: h, c and the number of active units.
Held = tuple[IntArray, IntArray, int]


def of_sequence(core_trace: CoreTrace, turns: IntArray, sequence: int) -> CoreTrace:
    """What an answer to two sequences in turn says of one.

    Parameters
    ----------
    core_trace : CoreTrace
    turns : int64 [T]
        Which sequence each step belongs to.
    sequence : int

    Raises
    ------
    SimulationError
        If there is not an outcome for every step.
    """
    if len(core_trace.outcomes) != len(turns):
        raise SimulationError(f"{len(core_trace.outcomes)} outcomes of {len(turns)} steps")

    def own(rows: IntArray, layer: int) -> IntArray:
        mine = rows[rows[:, layer] >> SEQUENCE_SHIFT == sequence].copy()
        mine[:, layer] &= (1 << SEQUENCE_SHIFT) - 1
        return mine

    return CoreTrace(
        own(core_trace.results, RESULT_FIELDS.index("layer")),
        own(core_trace.events, EVENT_FIELDS.index("layer")),
        core_trace.outcomes[turns == sequence],
        core_trace.first_input,
        core_trace.reads,
    )


def read_layers(
    network: QuantNetwork, core_trace: CoreTrace, steps: int, before: list[Held] | None = None
) -> list[LayerResult]:
    """Every layer's results of one sequence, [1, T, ...].

    Parameters
    ----------
    network : QuantNetwork
    core_trace : CoreTrace
    steps : int
    before : list of (h, c, active units) or None
        Per layer, h and c int64 [H]: what a skipped first step repeats; only a continued sequence has one.

    Raises
    ------
    SimulationError
        If results or passes are missing or too many.
    """
    if len(core_trace.outcomes) != steps:
        raise SimulationError(f"{len(core_trace.outcomes)} outcomes of {steps} steps")
    skipped = core_trace.outcomes[:, 1] != 0
    return [
        _layer(layer, index, core_trace, skipped, None if before is None else before[index])
        for index, layer in enumerate(network.layers)
    ]


def read_cycles(network: QuantNetwork, core_trace: CoreTrace) -> npt.NDArray[np.int64]:
    """Cycles of each step, int64 [T], of two sequences in their turns; defined as by
    :class:`lstmith.golden.cycles.CycleModel`.
    """
    outcomes = core_trace.outcomes
    ends = outcomes[:, 0].copy()
    last = core_trace.events[core_trace.events[:, 1] & ((1 << SEQUENCE_SHIFT) - 1) == len(network.layers) - 1]
    ends[outcomes[:, 1] == 0] = last[:, 0]
    ends = np.maximum.accumulate(ends)
    begins = np.concatenate([[core_trace.first_input - 1], ends[:-1]])
    steps, first_inputs = core_trace.idle.T
    begins[steps] = first_inputs - 1
    cycles: npt.NDArray[np.int64] = ends - begins
    return cycles


def read_idle(core_trace: CoreTrace) -> npt.NDArray[np.bool_]:
    """Steps after the first that began in an idle engine, bool [T], as :class:`lstmith.golden.cycles.CycleModel` takes
    them.
    """
    idle = np.zeros(len(core_trace.outcomes), dtype=bool)
    idle[core_trace.idle[:, 0]] = True
    return idle


def _layer(
    layer: QuantLayer,
    index: int,
    core_trace: CoreTrace,
    skipped: npt.NDArray[np.bool_],
    before: Held | None,
) -> LayerResult:
    steps, computed = len(skipped), np.flatnonzero(~skipped)
    results = core_trace.results[core_trace.results[:, 2] == index]
    judges, told = layer.verdict is not Verdict.NONE, np.empty(0, dtype=np.int64)
    if judges:
        # A verdict stands behind the units of its step.
        ends = results[:, 3] != 0
        results, told = results[~ends], results[ends, 0] & ((1 << VERDICT_BITS) - 1)
    _, _, columns, digits, low, restart, active_index = core_trace.events[core_trace.events[:, 1] == index].T
    counts = np.array([layer.units, *layer.counts])
    if len(active_index) != len(computed):
        raise SimulationError(
            f"layer {index}: {len(active_index)} passes of {len(computed)} steps that were not skipped"
        )
    if active_index.size and active_index.max() >= len(counts):
        raise SimulationError(f"layer {index}: a pass with active count {active_index.max()} of {len(counts)}")
    units = counts[active_index]
    ends = np.cumsum(units)
    whole = len(told) == len(units) if judges else np.array_equal(np.flatnonzero(results[:, 3]), ends - 1)
    if len(results) != units.sum() or not whole:
        raise SimulationError(f"layer {index}: {len(results)} results, {units.sum()} were due, or another last unit")

    run = LayerResult.empty(layer, (1, steps))
    run.skipped[0] = skipped
    run.columns[0, computed], run.digits[0, computed], run.low[0, computed] = columns, digits, low
    run.restart[0, computed] = restart != 0
    idle = np.zeros(layer.units, dtype=np.int64) if layer.idle_h is None else layer.idle_h
    nothing = np.zeros_like(idle)
    held_h, held_c, held_units = (idle, nothing, layer.units) if before is None else before
    place = 0
    for t in range(steps):
        if not skipped[t]:
            held_units = int(units[place])
            given = results[ends[place] - held_units : ends[place]]
            held_h, held_c = (held_h.copy(), held_c.copy()) if layer.skims else (idle.copy(), nothing.copy())
            held_h[:held_units], held_c[:held_units] = given[:, 0], given[:, 1]
            place += 1
        run.verdict[0, t] = verdicts(layer, held_h) if skipped[t] or not judges else told[place - 1]
        run.h[0, t], run.c[0, t], run.active[0, t] = held_h, held_c, held_units
    return run
