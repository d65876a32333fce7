"""``lstmith vad``: where speech is, by Silero VAD's LSTM on any engine, as it happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.live import Live

from lstmith.cli.console import err, out, remark, say, table
from lstmith.cli.lazy import find_module
from lstmith.cli.pictures import save_picture
from lstmith.compiler.design import Design
from lstmith.compiler.importers.host_graph import Carried, HostGraph
from lstmith.compiler.marks import SPEECH_FIGURES, SPEECH_PICTURE
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.host.accelerator import Accelerator
from lstmith.spec.errors import UserError
from lstmith.spec.extras import require
from lstmith.spec.policy_file import load_policy
from lstmith.vad.silero import CONTEXT, HOP, RATE, STEP_SECONDS, THRESHOLD, Samples, segments
from lstmith.vad.view import Moment, View

ENGINES = ("golden", "icarus", "verilator")


def command(
    speech: Annotated[Path | None, typer.Argument(help="Recording: .wav of any rate.")] = None,
    port: Annotated[str | None, typer.Option(help="Serial port of a board or a virtual one.")] = None,
    engine: Annotated[str, typer.Option(help=f"Without a port: one of {', '.join(ENGINES)}.")] = "golden",
    microphone: Annotated[float | None, typer.Option(help="Listen so many seconds instead.", min=0.1)] = None,
    design: Annotated[Path | None, typer.Option(help="Silero VAD as 'compile' wrote it.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file.")] = None,
    baud: Annotated[int | None, typer.Option(help="Bits per second of the port.", show_default="found")] = None,
    figure: Annotated[Path | None, typer.Option(help="Picture of waveform, probability and activity: .png.")] = None,
    json: Annotated[Path | None, typer.Option(help="Probabilities and activity per frame.")] = None,
) -> None:
    """Find speech: the encoder runs here, the LSTM on the engine, frame by frame."""
    from lstmith.vad import audio

    if (speech is None) == (microphone is None):
        raise UserError("arguments", "name no sound, or two", "give a .wav file or --microphone SECONDS")
    if engine not in ENGINES:
        raise UserError("option --engine", f"{engine!r} is unknown", f"use one of {', '.join(ENGINES)}, or --port")
    if figure is not None:
        require("report")
    check_outputs([speech, design, policy], [Output(figure, SPEECH_PICTURE), Output(json, SPEECH_FIGURES)])
    if speech is not None:
        samples, rate = audio.read_wav(speech, RATE)
        if rate != RATE:
            remark(f"{speech}: resampled from {rate} to {RATE} samples per second")
        heard = audio.hops(samples, HOP)
    else:
        assert microphone is not None
        heard = audio.microphone(RATE, HOP, microphone)
    loaded = _design(design)
    if loaded.graph is None or not set(loaded.graph.inputs) <= {"input", "sr"}:
        raise UserError(str(design), "is not Silero VAD", "compile Silero's ONNX file, or leave --design out")
    with Accelerator(port or engine, baud=baud) as accelerator:
        accelerator.load(loaded, load_policy(policy, len(loaded.network.layers)) if policy else None)
        moments = _watch(
            detect(accelerator, HostGraph(loaded.graph), heard), f"Silero VAD on {accelerator.backend.name}"
        )
        verified = accelerator.verified
    if verified is not None:
        remark(str(verified))
    if not moments:
        raise UserError("the microphone", "gave no sound", "listen longer")
    _finish(moments, figure, json)


def detect(accelerator: Accelerator, graph: HostGraph, heard: Iterable[Samples]) -> Iterator[Moment]:
    """Frame by frame: encoder, LSTM on the engine, head.

    Parameters
    ----------
    accelerator : Accelerator
        With Silero's design.
    graph : HostGraph
        What is around its LSTM.
    heard : iterable of float32 [512]
        A piece is asked for when the one before has been judged, except by simulators.
    """
    waiting: deque[tuple[Samples, Carried]] = deque()

    def steps() -> Iterator[Samples]:
        context = np.zeros(CONTEXT, dtype=np.float32)
        for piece in heard:
            frame = np.concatenate([context, piece])
            context = frame[-CONTEXT:]
            x, carried = graph.before({"input": frame[None], "sr": np.array(RATE, dtype=np.int64)})
            waiting.append((piece, carried))
            yield x[0, 0]

    before = _counts(accelerator)
    for h in accelerator.infer(steps()):
        piece, carried = waiting.popleft()
        probability = float(np.ravel(graph.after(h[None, None], carried)["output"])[0])
        now = _counts(accelerator)
        yield Moment(piece, probability, {name: now[name] - before[name] for name in now})
        before = now


def _counts(accelerator: Accelerator) -> dict[str, int]:
    """The engine's counters that are worth showing; none if it does not tell."""
    try:
        found = accelerator.counters()
    except UserError:
        return {}
    return {name: count for name, count in found.items() if name.startswith("words") or name == "skipped"}


def _design(path: Path | None) -> Design:
    """The given design, or the one that a checkout compiles once and keeps."""
    if path is not None:
        return Design.load(path)
    measured = find_module("scripts.bench.silero")
    if measured is None:
        raise UserError(
            "option --design",
            "is missing, and the recordings that Silero VAD is calibrated on come with a checkout only",
            "compile Silero's ONNX file on recordings of your own, and give the design",
        )
    design: Design = measured.kept_design()
    return design


def _watch(found: Iterator[Moment], title: str) -> list[Moment]:
    """Show the frames as they come, on a terminal."""
    if not err.is_terminal:
        return list(found)
    view, moments = View(title), []
    with Live(console=err, transient=True, refresh_per_second=20) as live:
        for moment in found:
            live.update(view.add(moment))
            moments.append(moment)
    return moments


def _finish(moments: list[Moment], figure: Path | None, json: Path | None) -> None:
    from lstmith.cli.figures import detection_figure

    samples = np.concatenate([moment.samples for moment in moments])
    speech = np.array([moment.probability for moment in moments])
    names = [name for name in moments[0].counts if any(moment.counts[name] for moment in moments)]
    counts = {name: np.array([moment.counts[name] for moment in moments]) for name in names}
    found = segments(speech)
    words = {f"{name.removeprefix('words_')} bit": values for name, values in counts.items() if name != "skipped"}
    if figure is not None:
        cost = "weight words per step"
        drawn = detection_figure(samples, RATE, STEP_SECONDS, {"p": speech}, found, words, THRESHOLD, cost_label=cost)
        save_picture(figure, drawn, SPEECH_PICTURE)
    if json is not None:
        values = {"probabilities": speech.tolist(), "segments": found}
        save_json(json, values | {name: series.tolist() for name, series in counts.items()}, SPEECH_FIGURES)
    rows: list[list[object]] = [
        ["frames", len(moments)],
        ["frames with speech", int((speech > THRESHOLD).sum())],
    ]
    rows += [[f"{name} per frame", f"{values.mean():.1f}"] for name, values in counts.items()]
    out.print(table("Speech", ["figure", "value"], rows))
    say("speech: " + (", ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in found) or "none"))
    if figure is not None:
        say(f"picture in {figure}")
