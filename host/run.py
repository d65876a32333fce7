"""Runs a design on any engine and compares it with the golden model and with float."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.compiler.quantise.encode import encode_state
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatTrace, run_float
from lstmith.golden.verdict import verdicts
from lstmith.host.activity import count_activity
from lstmith.host.energy import DEFAULT, estimate_energy
from lstmith.host.numbers import count_saturation, remarks
from lstmith.host.request import RunRequest
from lstmith.host.results import BoolArray, EngineRun, LayerResult, cycle_figures, mismatches, real_h, utilisation
from lstmith.host.rtl_core import Progress, RtlCore
from lstmith.host.simulate import SIMULATORS
from lstmith.spec.policy_file import describe_policy

ENGINES = ("float", "golden", *SIMULATORS, "board")


def run_engine(request: RunRequest, engine: str, progress: Progress | None = None) -> EngineRun:
    """Run all sequences of a problem.

    Parameters
    ----------
    request : RunRequest
    engine : str
        One of ``ENGINES`` but ``board``, which :class:`lstmith.host.accelerator.Accelerator` runs on.
    progress : callable or None
        Called with the number of finished sequences, where the engine tells.

    Raises
    ------
    UserError
        If a tool that the engine needs is missing.
    """
    if engine == "float":
        return run_in_float(request)
    if engine == "golden":
        return run_golden(request)
    if engine not in SIMULATORS:
        raise ValueError(f"Engine must be one of float, golden, {', '.join(SIMULATORS)}, not {engine!r}")
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
        return RtlCore(request, engine, Path(folder)).run(request, progress)


def run_golden(request: RunRequest, idle: BoolArray | None = None) -> EngineRun:
    """The exact model, with predicted cycles.

    Parameters
    ----------
    request : RunRequest
    idle : bool [N, T] or None
        Steps that begin in an idle engine: ``EngineRun.idle`` of an engine whose input comes over a wire.
    """
    network, config = request.design.network, request.design.engine
    begun = time.perf_counter()
    model = GoldenModel(network, config)
    state = None if request.state is None else model.loaded_state(request.policies, request.state)
    if request.after is not None:
        state = model.resumed_state(request.policies, run_golden(request.after).final_states())
    hints, valid = request.hints, request.valid
    traces = model.run(request.x, request.policies, state, hints=hints, active_indices=request.active_indices)
    seconds = time.perf_counter() - begun
    breakdown = CycleModel(network, config).breakdown(traces, request.policies, hints, valid, idle)
    layers = tuple(
        LayerResult.of_trace(layer, trace, valid) for layer, trace in zip(network.layers, traces, strict=True)
    )
    activity = count_activity(network, config, traces, valid)
    h = real_h(network, layers[-1].h)
    return EngineRun(
        network,
        config,
        layers,
        breakdown.cycles * valid,
        h,
        valid,
        seconds,
        activity=activity,
        breakdown=breakdown,
        idle=idle,
    )


def _float_trace(request: RunRequest) -> FloatTrace:
    """What the float network does, which begins where the float network of the run before ends."""
    state = request.sequences.state
    if request.after is not None:
        before, last = _float_trace(request.after), request.after.lengths - 1
        rows = np.arange(len(last))
        state = [(h[rows, last], c[rows, last]) for h, c in zip(before.h, before.c, strict=True)]
    return run_float(request.design.source, request.sequences.x.astype(np.float64), state)


def run_in_float(request: RunRequest) -> EngineRun:
    """The float network; its integers are rounded real values, and it has no lists and no cycles."""
    design, valid = request.design, request.valid
    begun = time.perf_counter()
    trace = _float_trace(request)
    seconds = time.perf_counter() - begun
    layers = []
    for h, c, layer in zip(trace.h, trace.c, design.network.layers, strict=True):
        run = LayerResult.empty(layer, request.x.shape[:2])
        h_int, c_int = encode_state(layer, h, c, design.engine.c_width)
        run.h[valid], run.c[valid] = h_int[valid], c_int[valid]
        run.active[valid] = layer.units
        run.verdict[valid] = verdicts(layer, run.h)[valid]
        layers.append(run)
    nothing = np.zeros(valid.shape, dtype=np.int64)
    h = trace.h[-1] * valid[..., None]
    return EngineRun(design.network, design.engine, tuple(layers), nothing, h, valid, seconds, lists=False)


def summarise(request: RunRequest, engine: str, run: EngineRun, energy: str = DEFAULT) -> dict[str, Any]:
    """The figures of R.json: cycles, counters, and how the run compares with golden and with float.

    Parameters
    ----------
    request : RunRequest
    engine : str
    run : EngineRun
    energy : str
        Name of the energy estimate's constants.
    """
    valid = request.valid
    reference = run_in_float(request)
    error = np.abs(run.h - reference.h)[valid]
    figures: dict[str, Any] = {
        "engine": engine,
        "steps": int(valid.sum()),
        "sequences": len(request.x),
        "policy": [describe_policy(policy) for policy in request.policies],
        "max_abs_error": float(error.max()),
        "mean_abs_error": float(error.mean()),
        "seconds": run.seconds,
    }
    saturation = count_saturation(request, run)
    figures |= saturation.summary()
    if engine == "float":
        # Nothing is cut off in float, so there is nothing to remark on.
        figures["remarks"] = []
        names = ("cycles", "cycles_per_step", "cycles_p99", "cycles_max", "predicted_cycles", "utilisation", "spent")
        return {**figures, **dict.fromkeys((*names, "mismatches", "cycle_mismatches", "cycles_per_second", "energy"))}
    figures["remarks"] = remarks(request, saturation, figures["mean_abs_error"], figures["max_abs_error"])
    golden = run if engine == "golden" else run_golden(request, run.idle)
    config, cycles, activity = request.design.engine, int(golden.cycles.sum()), golden.activity
    assert activity is not None
    assert golden.breakdown is not None
    return {
        **figures,
        **cycle_figures(run.cycles[valid]),
        "predicted_cycles": cycles,
        "spent": {kind.name.lower(): count for kind, count in golden.breakdown.total(valid).items()},
        "utilisation": utilisation(activity, cycles, config),
        **activity.summary(),
        "energy": estimate_energy(activity, config, cycles, int(valid.sum()), energy),
        "mismatches": mismatches(run, golden),
        "cycle_mismatches": int(np.count_nonzero(run.cycles != golden.cycles)),
        "cycles_per_second": int(run.cycles.sum()) / run.seconds,
    }
