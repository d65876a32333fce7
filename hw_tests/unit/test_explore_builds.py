"""What the builds in a store tell of the next one: a line that is found, and errors of builds it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.campaign import Store
from lstmith.campaign.store import Result
from lstmith.compiler.design import Design
from lstmith.explore import hardware
from lstmith.explore.builds import FEWEST, collected, fitted, left_out
from lstmith.spec.errors import UserError

LUTS = [5000, 6000, 8000, 12000, 20000]


def test_a_power_is_found() -> None:
    line = fitted(LUTS, [900 * luts**-0.3 for luts in LUTS])
    assert line is not None
    assert line.builds == len(LUTS)
    assert line.exponent == pytest.approx(-0.3)
    assert line.at(10000) == pytest.approx(900 * 10000**-0.3)
    assert line.median_error == pytest.approx(0, abs=1e-9)
    assert line.r2 == pytest.approx(1)


def test_errors_are_of_builds_that_the_line_never_saw(rng: np.random.Generator) -> None:
    """Of noise a line explains nothing, though the builds that it was fitted to lie nearer."""
    values = rng.uniform(50, 100, len(LUTS)).tolist()
    line = fitted(LUTS, values)
    assert line is not None
    seen = np.median([abs(line.at(luts) / value - 1) for luts, value in zip(LUTS, values, strict=True)])
    assert line.median_error > 1.1 * seen
    assert line.r2 < 1


def test_seeds_of_a_design_are_left_out_together() -> None:
    """Another seed of the same design would tell what its clock is."""
    luts = [5000, 6000, 8000, 12000, 12000, 12000]
    values = [900 * count**-0.3 for count in luts[:3]] + [500.0] * 3
    assert left_out(luts, values)[3:] == pytest.approx([900 * 12000**-0.3] * 3)


def test_too_few_tell_nothing() -> None:
    assert fitted(LUTS[: FEWEST - 1], [1.0] * (FEWEST - 1)) is None
    assert fitted([5000] * 8, [1.0] * 8) is None


def test_builds_of_a_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    assert collected(store) == collected(None) == {}
    rows: list[dict[str, Any]] = [{"luts": luts, "fmax_mhz": 1e6 / luts, "seconds": luts / 100} for luts in LUTS]
    # Another family, a build without a time, and one that failed.
    rows += [{"luts": 5000, "fmax_mhz": 1.0, "seconds": None}, {"failed": "no room"}]
    boards = ["ulx3s-25f"] * 5 + ["icebreaker", "ulx3s-85f"]
    given = zip(rows, boards, strict=True)
    store.put(
        Result(str(key), "lstmith.explore.hardware:placed", {"board": board}, row)
        for key, (row, board) in enumerate(given)
    )
    found = collected(store)
    assert list(found) == ["ecp5"]
    assert found["ecp5"]["fmax_mhz"].at(10000) == pytest.approx(100)
    assert found["ecp5"]["seconds"].at(10000) == pytest.approx(100)


def test_a_design_that_its_board_cannot_hold_is_one_that_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    problem = UserError("board ulx3s-25f", "has 1 luts, and the design takes 2", "compile it with fewer --lanes")

    def refuses(*given: object, **more: object) -> None:
        raise problem

    monkeypatch.setattr(Design, "load", lambda folder: None)
    monkeypatch.setattr(hardware, "build", refuses)
    spec = {"board": "ulx3s-25f", "clock_mhz": 75.0, "seed": 1, "seeds": 1}
    assert hardware.placed(spec, {"design": tmp_path}) == {"failed": str(problem)}
