"""``lstmith bench boards``: what is measured again, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lstmith.boards.catalogue import BOARDS
from lstmith.cli.main import execute
from lstmith.scripts.bench import boards as boards_bench

_BLOCKS = "".join(
    f"<!-- {name} begin -->\nold\n<!-- {name} end -->\n" for name in ("bench:boards", "bench:boards-small")
)


def _figures(mhz: float, target: float = 36.0) -> dict[str, Any]:
    return {
        **dict.fromkeys(boards_bench.RESOURCES, 7),
        "lanes": 2,
        "fmax_mhz": mhz,
        "target_mhz": target,
        "seconds": 12.3,
        "measured": "today",
    }


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What would have been built."""
    asked: list[object] = []

    def small(seed: int, boards: list[str]) -> dict[str, Any]:
        asked.append((seed, boards))
        return {board: _figures(40.0) for board in boards}

    def silero(seed: int, boards: list[str]) -> dict[str, Any]:
        asked.append((seed, boards))
        return {"ulx3s-85f": {**_figures(60.0, 50.0), "cycles_per_step": 1078.4, "cycles_max": 1480, "margin": 1483.7}}

    monkeypatch.setattr(boards_bench, "run_small", small)
    monkeypatch.setattr(boards_bench, "run_silero", silero)
    return asked


def _bench(folder: Path, *more: str) -> tuple[dict[str, Any], str]:
    json_path, document = folder / "figures.json", folder / "document.md"
    if not document.exists():
        document.write_text(_BLOCKS)
    paths = ["--json", str(json_path), "--document", str(document)]
    assert execute(["bench", "boards", *paths, *more]) == 0
    return json.loads(json_path.read_text()), document.read_text()


def test_all_boards_and_silero(builds: list[object], tmp_path: Path) -> None:
    figures, text = _bench(tmp_path)
    assert builds == [(1, [board.name for board in BOARDS]), (1, list(boards_bench.BUILDS))]
    assert set(figures) == {"small", "silero", "generator"}
    assert "| Tang Nano 9K | 2 | 7 | 7 | 7 | 7 | 7 | 7 | 40.0 | 36 | 10 % | 12 | today |" in text
    assert "| ULX3S 85F | 2 | 7 | 7 | 7 | 7 | 7 | 7 | 60.0 | 50 | 17 % | 12 | today | 1,078 | 1,480 | 1,484x |" in text
    assert "old" not in text


def test_quick_keeps_silero_and_the_other_boards(builds: list[object], tmp_path: Path) -> None:
    earlier = {"small": {"ecpix5-85f": _figures(72.0)}, "silero": {"kept": 1}, "generator": "lstmith bench boards"}
    (tmp_path / "figures.json").write_text(json.dumps(earlier))
    figures, text = _bench(tmp_path, "--quick", "--board", "icebreaker", "--seed", "4")
    assert builds == [(4, ["icebreaker"])]
    assert set(figures["small"]) == {"ecpix5-85f", "icebreaker"}
    assert figures["silero"] == {"kept": 1}
    assert text.startswith(_BLOCKS[: _BLOCKS.index("<!-- bench:boards-small")])
    assert text.index("iCEBreaker") < text.index(
        "| ECPIX-5 85F | 2 | 7 | 7 | 7 | 7 | 7 | 7 | 72.0 | 36 | 50 % | 12 | today |"
    )


def test_an_unknown_board_costs_no_time(builds: list[object], tmp_path: Path) -> None:
    (tmp_path / "document.md").write_text(_BLOCKS)
    paths = ["--json", str(tmp_path / "figures.json"), "--document", str(tmp_path / "document.md")]
    assert execute(["bench", "boards", "--quick", "--board", "de10", *paths]) == 2
    assert builds == []


def test_the_small_network_fits_every_board(tmp_path: Path) -> None:
    for board in BOARDS:
        assert boards_bench.small_design(tmp_path, board.name).engine.lanes == boards_bench.LANES
