"""Networks to fine-tune: what each is trained on, and what its output is to be close to.

Nothing is taken from the data that judge: training reads what a workload calibrates and tunes on, or its own
training set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstmith.golden.network import padded
from lstmith.scripts.bench.per_step.heads import dtln_mask, silero_speech
from lstmith.training.data import TrainingSequences, teacher, windows
from lstmith.training.finetune import Loss, Settings, follow_teacher
from lstmith.workloads import dtln, icu_thai, japanese_vowels, silero, textgenrnn
from lstmith.workloads.workload import Float32, Workload

SEED = 7
NOISE = 0.1  #: added to copies of short sequences; as in the training of Japanese Vowels
COPIES = 6
H_WEIGHT = 0.02  #: of the squared distance of h beside the entropy of the decision, Silero
LINES = 240  #: lines of Thai made of parts of two


@dataclass(frozen=True)
class Subject:
    """A workload with what its networks are trained on.

    Parameters
    ----------
    workload : Workload
    training : dict of list of float32 [T, I]
        Sequences per network, each from the zero state.
    whole : dict of list of float32 [T, I]
        Sequences as long as those that judge, to set thresholds on.
    loss : callable
        Loss of a network on its training sequences.
    settings : Settings
    """

    workload: Workload
    training: dict[str, list[Float32]]
    whole: dict[str, list[Float32]]
    loss: Callable[[str, TrainingSequences], Loss]
    settings: Settings


def load_japanese_vowels() -> Subject:
    """Three nets; the training utterances and noisy copies, the float net's classes at the last step."""
    workload = japanese_vowels.load()
    clean, rng = japanese_vowels.utterances("TRAIN")[0], np.random.default_rng(SEED)
    xs = [
        (x + NOISE * copy**0.5 * rng.standard_normal(x.shape)).astype(np.float32)
        for x in clean
        for copy in range(COPIES)
    ]

    def loss(network: str, data: TrainingSequences) -> Loss:
        weight, bias = (torch.from_numpy(part) for part in workload.heads[network])
        last = torch.from_numpy(data.valid.sum(axis=1) - 1)
        wanted = torch.from_numpy(teacher(workload.networks[network], xs))
        classes = _at(wanted, last) @ weight.T + bias

        def judge(h: Tensor, rows: npt.NDArray[np.integer]) -> Tensor:
            scores = (_at(h, last[rows]) @ weight.T + bias).log_softmax(dim=1)
            result: Tensor = torch.nn.functional.kl_div(
                scores, classes[rows].log_softmax(dim=1), log_target=True, reduction="batchmean"
            )
            return result

        return judge

    names = list(workload.networks)
    settings = Settings(epochs=20, batch=64, rate=0.1)
    return Subject(workload, dict.fromkeys(names, xs), dict.fromkeys(names, clean), loss, settings)


def load_icu_thai() -> Subject:
    """Both directions; lines of the story and mixtures of two, the float net's part of the classes' scores."""
    workload, model = icu_thai.load(), icu_thai.shipped_model()
    units = workload.networks[icu_thai.FORWARD].layers[0].units
    heads = {icu_thai.FORWARD: model.head[:units].T, icu_thai.BACKWARD: model.head[units:].T}
    training, whole = {}, {}
    for name in workload.networks:
        lines = workload.calibration[name] + workload.inputs("tune")[name]
        rng = np.random.default_rng(SEED)
        mixed = []
        for _ in range(LINES):
            one, two = (lines[index] for index in rng.integers(len(lines), size=2))
            mixed.append(np.concatenate([one[: rng.integers(1, len(one) + 1)], two[rng.integers(len(two)) :]]))
        training[name], whole[name] = lines + mixed, lines

    def loss(network: str, data: TrainingSequences) -> Loss:
        target = teacher(workload.networks[network], training[network])
        return follow_teacher(target, data, heads[network])

    return Subject(workload, training, whole, loss, Settings(epochs=60, batch=32, rate=0.12))


def load_textgenrnn() -> Subject:
    """Windows of the texts that calibrate and tune, the float net's scores of the next character at every step."""
    workload, model = textgenrnn.load(), textgenrnn.shipped_model()
    name = textgenrnn.NETWORK
    xs = workload.calibration[name] + workload.inputs("tune")[name]
    units = sum(layer.units for layer in model.network.layers)
    head = model.head[-units:].T

    def loss(network: str, data: TrainingSequences) -> Loss:
        return follow_teacher(teacher(workload.networks[network], xs), data, head)

    return Subject(workload, {name: xs}, {name: xs[::8]}, loss, Settings(epochs=8, batch=32, rate=0.06))


def load_dtln() -> Subject:
    """Windows of the noisy recordings, the float net's mask weighted by the magnitudes that it scales."""
    workload, name = dtln.load(), dtln.NETWORK
    recorded = workload.inputs("tune")[name] + workload.calibration[name]
    xs = windows(recorded, 128)
    rng = np.random.default_rng(SEED)
    xs = [xs[index] for index in sorted(rng.choice(len(xs), min(len(xs), 96), replace=False))]
    weight, bias = dtln_mask()

    def loss(network: str, data: TrainingSequences) -> Loss:
        last = workload.networks[network].layers[-1].units
        size = torch.from_numpy(padded(xs)[0])
        matrix, offset = torch.from_numpy(weight), torch.from_numpy(bias)
        wanted = torch.sigmoid(
            torch.from_numpy(teacher(workload.networks[network], xs))[..., -last:] @ matrix.T + offset
        )

        def judge(h: Tensor, rows: npt.NDArray[np.integer]) -> Tensor:
            mask = torch.sigmoid(h[..., -last:] @ matrix.T + offset)
            result: Tensor = ((size[rows] * (mask - wanted[rows])) ** 2).sum() / (size[rows] ** 2).sum()
            return result

        return judge

    whole = [x[:600] for x in recorded[:6]]
    return Subject(workload, {name: xs}, {name: whole}, loss, Settings(epochs=8, batch=16, rate=0.05))


def load_silero() -> Subject:
    """Windows of the recordings, the float net's probability of speech."""
    workload, name = silero.load(), silero.NETWORK
    recorded = workload.inputs("tune")[name] + workload.calibration[name]
    xs = windows(recorded, 96)
    weight, bias = (torch.from_numpy(part) for part in silero_speech())

    def loss(network: str, data: TrainingSequences) -> Loss:
        h_wanted = torch.from_numpy(teacher(workload.networks[network], xs))
        wanted = torch.sigmoid(torch.relu(h_wanted) @ weight.T + bias)
        near = torch.nn.functional.binary_cross_entropy(wanted, wanted, reduction="none")

        def judge(h: Tensor, rows: npt.NDArray[np.integer]) -> Tensor:
            entropy = torch.nn.functional.binary_cross_entropy_with_logits(
                torch.relu(h) @ weight.T + bias, wanted[rows], reduction="none"
            )
            result: Tensor = (entropy - near[rows]).mean() + H_WEIGHT * ((h - h_wanted[rows]) ** 2).sum(dim=2).mean()
            return result

        return judge

    return Subject(workload, {name: xs}, {name: recorded}, loss, Settings(epochs=16, batch=16, rate=0.08))


SUBJECTS = {
    "japanese_vowels": load_japanese_vowels,
    "icu_thai": load_icu_thai,
    "textgenrnn": load_textgenrnn,
    "dtln": load_dtln,
    "silero": load_silero,
}


def _at(values: Tensor, steps: Tensor) -> Tensor:
    """One step of each sequence: [N, T, H] to [N, H]."""
    return values[torch.arange(len(values)), steps]
