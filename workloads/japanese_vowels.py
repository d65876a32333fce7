"""Japanese Vowels: which of nine speakers says a vowel pair, told from the last h of small nets trained for it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.datasets.workload_files import fetch_files
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.workloads.workload import Float32, Float64, Metric, Runner, Scores, Workload, chosen

WEIGHTS = Path(__file__).with_name("weights") / "japanese_vowels.npz"
SEEDS = (1, 2, 3)
CALIBRATION_EVERY = 3  #: of the training sequences, which are sorted by speaker
TUNE_EVERY = 3  #: of the test sequences; the others are held out

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class JapaneseVowelsWorkload(Workload):
    """Speaker recognition by three nets that differ in the seed of their training."""

    heads: dict[str, tuple[Float64, Float64]]

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """Right speakers per utterance and net; units are utterances, since the nets share them."""
        right = [self.right(split, runner, network) for network in self.networks]
        return Scores(np.sum(right, axis=0), np.full(len(right[0]), float(len(right))))

    def right(self, split: str, runner: Runner, network: str) -> Float64:
        """Whether one net names the right speaker, per utterance: float64 [U], 0 or 1."""
        xs, labels = _split(chosen(split))
        last = np.stack([h[-1] for h in runner.sequences(network, xs)])
        weight, bias = self.heads[network]
        return ((last @ weight.T + bias).argmax(axis=1) == labels).astype(np.float64)

    def inputs(self, split: str) -> dict[str, list[Float32]]:
        """Utterances, each float32 [7..29, 12]; every net has the same."""
        return dict.fromkeys(self.networks, _split(chosen(split))[0])


def load() -> JapaneseVowelsWorkload:
    """The nets of ``workloads/weights``, made by ``python -m lstmith.workloads.train_japanese_vowels``."""
    with np.load(WEIGHTS) as stored:
        arrays = {name: stored[name].astype(np.float64) for name in stored.files}
    networks, heads = {}, {}
    for seed in SEEDS:
        name = f"seed{seed}"
        parts = {part: arrays[f"{name}_{part}"] for part in ("w_ih", "w_hh", "bias", "head", "head_bias")}
        heads[name] = (parts.pop("head"), parts.pop("head_bias"))
        networks[name] = FloatNetwork((FloatLayer(name, **parts),))
    return JapaneseVowelsWorkload(
        name="japanese_vowels",
        networks=networks,
        calibration=dict.fromkeys(networks, utterances("TRAIN")[0][::CALIBRATION_EVERY]),
        metric=Metric("accuracy", "", higher_is_better=True),
        source="data from PyPI aeon 1.6.0 (Kudo, Toyama, Shimbo 1999); nets trained by this project",
        licence="data as in aeon (BSD-3-Clause); nets Apache-2.0",
        heads=heads,
    )


@functools.cache
def utterances(part: str) -> tuple[list[Float32], Labels]:
    """All utterances of ``TRAIN`` (270) or ``TEST`` (370), each float32 [T, 12], and their speakers, 0 to 8."""
    text = fetch_files("aeon")[f"JapaneseVowels_{part}.ts"].read_text(encoding="utf-8")
    xs, labels = [], []
    for line in text.split("@data\n")[1].split():
        *channels, label = line.split(":")
        xs.append(np.array([channel.split(",") for channel in channels], dtype=np.float32).T.copy())
        labels.append(int(label) - 1)
    return xs, np.array(labels)


def _split(split: str) -> tuple[list[Float32], Labels]:
    xs, labels = utterances("TEST")
    tune = np.arange(len(xs)) % TUNE_EVERY == 0
    wanted = np.flatnonzero(tune if split == "tune" else ~tune)
    return [xs[index] for index in wanted], labels[wanted]
