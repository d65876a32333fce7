"""Recordings are reproducible, disjoint and speech; framing and the float run are right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.planner import plan_model
from lstmith.datasets import speech, speech_files
from lstmith.datasets.places import data_directory
from lstmith.golden.network import run_float
from lstmith.spec.errors import UserError
from lstmith.vad import silero

PACKAGE = "pocketsphinx-testdata"


@pytest.fixture(scope="module")
def heldout() -> list[speech.Recording]:
    return speech.heldout_audio()


def test_no_recording_has_two_roles() -> None:
    table = speech_files.speech_table()
    assert {entry.role for entry in table} == {"calibration", "tune", "heldout", "demo", "training"}
    assert len({entry.sha256 for entry in table}) == len(table)
    applications: dict[str, set[str]] = {}
    for entry in table:
        if entry.package == speech.TELEPHONE:
            applications.setdefault(entry.role, set()).add(Path(entry.file).stem.split("-")[0])
    assert not applications["calibration"] & applications["heldout"]
    assert not applications["calibration"] & applications["demo"]
    assert not applications["heldout"] & applications["demo"]
    assert not applications["heldout"] & applications["tune"]
    assert not applications["training"] & (applications["heldout"] | applications["demo"])


def test_recordings_are_reproducible() -> None:
    first, second = speech.calibration_audio(), speech.calibration_audio()
    assert [recording.name for recording in first] == [recording.name for recording in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_heldout_is_large_enough(heldout: list[speech.Recording]) -> None:
    assert sum(len(silero.frames(recording.samples)) for recording in heldout) >= 5_000
    assert 20 <= speech.demo_audio().seconds <= 30


def test_samples_are_in_range(heldout: list[speech.Recording]) -> None:
    for recording in [*heldout, *speech.calibration_audio(), *speech.tune_audio(), speech.demo_audio()]:
        assert recording.samples.dtype == np.float32
        assert 0.1 < np.abs(recording.samples).max() <= 1.0
        assert np.isfinite(recording.samples).all()


def test_noise_has_the_named_level(heldout: list[speech.Recording]) -> None:
    """The pause at the start holds nothing but noise: its level must fall with the ratio in the name."""
    start = {recording.name: float(np.std(recording.samples[: speech.RATE // 2])) for recording in heldout}
    assert start["heldout-clean"] == pytest.approx(speech.LINE_NOISE, rel=0.05)
    assert start["heldout-5dB"] / start["heldout-20dB"] == pytest.approx(10 ** (15 / 20), rel=0.3)


def test_frames_overlap_by_the_context() -> None:
    samples = np.arange(1, 1201, dtype=np.float32)
    cut = silero.frames(samples)
    assert cut.shape == (3, 576)
    assert cut.dtype == np.float32
    np.testing.assert_array_equal(cut[0, :64], 0)
    np.testing.assert_array_equal(cut[0, 64:], samples[:512])
    np.testing.assert_array_equal(cut[1, :64], samples[448:512])
    np.testing.assert_array_equal(cut[2, 64:], np.pad(samples[1024:], (0, 336)))


def test_no_samples_give_no_frames() -> None:
    assert silero.frames(np.empty(0, dtype=np.float32)).shape == (0, 576)


def test_probabilities_find_speech_and_pauses() -> None:
    probability = silero.probabilities(speech.demo_audio().samples)
    decision = probability > silero.THRESHOLD
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert 0.3 < decision.mean() < 0.7
    assert np.count_nonzero(decision[1:] != decision[:-1]) >= 10
    assert not decision[:10].any(), "the recording starts with a pause"


@pytest.fixture(scope="module")
def graph() -> HostGraph:
    return HostGraph(plan_model(silero.model_path()))


def test_features_and_float_lstm_give_the_float_probability(graph: HostGraph) -> None:
    """The graph before, a NumPy LSTM and the graph after together are the whole model."""
    samples = speech.demo_audio().samples[: 100 * silero.HOP]
    x = silero.features(samples, graph)
    assert x.shape == (100, silero.UNITS)
    assert x.min() >= 0
    network = load_model(silero.model_path())
    trace = run_float(network, x[None].astype(np.float64))
    _, carried = graph.before(silero.feeds(samples))
    (probability,) = graph.after(trace.h[-1].astype(np.float32), carried).values()
    np.testing.assert_allclose(np.ravel(probability), silero.probabilities(samples), atol=1e-5, rtol=0)


@pytest.fixture
def copied_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own with one package in it."""
    speech_files.fetch("heldout")
    shutil.copytree(data_directory() / PACKAGE, tmp_path / PACKAGE)
    monkeypatch.setenv("LSTMITH_DATA", str(tmp_path))
    return tmp_path


def test_changed_recording_is_refused(copied_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = tuple(entry for entry in speech_files.speech_table() if entry.package == PACKAGE)
    monkeypatch.setattr(speech_files, "speech_table", lambda: entries)
    assert speech_files.fetch("heldout") == list(entries)
    with entries[0].path.open("r+b") as file:
        file.seek(100)
        file.write(b"\x55\xaa")
    with pytest.raises(UserError, match=r"missing, or not the recording of Debian 12's pocketsphinx-testdata"):
        speech_files.fetch("heldout")


def test_unreachable_mirror_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMITH_DATA", str(tmp_path))

    def unreachable(command: list[str], **_options: object) -> None:
        raise subprocess.CalledProcessError(100, command, stderr="E: noise\nE: Unable to locate package\n")

    monkeypatch.setattr(subprocess, "run", unreachable)
    with pytest.raises(
        UserError, match=r"^\S+: apt-get cannot download it \(E: Unable to locate package\); "
    ) as caught:
        speech_files.fetch("demo")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing half-written is left"


def test_unwritable_data_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSTMITH_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(UserError, match="set LSTMITH_DATA to another folder"):
        speech_files.fetch("demo")
