"""textgenrnn, a character model: bits per character of English sayings, each character after a window of 40.

The network is trained on windows of 40 characters from zero state, and only what follows the last is its prediction.
Run on past 40 steps its predictions are far worse, so each window is a sequence of its own here.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from lstmith.datasets.workload_files import fetch_files
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Float32, Float64, Metric, Runner, Scores, Workload, chosen

NETWORK = "textgenrnn"
WINDOW = 40  #: characters, the marker before a text among them
MARKER = "<s>"  #: before and after every text
LAYERS = ("rnn_1", "rnn_2")
LONGEST = 160
STRIDE = 7  #: between the windows of a text: more than a word, so that they differ
#: File of sayings, and how many texts of it are used. The files are different collections.
TEXTS = {"calibration": ("wisdom", 16), "tune": ("platitudes", 80), "heldout": ("science", 80)}

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """The parts of the weights file.

    Parameters
    ----------
    vocabulary : dict of str to int
        Row of the embedding per character.
    embedding : float32 [465, 100]
    network : FloatNetwork
    attention : float64 [356]
        Weight of a step, from its embedding and the h of both layers.
    head : float64 [356, 465]
    head_bias : float64 [465]
    """

    vocabulary: dict[str, int]
    embedding: Float32
    network: FloatNetwork
    attention: Float64
    head: Float64
    head_bias: Float64

    def log_probabilities(self, x: Float64, h: Float64) -> Float64:
        """Logarithm of each character's probability after a window.

        Parameters
        ----------
        x : float64 [N, T, 100]
        h : float64 [N, T, 256]
            Of both layers.

        Returns
        -------
        float64 [N, 465]
        """
        seen = np.concatenate([x, h], axis=2)
        score = seen @ self.attention
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        logits = np.einsum("nt,ntd->nd", weight, seen) @ self.head + self.head_bias
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Windows:
    """Windows of a split.

    Parameters
    ----------
    characters : int64 [N, 40]
    following : int64 [N]
        The character after each window.
    text : int64 [N]
        Which text a window is from, ascending.
    """

    characters: Indices
    following: Indices
    text: Indices


@dataclass(frozen=True)
class TextgenrnnWorkload(Workload):
    """Prediction of the next character; the attention and the softmax are the host's."""

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """Bits per character; units are texts."""
        windows = _windows(chosen(split))
        predicted = self.log_probabilities(split, runner)
        return _by_text(windows, -predicted[np.arange(len(predicted)), windows.following] / np.log(2.0))

    def agreement(self, split: str, runner: Runner) -> Scores:
        """Windows after which the likeliest character is the float model's, per window; units are texts."""
        same = self.log_probabilities(split, runner).argmax(axis=1) == _float_choice(chosen(split))
        return _by_text(_windows(split), same.astype(np.float64))

    def log_probabilities(self, split: str, runner: Runner) -> Float64:
        """Logarithm of each character's probability after each window, float64 [N, 465]."""
        xs = self.inputs(split)[NETWORK]
        h = np.stack(runner.sequences(NETWORK, xs, every_layer=True))
        return shipped_model().log_probabilities(np.stack(xs).astype(np.float64), h.astype(np.float64))

    def windows(self, split: str) -> Indices:
        """Numbers of the characters of a split's windows, or of ``calibration``'s, int64 [N, 40]."""
        return _windows(split).characters

    def inputs(self, split: str) -> dict[str, list[Float32]]:
        """Embedded windows, each float32 [40, 100]."""
        return {NETWORK: list(shipped_model().embedding[_windows(chosen(split)).characters])}


def load() -> TextgenrnnWorkload:
    """The character model that textgenrnn ships, on sayings of the ``fortunes`` package."""
    model = shipped_model()
    return TextgenrnnWorkload(
        name="textgenrnn",
        networks={NETWORK: model.network},
        calibration={NETWORK: list(model.embedding[_windows("calibration").characters])},
        metric=Metric("bits per character", "bit", higher_is_better=False),
        source="PyPI textgenrnn 2.0.0, textgenrnn_weights.hdf5; Debian fortunes 1:1.99.1-7.3",
        licence="MIT; texts as Debian distributes them (BSD)",
    )


def _by_text(windows: Windows, values: Float64) -> Scores:
    """Mean of a value per window, with texts as units."""
    starts = np.flatnonzero(np.diff(windows.text, prepend=-1))
    return Scores(np.add.reduceat(values, starts), np.diff(starts, append=len(values)).astype(np.float64))


@functools.cache
def _float_choice(split: str) -> Indices:
    workload = load()
    return workload.log_probabilities(split, FloatRunner(workload)).argmax(axis=1)


@functools.cache
def _windows(role: str) -> Windows:
    vocabulary = shipped_model().vocabulary
    characters, following, numbers = [], [], []
    for number, text in enumerate(_texts(role)):
        whole = np.array([vocabulary[character] for character in (MARKER, *text, MARKER)])
        for end in range(WINDOW, len(whole), STRIDE):
            characters.append(whole[end - WINDOW : end])
            following.append(whole[end])
            numbers.append(number)
    return Windows(np.array(characters), np.array(following), np.array(numbers))


def _texts(role: str) -> list[str]:
    """Texts without their authors, on one line, that fill at least one window; evenly spaced over the file."""
    name, count = TEXTS[role]
    raw = fetch_files("fortunes")[name].read_text(encoding="utf-8")
    sayings = [" ".join(re.sub(r"\n\s*-- .*", "", part, flags=re.DOTALL).split()) for part in raw.split("\n%\n")]
    vocabulary = shipped_model().vocabulary
    usable = [
        text for text in dict.fromkeys(sayings) if WINDOW <= len(text) <= LONGEST and vocabulary.keys() >= {*text}
    ]
    return [usable[index * len(usable) // count] for index in range(count)]


@functools.cache
def shipped_model() -> Model:
    files = fetch_files("textgenrnn")
    vocabulary = json.loads(files["textgenrnn_vocab.json"].read_text(encoding="utf-8"))
    return _read(files["textgenrnn_weights.hdf5"], vocabulary)


def _read(path: Path, vocabulary: dict[str, int]) -> Model:
    with h5py.File(path) as stored:

        def array(layer: str, name: str) -> Float64:
            return np.asarray(stored[f"{layer}/{layer}/{name}:0"], dtype=np.float64)

        layers = [
            _layer(name, *(array(name, part) for part in ("kernel", "recurrent_kernel", "bias"))) for name in LAYERS
        ]
        return Model(
            vocabulary=vocabulary,
            embedding=array("embedding", "embeddings").astype(np.float32),
            network=FloatNetwork(tuple(layers)),
            attention=array("attention", "attention_W")[:, 0],
            head=array("output", "kernel"),
            head_bias=array("output", "bias"),
        )


def _layer(name: str, kernel: Float64, recurrent: Float64, bias: Float64) -> FloatLayer:
    """A layer as CuDNN stores it: gates i, f, g, o; per gate the memory of a [I, H] array holds [H, I]; two biases."""
    w_ih = [gate.T.reshape(gate.shape, order="F").T for gate in np.split(kernel, 4, axis=1)]
    # Square, so its memory cannot be told from its transpose: [H, H] as it is wanted.
    w_hh = np.split(recurrent, 4, axis=1)
    halves = np.split(bias, 2)
    return FloatLayer(name, np.concatenate(w_ih), np.concatenate(w_hh), halves[0] + halves[1])
