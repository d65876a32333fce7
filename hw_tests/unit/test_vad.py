"""``lstmith vad``: the same speech on every engine, and recordings that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from hw_tests.unit.link_cases import PtyDevice, identity
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.compiler.program_image import build_memory_image
from lstmith.datasets.speech import demo_audio
from lstmith.scripts.bench.silero import silero_design
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy import Policy
from lstmith.test_support.model import DeviceModel
from lstmith.vad.silero import RATE, probabilities
from lstmith.vad.view import HISTORY, Moment, View, bars

SECONDS = 2


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vad")
    silero_design(folder).save(folder / "design")
    return folder / "design"


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return demo_audio().samples[: SECONDS * RATE]


def _vad(folder: Path, *arguments: object) -> tuple[int, dict]:
    output = folder / "vad.json"
    command = ["vad", *map(str, arguments), "--figure", str(folder / "vad.png"), "--json", str(output)]
    code = execute(command)
    return code, json.loads(output.read_text()) if code == 0 else {}


def test_every_engine_hears_the_same(design: Path, samples: np.ndarray, tmp_path: Path) -> None:
    wavfile.write(tmp_path / "speech.wav", RATE, (samples * 32767).astype(np.int16))
    code, golden = _vad(tmp_path, tmp_path / "speech.wav", "--design", design)
    assert code == 0
    assert (tmp_path / "vad.png").read_bytes().startswith(b"\x89PNG")
    wanted = probabilities(samples)
    assert np.abs(np.array(golden["probabilities"]) - wanted).max() < 0.1
    assert golden["segments"]
    loaded = Design.load(design)
    image = build_memory_image(loaded.network, loaded.engine, [Policy()])
    device = DeviceModel(identity(loaded.engine, ring_words=2048), image, image_tag(image, loaded.engine))
    with PtyDevice(device.receive) as line:
        code, board = _vad(tmp_path, tmp_path / "speech.wav", "--design", design, "--port", line.port)
    assert code == 0
    # The model of a device does not count words.
    assert board["probabilities"] == golden["probabilities"]


@pytest.mark.parametrize(
    ("rate", "kind"), [(8000, np.int16), (44100, np.float32), (16000, np.uint8), (48000, np.int32)]
)
def test_other_rates_and_formats(
    rate: int, kind: type, design: Path, samples: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scipy.signal import resample_poly

    sound = resample_poly(samples, rate // 100, RATE // 100)
    if kind is np.uint8:
        given = (np.clip(sound, -1, 1) * 127 + 128).astype(kind)
    else:
        given = (sound * (1 if kind is np.float32 else np.iinfo(kind).max * 0.9)).astype(kind)
    wavfile.write(tmp_path / "speech.wav", rate, np.stack([given, given], axis=1))
    code, found = _vad(tmp_path, tmp_path / "speech.wav", "--design", design)
    assert code == 0
    assert found["segments"]
    said = f"resampled from {rate} to {RATE} samples per second" in capsys.readouterr().err
    assert said == (rate != RATE)


def _header(path: Path) -> None:
    wavfile.write(path, RATE, np.zeros(0, np.int16))


def _cut(path: Path) -> None:
    wavfile.write(path, RATE, np.zeros(4000, np.int16))
    path.write_bytes(path.read_bytes()[:3000])


def _text(path: Path) -> None:
    path.write_text("no sound")


def _nothing(path: Path) -> None:
    path.touch()


def _endless(path: Path) -> None:
    wavfile.write(path, RATE, np.full(4000, np.nan, np.float32))


@pytest.mark.parametrize("make", [_header, _cut, _text, _nothing, _endless, lambda path: None, Path.mkdir])
def test_what_is_no_recording(make: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "speech.wav")  # type: ignore[operator]
    code, _ = _vad(tmp_path, tmp_path / "speech.wav")
    assert code == 2
    message = capsys.readouterr().err
    assert message.startswith(f"lstmith: {tmp_path / 'speech.wav'}: ")
    assert message.count("\n") == 1
    assert not (tmp_path / "vad.png").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "name no sound, or two"),
        (("a.wav", "--microphone", 1), "name no sound, or two"),
        (("a.wav", "--engine", "float"), "option --engine: 'float' is unknown"),
        (("--microphone", 1), "needs the package sounddevice"),
    ],
)
def test_arguments(
    arguments: tuple[object, ...], problem: str, design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = _vad(tmp_path, *arguments, "--design", design)
    assert code == 2
    assert problem in capsys.readouterr().err


def test_the_view_shows_the_last_frames() -> None:
    view = View("test")
    for index in range(HISTORY + 5):
        table = view.add(Moment(np.full(512, 0.25, np.float32), index % 2, {"words_8": index, "skipped": 1}))
    rows = [list(column.cells) for column in table.columns]
    assert rows[0] == ["sound", "p(speech)", "8-bit words", "skipped"]
    assert rows[2] == ["", "0.00", str(HISTORY + 4), f"{HISTORY + 5} of {HISTORY + 5}"]
    assert bars([0.0, 0.5, 1.0, 2.0], 1.0) == " ▄██"


def test_an_installed_package_needs_a_design(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wavfile.write(tmp_path / "a.wav", RATE, np.zeros(4000, np.int16))
    monkeypatch.setattr("lstmith.vad.command.find_module", lambda name: None)
    assert execute(["vad", str(tmp_path / "a.wav")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("lstmith: option --design: is missing, and the recordings")
    assert told.count("\n") == 1
