"""The energy estimate beside the value changes of an ECP5 netlist: one small network under several policies."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.boards.catalogue import find_board
from lstmith.cli.console import progress
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.program_image import build_memory_image
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import limits_for, most_planes, size_engine
from lstmith.flow.netlist import inline_cells, map_netlist
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.host.compiled import CompiledSimulation
from lstmith.host.core_traces import read_cycles, read_layers
from lstmith.host.energy import estimate_energy
from lstmith.host.jobs import CoreJob
from lstmith.host.request import RunRequest, make_request
from lstmith.host.run import run_golden
from lstmith.rtl.top import NAME, Top
from lstmith.scripts.bench.blocks import Table
from lstmith.scripts.bench.energy.toggle_input import speech_like
from lstmith.scripts.bench.energy.toggles import (
    CELL_UNIT,
    CLASSES,
    CONTROL,
    MEMORIES,
    MULTIPLIERS,
    SUMS,
    count_toggles,
    net_classes,
)
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Skip

BOARD, LANES, UNITS, INPUTS = "ulx3s-85f", 4, 20, 12
CALIBRATION_STEPS, STEPS, SEED = 1000, 200, 1

#: The first is what the others are compared with.
POLICIES = {
    "dense": Policy(Mode.DENSE),
    "skip zeros": Policy(Mode.SKIP),
    "delta": Policy(Mode.DELTA),
    "auto": Policy(Mode.AUTO),
    "delta, thresholds of 2": Policy(Mode.DELTA, theta_x=2, theta_h=2),
    "auto, low plane's threshold 8": Policy(Mode.AUTO, low_theta_x=8, low_theta_h=8),
    "auto, low plane deferred in calm steps": Policy(Mode.AUTO, monitor=Monitor(Rule.RATIO, low=64)),
    "auto, steps skipped": Policy(Mode.AUTO, skip=Skip(change=12, limit=3)),
}
#: Classes of nets that a part of the estimate is about.
PARTS = {
    "memory_pj": (MEMORIES,),
    "mac_pj": (MULTIPLIERS, SUMS),
    "cell_pj": (CELL_UNIT,),
    "control_pj": (CONTROL,),
}


def run_energy() -> dict[str, Any]:
    """All figures of the bench as JSON values."""
    design, request = _case()
    engine = design.engine
    image = build_memory_image(design.network, engine, request.policies)
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with progress("synthesis"):
            netlist, cells = map_netlist(Top(engine, image), "ecp5", NAME, folder / "netlist")
            plain, names, models = inline_cells(netlist, NAME)
        classes = net_classes(names, NAME)
        with progress("building the simulated netlist"):
            core = CompiledSimulation(plain, engine, folder / "core", models=models, traced=True)
        with progress("running the policies"), ThreadPoolExecutor(os.cpu_count()) as threads:
            given = [
                (request.with_policies([policy]), folder / f"{place}.vcd")
                for place, policy in enumerate(POLICIES.values())
            ]
            found = threads.map(lambda each: _measure(each[0], core, classes, each[1]), given)
            policies = dict(zip(POLICIES, found, strict=True))
    return {
        "lanes": engine.lanes,
        "units": UNITS,
        "inputs": INPUTS,
        "steps": STEPS,
        "cells": cells,
        "nets": {kind: list(classes.values()).count(kind) for kind in CLASSES},
        "policies": policies,
        "pairs": len(list(combinations(policies, 2))),
        "ordered_alike": _ordered_alike(list(policies.values())),
    }


def _case() -> tuple[Design, RunRequest]:
    """A random network with what makes sequences of it look alive, and its input."""
    rng = np.random.default_rng(SEED)
    limit = 2 / UNITS**0.5
    weights = rng.uniform(-limit, limit, (4 * UNITS, INPUTS + UNITS))
    bias = np.repeat([0.0, 1.0, 0.0, 0.0], UNITS)
    source = FloatNetwork((FloatLayer("lstm", weights[:, :INPUTS], weights[:, INPUTS:], bias),))
    calibration = _sequence(speech_like(rng, CALIBRATION_STEPS, INPUTS)).calibration()
    board = find_board(BOARD)
    limits = limits_for(board, most_planes(board, delta=True))
    network = quantise(source, calibration, precision=[8], limits=limits).network
    sized, _ = size_engine(network, board, lanes=LANES)
    engine = replace(sized, monitor=True, skip=True)
    design = Design(engine, network, source, BOARD, None, {})
    return design, make_request(design, _sequence(speech_like(rng, STEPS, INPUTS)), [Policy()])


def _sequence(x: np.ndarray[Any, np.dtype[np.float32]]) -> Sequences:
    return Sequences(x[None], np.array([len(x)]), False, None, "energy bench")


def _measure(
    request: RunRequest, core: CompiledSimulation, classes: dict[tuple[str, int], str], dump: Path
) -> dict[str, Any]:
    """One policy: what the netlist did, and what the estimate says."""
    network, engine = request.design.network, request.design.engine
    image = build_memory_image(network, engine, request.policies)
    writes = [(where, value, 0) for where, value in image.policy_writes()]
    (core_trace,) = core.run([CoreJob(request.x[0], writes)], trace=dump)
    golden = run_golden(request)
    assert golden.activity is not None
    cycles = int(golden.cycles.sum())
    h = read_layers(network, core_trace, STEPS)[-1].h[0]
    with dump.open("rb") as file:
        counted = count_toggles(file)
    dump.unlink()
    if missing := classes.keys() - counted.keys():
        raise ValueError(f"{len(missing)} nets are not in the dump, such as {min(missing)}")
    toggles = dict.fromkeys(CLASSES, 0)
    for bit, kind in classes.items():
        toggles[kind] += counted[bit]
    return {
        "cycles_per_step": cycles / STEPS,
        "mismatches": int((h != golden.layers[-1].h[0]).sum()),
        "cycle_mismatches": int((read_cycles(network, core_trace) != golden.cycles[0]).sum()),
        "toggles_per_step": {kind: number / STEPS for kind, number in toggles.items()},
        "energy": estimate_energy(golden.activity, engine, cycles, STEPS),
    }


def _ordered_alike(figures: list[dict[str, Any]]) -> int:
    """Pairs of policies of which the estimate and the toggles prefer the same one."""
    pairs = combinations([(each["energy"]["total_pj"], toggles_of(each)) for each in figures], 2)
    return sum((a[0] - b[0]) * (a[1] - b[1]) > 0 for a, b in pairs)


def toggles_of(figures: dict[str, Any], kinds: tuple[str, ...] = CLASSES) -> float:
    """Toggles per step of some classes of nets."""
    return float(sum(figures["toggles_per_step"][kind] for kind in kinds))


def energy_text(result: dict[str, Any]) -> str:
    """What the tables show."""
    wrong = sum(figures["mismatches"] + figures["cycle_mismatches"] for figures in result["policies"].values())
    return (
        f"The energy estimate beside value changes of nets (`lstmith bench energy`): {result['units']} units, "
        f"{result['inputs']} inputs, {result['steps']} steps, {result['lanes']} lanes, mapped for {BOARD}; "
        f"{sum(result['nets'].values())} nets without the clock, two looks per cycle, so no glitches. "
        f"Values or cycles that differ from golden's: {wrong}. Of {result['pairs']} pairs of policies the estimate and "
        f"the value changes order {result['ordered_alike']} alike. Relative to dense:"
    )


def total_rows(result: dict[str, Any]) -> Table:
    """Estimate and toggles of every policy, relative to the first."""
    columns = ["policy", "cycles per step", "pJ per step", "toggles per step", "estimate", "toggles", "difference"]
    policies = result["policies"]
    dense = next(iter(policies.values()))
    rows: list[list[object]] = []
    for title, figures in policies.items():
        estimate = figures["energy"]["total_pj"] / dense["energy"]["total_pj"]
        toggles = toggles_of(figures) / toggles_of(dense)
        rows.append(
            [
                title,
                f"{figures['cycles_per_step']:.1f}",
                f"{figures['energy']['total_pj']:.0f}",
                f"{toggles_of(figures):.0f}",
                f"{estimate:.1%}",
                f"{toggles:.1%}",
                f"{100 * (estimate - toggles):+.1f}",
            ]
        )
    return columns, rows


def part_rows(result: dict[str, Any]) -> Table:
    """The same by part: estimate / toggles of the nets it is about."""
    policies = result["policies"]
    dense = next(iter(policies.values()))
    columns = ["estimate / toggles", *(f"{part.removesuffix('_pj')}: {', '.join(of)}" for part, of in PARTS.items())]
    shares = [
        f"{dense['energy'][part] / dense['energy']['total_pj']:.1%} / {toggles_of(dense, of) / toggles_of(dense):.1%}"
        for part, of in PARTS.items()
    ]
    rows: list[list[object]] = [["share of dense", *shares]]
    for title, figures in policies.items():
        rows.append(
            [
                title,
                *(
                    f"{figures['energy'][part] / dense['energy'][part]:.1%} / "
                    f"{toggles_of(figures, of) / toggles_of(dense, of):.1%}"
                    for part, of in PARTS.items()
                ),
            ]
        )
    return columns, rows
