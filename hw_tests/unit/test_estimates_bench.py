"""What the estimates bench tells of clocks and build times, from figures of placements that it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lstmith.scripts.bench import estimates
from lstmith.scripts.bench.clocks import LINKED, PRESET_ROWS
from lstmith.scripts.bench.estimates import load, page, placed_figures, placed_text

#: Lookup tables of designs that lie on a line, and of one beside it.
LINE = dict(zip(LINKED, (5000, 10000, 20000), strict=True))
TINY = next(row for row, preset in PRESET_ROWS.items() if preset.name == "tiny")
ICE40 = next(row for row, preset in PRESET_ROWS.items() if preset.name == "ice40")


def _seeds(luts: int, mhz: float) -> dict[str, dict[str, Any]]:
    return {str(seed): {"luts": luts, "mhz": mhz, "minutes": luts / 5000} for seed in (1, 2, 3)}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {row: _seeds(luts, 1000 * luts**-0.25) for row, luts in LINE.items()}
    clocks |= {ICE40: _seeds(5000, 30.0)}
    presets = {"tiny": {"luts": 2500, "fmax_mhz": 500 * 2500**-0.25}, "generic": {"luts": 9000, "fmax_mhz": None}}
    monkeypatch.setattr(estimates, "load_clocks", lambda: clocks)
    monkeypatch.setattr(estimates, "load_rows", lambda: presets)


@pytest.mark.usefixtures("recorded")
def test_each_design_is_told_by_the_others() -> None:
    found = {one["name"]: one for one in placed_figures()}
    assert set(found) == {*LINE, TINY}, "of ECP5 alone"
    assert (found[TINY]["seeds"], found[TINY]["luts"]) == (1, 2500)
    expected, reached = found[TINY]["mhz"]
    assert expected == pytest.approx(2 * reached), "it reached half of what the line of the others tells"
    for row, luts in LINE.items():
        assert found[row]["minutes"] == (pytest.approx(luts / 5000), luts / 5000)
    assert "minutes" not in found[TINY]


@pytest.mark.usefixtures("recorded")
def test_the_page_tells_how_far_they_are_off() -> None:
    text = placed_text(placed_figures())
    assert "of 4 designs for the clock, 0.0 % of 3 designs for the time" in text
    assert f"| {TINY} | 2500 | 1 | 141.4 | 70.7 | - | - |" in text


def test_the_page_is_what_the_present_estimates_tell() -> None:
    """Another constant of ``compiler.sizing.estimate`` makes another page: `--recorded` writes it."""
    shown = Path("docs/results/estimates.md").read_text(encoding="utf-8")
    assert page(load()) + placed_text(placed_figures()) in shown
