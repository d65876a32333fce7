"""What Silero VAD's LSTM shows on held-out speech: accuracy, exactness, and the cycles of its policies."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.cli.console import progress, remark, steps
from lstmith.compiler import compile_model
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.planner import plan_model
from lstmith.datasets.places import BUILD
from lstmith.datasets.speech import Recording, calibration_audio, heldout_audio
from lstmith.host.request import RunRequest, make_request
from lstmith.host.results import EngineRun, cycle_figures, mismatches, utilisation
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.scripts.bench.accuracy import measure, recorded
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy
from lstmith.vad.silero import features, model_path

PRECISIONS = (8, 16)
LANES = 64
#: Every mode without thresholds, which are exact, and one policy that serves the low plane only large changes.
POLICIES = {mode.name.lower(): Policy(mode) for mode in Mode} | {
    "auto, thresholds": Policy(Mode.AUTO, theta_x=1, theta_h=1, low_theta_x=8, low_theta_h=8)
}
EXACT = tuple(mode.name.lower() for mode in Mode)


def silero_design(
    folder: Path, *, lanes: int | None = LANES, precision: str = "8", target: str = "ulx3s-85f"
) -> Design:
    """Silero VAD compiled through the same function as ``lstmith compile``.

    Parameters
    ----------
    folder : Path
        Where the calibration data is written.
    lanes : int or None
    precision, target : str
    """
    network_data = folder / "calibration.npz"
    save_features(network_data, calibration_audio())
    with steps() as report:
        return compile_model(
            model_path(), network_data, lanes=lanes, precision=precision, target=target, progress=report
        )


def kept_design() -> Design:
    """The design of `silero_design`, compiled once and kept in the checkout's ``build``."""
    kept = BUILD / "vad" / "design"
    with suppress(UserError):  # There is none yet, or one of an earlier version.
        return Design.load(kept)
    remark(f"compiling Silero VAD into {kept}")
    with tempfile.TemporaryDirectory(prefix="lstmith-") as folder:
        compiled = silero_design(Path(folder))
    compiled.save(kept)
    return compiled


def save_features(path: Path, recordings: list[Recording]) -> None:
    """The LSTM's input for some recordings as X.npz."""
    graph = HostGraph(plan_model(model_path()))
    batch = recorded([features(recording.samples, graph) for recording in recordings])
    np.savez(path, x=batch.x.astype(np.float32), lengths=np.asarray(batch.lengths))


def run_silero() -> dict[str, Any]:
    """All figures of the bench as JSON values."""
    calibration, heldout = calibration_audio(), heldout_audio()
    with progress("accuracy against float"):
        accuracy = measure(PRECISIONS, calibration, heldout)
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        design = silero_design(folder)
        save_features(folder / "heldout.npz", heldout)
        request = heldout_request(design, folder / "heldout.npz")
        with progress("building the simulated core"):
            core = RtlCore(request, "verilator", folder / "core")
        modes, h_int = {}, []
        for title, policy in POLICIES.items():
            given = request.with_policies([policy] * len(design.network.layers))
            with progress(f"simulating {title}", len(request.x)) as report:
                run = core.run(given, report)
            modes[title] = _mode_figures(run, run_golden(given), design)
            if title in EXACT:
                h_int.append(run.layers[-1].h)
    dense = modes["dense"]["cycles_per_step"]
    for figures in modes.values():
        figures["speedup"] = dense / figures["cycles_per_step"]
    return {
        "accuracy": {str(bits): asdict(found) for bits, found in accuracy.items()},
        "lanes": design.engine.lanes,
        "frames": int(request.valid.sum()),
        "modes": modes,
        "same_h": all(bool((h == h_int[0]).all()) for h in h_int),
    }


def heldout_request(design: Design, data: Path) -> RunRequest:
    """The held-out frames as a problem in delta mode without thresholds."""
    with np.load(data) as arrays:
        sequences = Sequences(arrays["x"], arrays["lengths"].astype(np.int64), False, None, str(data))
    return make_request(design, sequences, [Policy()] * len(design.network.layers))


def _mode_figures(run: EngineRun, golden: EngineRun, design: Design) -> dict[str, Any]:
    assert golden.activity is not None
    return {
        **cycle_figures(run.cycles[run.valid]),
        "predicted_cycles": int(golden.cycles.sum()),
        "mismatches": mismatches(run, golden),
        "cycle_mismatches": int(np.count_nonzero(run.cycles != golden.cycles)),
        "utilisation": utilisation(golden.activity, int(golden.cycles.sum()), design.engine),
        "seconds": run.seconds,
        "cycles_per_second": int(run.cycles.sum()) / run.seconds,
    }


def accuracy_rows(result: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Accuracy as a table: columns and rows."""
    columns = [
        "weights and operands",
        "frames",
        "decisions changed",
        "in percent",
        "largest error of p",
        "mean error of h",
    ]
    rows: list[list[object]] = [
        [
            f"W{bits}A{bits}",
            found["frames"],
            found["changed"],
            f"{100 * found['changed'] / found['frames']:.3f}",
            f"{found['max_probability_error']:.3f}",
            f"{found['mean_h_error']:.1e}",
        ]
        for bits, found in result["accuracy"].items()
    ]
    return columns, rows


def mode_rows(result: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    """The policies as a table: columns and rows."""
    columns = ["mode", "cycles per step", "99 %", "worst", "speed-up", "utilisation", "mismatches", "wrong cycles"]
    rows: list[list[object]] = [
        [
            name,
            f"{figures['cycles_per_step']:.1f}",
            f"{figures['cycles_p99']:.0f}",
            figures["cycles_max"],
            f"{figures['speedup']:.2f}x",
            f"{figures['utilisation']:.2%}",
            figures["mismatches"],
            figures["cycle_mismatches"],
        ]
        for name, figures in result["modes"].items()
    ]
    return columns, rows
