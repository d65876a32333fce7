"""The long run of Silero VAD's core, with a small network in its place."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler import compile_model
from lstmith.host.verification import Compared
from lstmith.scripts import long
from lstmith.scripts.measuring import ended


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> list[str]:
    """Arguments of the command; what it compares is a layer of four units."""
    x = rng.normal(0, 1, (1, 50, 2)).astype(np.float32)
    arrays = {
        "W_ih": rng.normal(0, 1, (16, 2)),
        "W_hh": rng.normal(0, 0.5, (16, 4)),
        "b_ih": rng.normal(0, 1, 16),
        "b_hh": np.zeros(16),
    }
    monkeypatch.setattr(long, "silero_design", lambda folder: compile_model(arrays, x, target="generic", lanes=1))
    monkeypatch.setattr(long, "heldout_audio", list)
    monkeypatch.setattr(long, "save_features", lambda path, recordings: np.savez(path, x=x))
    folder = tmp_path / "documents"
    arguments = ["long", "--steps", "120", "--documents", str(folder), "--store", str(tmp_path / "kept" / "s.sqlite")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--workers", "1"])
    return arguments


def test_every_step_is_compared(told: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        ended(long.main, long.DifferenceError)
    assert caught.value.code == 0
    figures = json.loads((tmp_path / "documents" / "long.json").read_text())
    assert (figures["steps"], figures["mismatches"], figures["wrong_cycles"]) == (120, 0, 0)
    page = (tmp_path / "documents" / "long.md").read_text()
    assert "| 120 | 0 | 0 |" in page
    assert f"It took {figures['minutes']} minutes." in page


def test_minutes_are_told_of_whole_runs_alone(told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "verify_design", lambda *given, **more: Compared(120, 0, 0))
    for whole in (True, False):
        with pytest.raises(SystemExit):
            ended(long.main, long.DifferenceError)
        assert (json.loads((tmp_path / "documents" / "long.json").read_text())["minutes"] is not None) == whole
        assert ("It took" in (tmp_path / "documents" / "long.md").read_text()) == whole


def test_a_difference_is_published_and_told(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(long, "verify_design", lambda *given, **more: Compared(120_000, 2, 1))
    with pytest.raises(SystemExit) as caught:
        ended(long.main, long.DifferenceError)
    assert caught.value.code == 1
    assert "2 values differ in 120000 steps, and cycles of 1" in capsys.readouterr().err
    assert "| 120,000 | 2 | 1 |" in (tmp_path / "documents" / "long.md").read_text()


@pytest.mark.parametrize("option", ["--steps", "--workers"])
def test_a_number_that_is_none_is_one_line(
    option: str, told: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [*told, option, "0"])
    with pytest.raises(SystemExit) as caught:
        ended(long.main, long.DifferenceError)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"{option}: is 0; give a positive number\n"
