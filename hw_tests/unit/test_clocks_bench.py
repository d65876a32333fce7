"""``lstmith bench clocks``: what is measured, what is kept of earlier runs, and what the page says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lstmith.boards.board import Board
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.scripts.bench import clocks
from lstmith.spec.presets import preset

LINKED = "32 lanes with the link"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """What the next measurements of a row give, seed by seed; there is no earlier record."""
    results: dict[str, list[dict[str, Any]]] = {}

    def found(row: str, seeds: Sequence[int], cache: Path, report: object) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from ((seed, dict(figures)) for seed, figures in zip(seeds, results[row], strict=False))

    monkeypatch.setattr(clocks, "RECORD", tmp_path / "clocks.json")
    monkeypatch.setattr(clocks, "_measured", found)
    return results


def _bench(folder: Path, *more: str) -> tuple[dict[str, Any], str]:
    document = folder / "document.md"
    document.write_text("<!-- bench:clocks begin -->\nold\n<!-- bench:clocks end -->\n")
    assert execute(["bench", "clocks", "--json", str(folder / "f.json"), "--document", str(document), *more]) == 0
    return json.loads((folder / "f.json").read_text()), document.read_text()


def test_median_spread_and_histogram(measured: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    told = ((99.4, 6.0), (104.9, 4.0), (88.0, 5.0))
    measured[LINKED] = [{"mhz": mhz, "minutes": minutes, "luts": 4321, "target_mhz": 105.0} for mhz, minutes in told]
    _, text = _bench(tmp_path, "--only", LINKED)
    assert f"| {LINKED} | 105 | 99.4 | 104.9 | 88.0 | 99.4 | 88.0 | 104.9 | 89.5 | 4321 | 5.0 |" in text
    assert [line for line in text.splitlines() if " to " in line and line.startswith("|")] == [
        "| 85 to 90 | # |",
        "| 95 to 100 | # |",
        "| 100 to 105 | # |",
    ]
    assert "64 lanes with the link, seed 1, 2, 3" in text, "what is missing is told"
    assert f"{LINKED}, seed" not in text


def test_what_was_measured_stays(measured: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    measured[LINKED] = [{"mhz": 99.4, "minutes": 6.0}, {"mhz": 90.0, "minutes": 7.0}]
    _bench(tmp_path, "--only", LINKED, "--seeds", "1", "--seeds", "2")
    # The build cache had both; the second one's tools had changed.
    measured[LINKED] = [{"mhz": 99.4, "minutes": None}, {"mhz": 91.0, "minutes": None}]
    figures, text = _bench(tmp_path, "--only", LINKED, "--seeds", "1", "--seeds", "2")
    assert {seed: figures[LINKED][seed]["minutes"] for seed in ("1", "2")} == {"1": 6.0, "2": None}
    assert f"| {LINKED} | - | 99.4 | 91.0 | - | 95.2 |" in text


def test_an_unknown_row_costs_no_time(measured: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / "d.md").write_text("<!-- bench:clocks begin -->\n<!-- bench:clocks end -->\n")
    paths = ["--json", str(tmp_path / "f.json"), "--document", str(tmp_path / "d.md")]
    assert execute(["bench", "clocks", "--only", "63 lanes", *paths]) == 2
    assert execute(["bench", "clocks", "--seeds", "4", *paths]) == 2


@pytest.mark.parametrize(
    ("row", "lanes", "board", "clock"),
    [
        ("preset ice40, iCEBreaker", preset("ice40").engine.lanes, "icebreaker", 30.0),
        ("16 lanes with the link", 16, "ulx3s-85f", 105.0),
    ],
)
def test_a_row_is_placed_on_its_own_board_for_its_clock(
    row: str, lanes: int, board: str, clock: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[int, str, float]] = []

    def reached(design: Design, board: Board, seeds: Sequence[int], report: object) -> Iterator[tuple[int, Any]]:
        asked.append((design.engine.lanes, board.name, board.clock_mhz))
        figures = {"fmax_mhz": 35.0, "minutes": 1.0, "luts": 5, "ffs": 5, "target_mhz": clock, "critical_path": []}
        yield from ((seed, figures) for seed in seeds)

    monkeypatch.setattr(clocks, "RECORD", tmp_path / "clocks.json")
    monkeypatch.setattr(clocks, "reached_clocks", reached)
    figures, _ = _bench(tmp_path, "--only", row, "--seeds", "2")
    assert asked == [(lanes, board, clock)]
    assert (figures[row]["2"]["mhz"], figures[row]["2"]["target_mhz"]) == (35.0, clock)
