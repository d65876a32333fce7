"""``lstmith bench presets``: what is built again, what is kept, and how the table tells both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lstmith.cli.main import execute
from lstmith.scripts.bench import presets as bench
from lstmith.spec.presets import Preset

_BLOCK = "<!-- bench:presets begin -->\nold\n<!-- bench:presets end -->\n"


def _row(mhz: float | None) -> dict[str, Any]:
    target = None if mhz is None else 50.0
    return {"cycles_per_step": 1024.0, "luts": 4321, "fmax_mhz": mhz, "target_mhz": target}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of what would have been built; tiny was, earlier."""
    names: list[str] = []

    def measured(chosen: Preset) -> dict[str, Any]:
        names.append(chosen.name)
        return _row(None if chosen.board is None else 40.0 if chosen.name == "wide" else 80.0)

    monkeypatch.setattr(bench, "_measured", measured)
    monkeypatch.setattr(bench, "RECORD", tmp_path / "presets.json")
    bench.RECORD.write_text(json.dumps({"tiny": {**_row(75.0), "measured": "2026-01-02 at `abc`"}}))
    return names


def _run(folder: Path, *more: str) -> int:
    document = folder / "document.md"
    document.write_text(_BLOCK)
    return execute(["bench", "presets", "--json", str(folder / "p.json"), "--document", str(document), *more])


def test_one_preset_is_built_and_the_other_rows_stay(built: list[str], tmp_path: Path) -> None:
    assert _run(tmp_path, "--only", "wide", "--only", "pair") == 0
    assert built == ["wide", "pair"]
    text = (tmp_path / "document.md").read_text()
    assert "\nold\n" not in text
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| `")}
    assert "| ULX3S 25F | 1 | 4321 | 50 (75.0) | 1,024 | 20.5 |" in lines["`tiny`"]
    assert lines["`tiny`"].endswith("| no | 2026-01-02 at `abc` |")
    assert "| 8 | 4321 | 50 (40.0) | 1,024 | clock missed |" in lines["`wide`"]
    assert "| none (ECP5 cells) | 8 | 4321 | - | 1,024 | - |" in lines["`pair`"]
    assert "| 2 | - | - | - | - | random" in lines["`gowin`"]
    assert lines["`gowin`"].endswith("| no | not yet |")
    assert set(json.loads(bench.RECORD.read_text())) == {"tiny", "wide", "pair"}


def test_an_unknown_preset_costs_no_time(built: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, "--only", "tiny", "--only", "huge") == 2
    assert "'huge' is unknown; use one of tiny, ice40, gowin, adaptive, digit, wide, pair" in capsys.readouterr().err
    assert built == []
    assert execute(["bench", "area", "--only", "tiny"]) == 2
    assert "option --only: is not for area" in capsys.readouterr().err


def test_damaged_rows_are_refused(built: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench.RECORD.write_text("[")
    assert _run(tmp_path) == 2
    assert "restore it from the repository" in capsys.readouterr().err
    assert built == []
