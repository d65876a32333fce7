"""The whole path on Silero VAD: ONNX file, quantised core, proof, speech found, bitstream.

``lstmith demo`` runs it. ``DEMO_NO_BITSTREAM=1`` leaves the bitstream out. Everything it makes is in build/demo.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.cli.console import out, progress, say, steps, table
from lstmith.cli.figures import detection_figure
from lstmith.cli.html import Section, embedded, save_report
from lstmith.cli.report import design_sections, run_sections
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.marks import BUILD_FIGURES
from lstmith.compiler.outputs import save_json
from lstmith.datasets.speech import Recording, demo_audio
from lstmith.host.request import RunRequest, make_request
from lstmith.host.results import EngineRun, mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden, summarise
from lstmith.scripts.bench.silero import silero_design
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy
from lstmith.vad.silero import RATE, STEP_SECONDS, THRESHOLD, features, feeds, probabilities, segments

OUTPUT = Path("build/demo")
ICARUS_STEPS = 4
#: Processor seconds that the bitstream may take, so that the whole demo ends within a quarter of an hour.
BUILD_SECONDS = 5 * 60
#: Lane counts that divide the network's 128 units with little waste, largest first.
BUILD_LANES = (64, 43, 32, 16, 8)
SEED = 1


@dataclass(frozen=True)
class Detection:
    """What three engines say about the recording.

    Attributes
    ----------
    probabilities : dict of engine to float32 [T]
    cycles : dict of mode to int64 [T]
    segments : list of (begin, end)
        Seconds of speech, by the RTL.
    figures : dict of name to R.json figures
    icarus_mismatches : int
        Of the first steps, which Icarus ran too.
    """

    probabilities: dict[str, npt.NDArray[np.float32]]
    cycles: dict[str, npt.NDArray[np.int64]]
    segments: list[tuple[float, float]]
    figures: dict[str, dict[str, Any]]
    icarus_mismatches: int


def main() -> None:
    """Silero VAD from its ONNX file to a simulated core, the speech it finds and a bitstream, in build/demo."""
    begun = time.monotonic()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    recording = demo_audio()
    say("1. Silero VAD's LSTM, quantised on speech")
    design = silero_design(OUTPUT, lanes=None)
    design.save(OUTPUT / "design")
    say(f"   8 bit, {design.engine.lanes} lanes for {design.target}: {OUTPUT / 'design'}")
    say("2. the core as Verilog")
    _generate(design)
    say("3. the core simulated, and compared with the exact model")
    detection = detect(design, recording)
    for name, figures in detection.figures.items():
        say(
            f"   {name}: {figures['steps']} steps, {figures['mismatches']} mismatches, "
            f"{figures['cycles']} cycles of {figures['predicted_cycles']} predicted"
        )
    say(f"   Icarus, {ICARUS_STEPS} steps: {detection.icarus_mismatches} mismatches")
    say(f"4. speech in {recording.seconds:.1f} s that nothing was calibrated on")
    say("   " + ", ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in detection.segments))
    built = None
    if os.environ.get("DEMO_NO_BITSTREAM"):
        say("5. no bitstream (DEMO_NO_BITSTREAM)")
    else:
        say("5. a bitstream")
        built = build()
    report = OUTPUT / "report.html"
    _report(report, design, recording, detection, built)
    out.print(table("Demo", ["figure", "value"], _summary(detection, built, time.monotonic() - begun)))
    say(f"report: {report}")
    wrong = detection.icarus_mismatches + sum(
        figures["mismatches"] + figures["cycle_mismatches"] for figures in detection.figures.values()
    )
    if wrong:
        raise RuntimeError(f"{wrong} values of the simulated core differ from the exact model")


def detect(design: Design, recording: Recording) -> Detection:
    """Run the recording on float, golden and the simulated core."""
    if design.graph is None:
        raise UserError("Silero VAD", "was compiled without its graph", "use the packaged ONNX file")
    graph = HostGraph(design.graph)
    x = features(recording.samples, graph)[None]
    request = _problem(design, x, Mode.DELTA)
    speech: dict[str, npt.NDArray[np.float32]] = {"float": probabilities(recording.samples)}
    figures, cycles = {}, {}
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        with progress("building the simulated core"):
            core = RtlCore(request, "verilator", Path(name))
        for mode in (Mode.DENSE, Mode.DELTA):
            given = _problem(design, x, mode)
            with progress(f"simulating {mode.name.lower()}"):
                run = core.run(given)
            figures[mode.name.lower()] = summarise(given, "verilator", run)
            cycles[mode.name.lower()] = run.cycles[0]
        with progress("simulating with Icarus"):
            few = _problem(design, x[:, :ICARUS_STEPS], Mode.DELTA)
            icarus = mismatches(RtlCore(few, "icarus", Path(name) / "few").run(few), run_golden(few))
    speech["golden"] = _speech(run_golden(request), recording, graph)
    speech["RTL"] = _speech(run, recording, graph)
    return Detection(speech, cycles, segments(speech["RTL"]), figures, icarus)


def build() -> dict[str, Any]:
    """The bitstream with the most lanes whose build is estimated to be quick enough."""
    # Loads Amaranth's platforms, which only this step needs.
    from lstmith.flow import bitstream

    board = find_board(DEFAULT)
    for lanes in BUILD_LANES:
        design = silero_design(OUTPUT, lanes=lanes)
        if bitstream.estimate_seconds(design.engine) < BUILD_SECONDS:
            break
    with steps() as report:
        result = bitstream.build(design, board, OUTPUT / "bitstream", seed=SEED, progress=report)
    save_json(OUTPUT / "build.json", result, BUILD_FIGURES)
    say(
        f"   {board.title}, {lanes} lanes, seed {result['seed']}: {result['fmax_mhz']:.1f} MHz, "
        f"{result['seconds']:.0f} s: {OUTPUT / 'bitstream'}"
    )
    return {"lanes": lanes, **result}


def _problem(design: Design, x: npt.NDArray[np.float32], mode: Mode) -> RunRequest:
    sequences = Sequences(x, np.array([x.shape[1]]), True, None, "the demo's recording")
    return make_request(design, sequences, [Policy(mode)] * len(design.network.layers))


def _speech(run: EngineRun, recording: Recording, graph: HostGraph) -> npt.NDArray[np.float32]:
    """p(speech) per step from the last layer's h."""
    _, carried = graph.before(feeds(recording.samples))
    return np.ravel(graph.after(run.h.astype(np.float32), carried)["output"]).astype(np.float32)


def _generate(design: Design) -> None:
    with steps() as report:
        report("generating Verilog")
        core = design.generate(OUTPUT / "core.v")
    say(f"   {len(core.text) / 1e6:.1f} MB: {OUTPUT / 'core.v'}")


def _report(
    path: Path, design: Design, recording: Recording, detection: Detection, built: dict[str, Any] | None
) -> None:
    figure = detection_figure(
        recording.samples,
        RATE,
        STEP_SECONDS,
        detection.probabilities,
        detection.segments,
        detection.cycles,
        THRESHOLD,
    )
    figure.savefig(OUTPUT / "speech.png", dpi=150)
    sections = [
        Section(
            "Speech found by the simulated core",
            "Top: the recording, shaded where the core hears speech. Middle: p(speech) from float, from the exact "
            "model and from the simulated core. Bottom: what each step cost.",
            ["from", "to"],
            [[f"{begin:.2f} s", f"{end:.2f} s"] for begin, end in detection.segments],
            embedded(figure),
        ),
        *run_sections(detection.figures),
        *design_sections(design),
    ]
    if built is not None:
        rows: list[list[object]] = [[name, value] for name, value in built.items() if isinstance(value, int | float)]
        sections.append(Section("Bitstream", "", ["figure", "value"], rows))
    summary = f"Silero VAD's LSTM on {design.engine.lanes} lanes, {recording.seconds:.0f} s of speech."
    save_report(path, "lstmith: Silero VAD", summary, sections)


def _summary(detection: Detection, built: dict[str, Any] | None, seconds: float) -> list[list[object]]:
    dense, delta = detection.figures["dense"], detection.figures["delta"]
    apart = np.abs(detection.probabilities["RTL"] - detection.probabilities["float"])
    changed = (detection.probabilities["RTL"] > THRESHOLD) != (detection.probabilities["float"] > THRESHOLD)
    rows: list[list[object]] = [
        ["steps simulated", delta["steps"]],
        ["mismatches with the exact model", dense["mismatches"] + delta["mismatches"] + detection.icarus_mismatches],
        ["decisions that differ from float", int(changed.sum())],
        ["largest difference in p(speech)", f"{apart.max():.3f}"],
        ["cycles per step, dense", f"{dense['cycles_per_step']:.0f}"],
        ["cycles per step, delta", f"{delta['cycles_per_step']:.0f}"],
        ["speed-up", f"{dense['cycles_per_step'] / delta['cycles_per_step']:.2f}x"],
    ]
    if built is not None:
        rows += [
            ["lanes in the bitstream", built["lanes"]],
            ["clock", f"{built['fmax_mhz']:.1f} MHz"],
            ["LUTs", built["luts"]],
            ["DSP blocks", built["dsps"]],
            ["block RAMs", built["brams"]],
        ]
    return [*rows, ["seconds", f"{seconds:.0f}"]]
