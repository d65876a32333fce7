"""``lstmith bench boards``: what is measured again, and what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lstmith.boards.catalogue import BOARDS
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.flow import TimingError
from lstmith.flow.attempt import Progress
from lstmith.scripts.bench import boards as boards_bench
from lstmith.scripts.bench.stamps import stamp

_BLOCKS = "".join(
    f"<!-- {name} begin -->\nold\n<!-- {name} end -->\n" for name in ("bench:boards", "bench:boards-small")
)


def _figures(mhz: float) -> dict[str, Any]:
    """What a build returns, of what is recorded."""
    more = {"fmax_mhz": mhz, "target_mhz": 36.0, "seconds": 12.3, "tool_versions": {"yosys": "0"}}
    return {**dict.fromkeys(boards_bench.RESOURCES, 7), **more}


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, int]]:
    """Boards and seeds of what would have been built."""
    asked: list[tuple[str, int]] = []

    def built(design: Design, board: str, folder: Path, *, seed: int, progress: Progress) -> dict[str, Any]:
        asked.append((board, seed))
        if board == "icepi-zero":
            raise TimingError("misses its clock", "ask for less", {"board": board, **_figures(30.0)})
        return _figures(60.0 if design.engine.lanes == 32 else 40.0)

    def silero(folder: Path, *, lanes: int | None, target: str) -> Design:
        small = boards_bench.small_design(folder, target)
        return replace(small, engine=replace(small.engine, lanes=lanes or 4))

    monkeypatch.setattr(boards_bench, "build", built)
    monkeypatch.setattr(boards_bench, "silero_design", silero)
    monkeypatch.setattr(
        boards_bench,
        "_silero_figures",
        lambda design, folder: {"cycles_per_step": 1078.4, "cycles_max": 1480, "margin": 1483.7},
    )
    monkeypatch.setattr(boards_bench, "RECORD", tmp_path / "boards.json")
    return asked


def _bench(folder: Path, *more: str) -> tuple[dict[str, Any], str]:
    json_path, document = folder / "figures.json", folder / "document.md"
    if not document.exists():
        document.write_text(_BLOCKS)
    paths = ["--json", str(json_path), "--document", str(document)]
    assert execute(["bench", "boards", *paths, *more]) == 0
    return json.loads(json_path.read_text()), document.read_text()


def _row(text: str, title: str, clock: float) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {title} |") and f" {clock:.1f} " in line)


def test_all_boards_and_silero(builds: list[tuple[str, int]], tmp_path: Path) -> None:
    figures, text = _bench(tmp_path)
    assert builds == [(board.name, 1) for board in BOARDS] + [(board, 1) for board in boards_bench.BUILDS]
    assert {part: set(figures[part]) for part in ("small", "silero")} == {
        "small": {board.name for board in BOARDS},
        "silero": set(boards_bench.BUILDS),
    }
    assert f"| 40.0 | 36 | 10 % | 12 | 1 | {stamp()} |" in _row(text, "Tang Nano 9K", 40.0)
    assert "| 30.0 | 36 | -20 % |" in _row(text, "Icepi Zero", 30.0), "a clock that is missed is a result too"
    assert _row(text, "ULX3S 85F", 60.0).endswith(f"| {stamp()} | 1,078 | 1,480 | 1,484x |")
    assert "old" not in text


def test_a_board_alone_keeps_what_the_repository_holds_of_the_others(
    builds: list[tuple[str, int]], tmp_path: Path
) -> None:
    earlier = {**_figures(72.0), "lanes": 2, "seed": 1, "measured": "some day"}
    boards_bench.RECORD.write_text(json.dumps({"small": {"ecpix5-85f": earlier}}))
    figures, text = _bench(tmp_path, "--quick", "--board", "icebreaker", "--seed", "4")
    assert builds == [("icebreaker", 4)]
    assert json.loads(boards_bench.RECORD.read_text())["small"] == figures["small"]
    assert set(figures["small"]) == {"ecpix5-85f", "icebreaker"}
    assert text.index("iCEBreaker") < text.index("| ECPIX-5 85F | 2 |")
    assert _row(text, "ECPIX-5 85F", 72.0).endswith("| 72.0 | 36 | 50 % | 12 | 1 | some day |")
    assert "| 12 | 4 |" in _row(text, "iCEBreaker", 40.0)


def test_an_unknown_board_costs_no_time(builds: list[tuple[str, int]], tmp_path: Path) -> None:
    (tmp_path / "document.md").write_text(_BLOCKS)
    paths = ["--json", str(tmp_path / "figures.json"), "--document", str(tmp_path / "document.md")]
    assert execute(["bench", "boards", "--quick", "--board", "de10", *paths]) == 2
    assert builds == []


def test_the_small_network_fits_every_board(tmp_path: Path) -> None:
    for board in BOARDS:
        assert boards_bench.small_design(tmp_path, board.name).engine.lanes == boards_bench.LANES
