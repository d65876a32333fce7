"""What the bench of explorations compares and tells, of figures that it is given."""

from __future__ import annotations

from typing import Any

import pytest

from lstmith.scripts.bench import exploring
from lstmith.scripts.bench.exploring import matched, page, rivals


def _point(name: str, board: str, us: float, luts: float) -> dict[str, Any]:
    return {
        "name": name,
        "board": board,
        "clock_mhz": 75.0,
        "objectives": {"us": us, "luts": luts, "dsps": 4, "brams": 5, "loss": 0.01},
        "stage": "golden",
    }


FRONT = [_point("fast", "a", 5.0, 900.0), _point("small", "a", 9.0, 500.0), _point("other", "b", 1.0, 1.0)]


@pytest.mark.parametrize(
    ("us", "luts", "name"), [(5.0, 900.0, "fast"), (20.0, 1000.0, "fast"), (9.0, 899.0, "small"), (8.0, 899.0, "")]
)
def test_a_point_that_is_no_slower_and_no_larger(us: float, luts: float, name: str) -> None:
    assert matched(FRONT, "a", {"us": us, "luts": luts}) == name


def test_rivals_are_silero_engines_of_these_boards() -> None:
    found = rivals()
    assert {chosen.board for chosen, _ in found.values()} <= set(exploring.BOARDS)
    assert "adaptive" in found
    assert all(figures["us"] > 0 and figures["luts"] > 1000 for _, figures in found.values())


def test_the_page_tells_who_has_no_match(monkeypatch: pytest.MonkeyPatch) -> None:
    preset, _ = rivals()["adaptive"]
    monkeypatch.setattr(exploring, "rivals", lambda: {"adaptive": (preset, {"us": 1.0, "luts": 1.0})})
    run = {
        "front": FRONT,
        "seconds": 90,
        "processors": 2,
        "load": 1.0,
        "evaluated": 7,
        "frames": 9,
        "measured": "today",
    }
    alone = page({"search": run})
    assert "1.5 minutes on 2 processors" in alone
    assert "| adaptive | ulx3s-85f | 1.0 | 1 | none |" in alone
    assert "--place" not in alone
    assert "2 of these points are placed" in page(
        {"search": run, "place": {**run, "front": [each | {"stage": "place"} for each in FRONT[:2]]}}
    )
