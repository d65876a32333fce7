"""Runs a design on any engine and compares it with the golden model and with float."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import run_float
from lstmith.host.activity import count_activity
from lstmith.host.energy import DEFAULT, estimate_energy
from lstmith.host.numbers import count_saturation, remarks
from lstmith.host.problem import Problem
from lstmith.host.results import EngineRun, LayerRun, cycle_figures, mismatches, real_h, utilisation
from lstmith.host.rtl_core import Progress, RtlCore
from lstmith.spec.config import H_FRAC
from lstmith.spec.errors import UserError
from lstmith.spec.policy_file import describe_policy

ENGINES = ("float", "golden", "icarus", "verilator", "board")


def run_engine(problem: Problem, engine: str, progress: Progress | None = None) -> EngineRun:
    """Run all sequences of a problem.

    Parameters
    ----------
    problem : Problem
    engine : str
        One of ``ENGINES`` but ``board``, which :class:`lstmith.host.overlay.Overlay` runs on.
    progress : callable or None
        Called with the number of finished sequences, where the engine tells.

    Raises
    ------
    UserError
        If there is no such engine, or a tool it needs is missing.
    """
    if engine == "float":
        return run_in_float(problem)
    if engine == "golden":
        return run_golden(problem)
    if engine not in ENGINES or engine == "board":
        raise UserError("option --engine", f"{engine!r} is unknown", f"use one of {', '.join(ENGINES)}")
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
        return RtlCore(problem, engine, Path(folder)).run(problem, progress)


def run_golden(problem: Problem) -> EngineRun:
    """The exact model, with predicted cycles."""
    network, config = problem.design.network, problem.design.engine
    begun = time.perf_counter()
    model = GoldenModel(network, config)
    state = None if problem.state is None else model.loaded_state(problem.policies, problem.state)
    hints, valid = problem.hints, problem.valid
    traces = model.run(problem.x, problem.policies, state, hints=hints, masks=problem.masks)
    seconds = time.perf_counter() - begun
    account = CycleModel(network, config).account(traces, problem.policies, hints, valid)
    layers = tuple(
        LayerRun.of_trace(layer, config, trace, valid) for layer, trace in zip(network.layers, traces, strict=True)
    )
    activity = count_activity(network, config, traces, valid)
    h = real_h(network.layers[-1].to_source(layers[-1].h))
    return EngineRun(network, layers, account.cycles * valid, h, valid, seconds, activity, account)


def run_in_float(problem: Problem) -> EngineRun:
    """The float network; its integers are rounded real values, and it has no lists and no cycles."""
    design, valid = problem.design, problem.valid
    begun = time.perf_counter()
    trace = run_float(design.source, problem.sequences.x.astype(np.float64), problem.sequences.state)
    seconds = time.perf_counter() - begun
    c_limit = 1 << (design.engine.c_width - 1)
    layers = []
    for h, c, layer in zip(trace.h, trace.c, design.network.layers, strict=True):
        run = LayerRun.empty(layer, problem.x.shape[:2])
        h_int = np.clip(np.rint(h * (1 << H_FRAC)), -(1 << H_FRAC), (1 << H_FRAC) - 1)
        c_int = np.clip(np.rint(c * (1 << layer.c_frac)), -c_limit, c_limit - 1)
        run.h[valid], run.c[valid] = layer.from_source(h_int)[valid], layer.from_source(c_int)[valid]
        run.active[valid] = layer.units
        layers.append(run)
    nothing = np.zeros(valid.shape, dtype=np.int64)
    return EngineRun(design.network, tuple(layers), nothing, trace.h[-1] * valid[..., None], valid, seconds)


def summarise(problem: Problem, engine: str, run: EngineRun, energy: str = DEFAULT) -> dict[str, Any]:
    """The figures of R.json: cycles, counters, and how the run compares with golden and with float.

    Parameters
    ----------
    problem : Problem
    engine : str
    run : EngineRun
    energy : str
        Name of the energy estimate's constants.
    """
    valid = problem.valid
    reference = run_in_float(problem)
    error = np.abs(run.h - reference.h)[valid]
    figures: dict[str, Any] = {
        "engine": engine,
        "steps": int(valid.sum()),
        "sequences": len(problem.x),
        "policy": [describe_policy(policy) for policy in problem.policies],
        "max_abs_error": float(error.max()),
        "mean_abs_error": float(error.mean()),
        "seconds": run.seconds,
    }
    saturation = count_saturation(problem, run)
    figures |= saturation.summary()
    if engine == "float":
        # Nothing is cut off in float, so there is nothing to remark on.
        figures["remarks"] = []
        names = ("cycles", "cycles_per_step", "cycles_p99", "cycles_max", "predicted_cycles", "utilisation", "spent")
        return {**figures, **dict.fromkeys((*names, "mismatches", "cycle_mismatches", "cycles_per_second", "energy"))}
    figures["remarks"] = remarks(problem, saturation, figures["mean_abs_error"], figures["max_abs_error"])
    golden = run if engine == "golden" else run_golden(problem)
    config, cycles, activity = problem.design.engine, int(golden.cycles.sum()), golden.activity
    assert activity is not None
    assert golden.account is not None
    return {
        **figures,
        **cycle_figures(run.cycles[valid]),
        "predicted_cycles": cycles,
        "spent": {kind.name.lower(): count for kind, count in golden.account.total(valid).items()},
        "utilisation": utilisation(activity, cycles, config),
        **activity.summary(),
        "energy": estimate_energy(activity, config, cycles, int(valid.sum()), energy),
        "mismatches": mismatches(run, golden),
        "cycle_mismatches": int(np.count_nonzero(run.cycles != golden.cycles)),
        "cycles_per_second": int(run.cycles.sum()) / run.seconds,
    }
