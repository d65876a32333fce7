"""A step of Silero VAD on its board beside onnxruntime, in one run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.cli.console import progress
from lstmith.datasets.speech import calibration_audio, heldout_audio
from lstmith.host.request import RunRequest
from lstmith.host.run import run_golden
from lstmith.scripts.bench.accuracy import measure
from lstmith.scripts.bench.blocks import Table
from lstmith.scripts.bench.clocks import LINKED, median_clock
from lstmith.scripts.bench.perf.onnxruntime_time import step_time
from lstmith.scripts.bench.silero import POLICIES, heldout_request, save_features, silero_design

#: Lanes, of rows of ``lstmith bench clocks``.
ENGINES = {row: lanes for row, lanes in LINKED.items() if lanes in (32, 64)}
#: Policies, and the precision of the weights.
MODES, PRECISION = ("dense", "delta", "auto, thresholds"), 8


def run_board(folder: Path) -> dict[str, Any]:
    """Cycles from a complete input to a complete result, every step in an idle engine; what they are in time.

    Parameters
    ----------
    folder : Path
        For designs and data.

    Returns
    -------
    dict
        ``onnxruntime_us``, the same layer's step; ``decisions``, by policy how many of the ``frames`` differ from
        float; and by row of ``bench clocks`` and policy: ``cycles`` in the mean, ``cycles_max``, and ``us`` by the
        board's own clock and by that row's median less 10 %.
    """
    calibration, heldout = calibration_audio(), heldout_audio()
    decisions, frames = {}, 0
    with progress("decisions of Silero VAD", len(MODES)) as report:
        for done, mode in enumerate(MODES):
            found = measure((PRECISION,), calibration, heldout, POLICIES[mode])[PRECISION]
            decisions[mode], frames = found.changed, found.frames
            report(done + 1)
    save_features(folder / "heldout.npz", heldout)
    engines: dict[str, Any] = {}
    for row, lanes in ENGINES.items():
        clocks = {"board": find_board(DEFAULT).clock_mhz, "measured": median_clock(row)}
        with tempfile.TemporaryDirectory(dir=folder) as name:
            design = silero_design(Path(name), lanes=lanes)
        request = heldout_request(design, folder / "heldout.npz")
        with progress(f"cycles of {row}"):
            layers = len(design.network.layers)
            modes = {mode: _alone(request.with_policies([POLICIES[mode]] * layers)) for mode in MODES}
        times = {mode: {which: cycles["mean"] / mhz for which, mhz in clocks.items()} for mode, cycles in modes.items()}
        engines[row] = {"mhz": clocks, "cycles": modes, "us": times}
    layer = design.network.layers[0]
    with progress("onnxruntime, one step at a time"):
        taken = step_time(layer.inputs, layer.units)
    return {"onnxruntime_us": taken, "frames": frames, "decisions": decisions, "engines": engines}


def _alone(request: RunRequest) -> dict[str, float]:
    """Cycles of steps, each of which finds an idle engine."""
    run = run_golden(request, request.valid)
    cycles = run.cycles[request.valid]
    return {"mean": float(cycles.mean()), "max": int(cycles.max())}


def board_table(result: dict[str, Any]) -> Table:
    """A row for each engine and policy."""
    found = result["board"]
    columns = ["Silero VAD", "policy", "decisions changed", "cycles", "worst"]
    columns += ["us, board's clock", "of onnxruntime", "us, median less 10 %", "of onnxruntime"]
    rows: list[list[object]] = []
    for row, engine in found["engines"].items():
        for mode, cycles in engine["cycles"].items():
            share = found["decisions"][mode] / found["frames"]
            cells: list[object] = [row, mode, f"{share:.3%}", f"{cycles['mean']:,.0f}", f"{cycles['max']:,.0f}"]
            for which, mhz in engine["mhz"].items():
                us = engine["us"][mode][which]
                cells += [f"{us:.2f} ({mhz:.0f} MHz)", f"{found['onnxruntime_us'] / us:.2f}x"]
            rows.append(cells)
    return columns, rows
