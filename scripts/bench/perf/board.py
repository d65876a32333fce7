"""A step of Silero VAD on its board beside onnxruntime, in one run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.cli.console import progress
from lstmith.compiler.design import Design
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.planner import plan_model
from lstmith.datasets.speech import heldout_audio
from lstmith.golden.breakdown import TITLES, CycleClass
from lstmith.host.results import EngineRun
from lstmith.host.run import run_golden
from lstmith.rtl.link.admission import LATENCY
from lstmith.scripts.bench.accuracy import judged
from lstmith.scripts.bench.blocks import Table
from lstmith.scripts.bench.clocks import LINKED, median_clock
from lstmith.scripts.bench.perf.onnxruntime_time import step_time
from lstmith.scripts.bench.silero import POLICIES, heldout_request, save_features, silero_design
from lstmith.vad.silero import features, model_path

#: Lanes, of rows of ``lstmith bench clocks``.
ENGINES = {row: lanes for row, lanes in LINKED.items() if lanes in (32, 64)}
#: Policies.
MODES = ("dense", "delta", "auto, thresholds")


def run_board(folder: Path) -> dict[str, Any]:
    """Cycles of a step among others, and of one alone, from a complete input to a complete result.

    Parameters
    ----------
    folder : Path
        For designs and data.

    Returns
    -------
    dict
        ``onnxruntime_us``, the same layer's step; ``decisions``, by policy how many of the ``frames`` differ from
        float; and by row of ``bench clocks`` its ``mhz``, the board's own clock and that row's median less 10 %, and
        by policy ``cycles``.
    """
    heldout = heldout_audio()
    network, graph = load_model(model_path()), HostGraph(plan_model(model_path()))
    x = [features(recording.samples, graph) for recording in heldout]
    save_features(folder / "heldout.npz", heldout)
    engines, decisions, frames = {}, dict[str, int](), 0
    for row, lanes in ENGINES.items():
        clocks = {"board": find_board(DEFAULT).clock_mhz, "measured": median_clock(row)}
        with tempfile.TemporaryDirectory(dir=folder) as name:
            design = silero_design(Path(name), lanes=lanes)
        request = heldout_request(design, folder / "heldout.npz")
        modes = {}
        with progress(f"cycles of {row}", len(MODES)) as report:
            for done, mode in enumerate(MODES, 1):
                given = request.with_policies([POLICIES[mode]] * len(design.network.layers))
                run, alone = run_golden(given), run_golden(given, request.valid)
                modes[mode] = _cycles(run, alone, _ahead(design))
                # h does not depend on the lanes.
                if mode not in decisions:
                    found = judged(run.layers[-1].h, design.network.layers[-1].precision, network, x, heldout, graph)
                    decisions[mode], frames = found.changed, found.frames
                report(done)
        engines[row] = {"mhz": clocks, "cycles": modes}
    layer = design.network.layers[0]
    with progress("onnxruntime, one step at a time"):
        taken = step_time(layer.inputs, layer.units)
    return {"onnxruntime_us": taken, "frames": frames, "decisions": decisions, "engines": engines}


def _ahead(design: Design) -> int:
    """Cycles of a step alone that are over when its last value comes to the link: the others have gone on by then."""
    return 0 if design.engine.fetches_first else design.network.inputs - 1 - LATENCY


def _cycles(run: EngineRun, alone: EngineRun, ahead: int) -> dict[str, Any]:
    """Cycles of a step among others, and of one alone with what it spends them on."""
    streamed, cycles = float(run.cycles[run.valid].mean()), alone.cycles[alone.valid] - ahead
    figures = {"streamed": streamed, "alone": float(cycles.mean()), "alone_max": int(cycles.max())}
    spent, waiting = spent_per_step(alone), TITLES[CycleClass.INPUT]
    return {**figures, "spent": spent | {waiting: spent[waiting] - ahead}}


def spent_per_step(run: EngineRun) -> dict[str, float]:
    """What golden's cycles of a step went into, in the mean, by title."""
    assert run.breakdown is not None
    return {
        TITLES[kind]: count / int(run.valid.sum()) for kind, count in run.breakdown.total(run.valid).items() if count
    }


def board_table(result: dict[str, Any]) -> Table:
    """A row for each engine, policy and clock."""
    found = result["board"]
    columns = ["Silero VAD", "policy", "decisions changed", "MHz", "streamed: cycles", "us", "alone: cycles", "us"]
    columns += ["worst us", "of onnxruntime"]
    rows: list[list[object]] = []
    for row, engine in found["engines"].items():
        for mode, cycles in engine["cycles"].items():
            share = found["decisions"][mode] / found["frames"]
            for mhz in engine["mhz"].values():
                us = {which: cycles[which] / mhz for which in ("streamed", "alone", "alone_max")}
                told = [f"{cycles['streamed']:,.0f}", f"{us['streamed']:.2f}", f"{cycles['alone']:,.0f}"]
                told += [f"{us['alone']:.2f}", f"{us['alone_max']:.2f}"]
                faster = f"{found['onnxruntime_us'] / us['alone']:.2f}x"
                rows.append([row, mode, f"{share:.3%}", f"{mhz:.1f}", *told, faster])
    return columns, rows
