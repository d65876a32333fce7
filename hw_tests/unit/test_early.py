"""What cannot fit is refused before any calibration data is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.cli.main import execute


def _model(path: Path, units: int, inputs: int = 8) -> Path:
    shapes = {"W_ih": (4 * units, inputs), "W_hh": (4 * units, units), "b_ih": (4 * units,), "b_hh": (4 * units,)}
    arrays: dict[str, Any] = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("units", "options", "message"),
    [
        (512, ("--target", "icebreaker"), "target: icebreaker has 1048576 bits for weights and the network needs"),
        (512, ("--target", "icebreaker"), "too many; use "),
        (1024, ("--mac", "auto"), "bits for weights and the network needs"),
        (6, ("--target", "generic", "--lanes", "7"), "lanes: is 7, but the largest layer has 6 units; use at most 6"),
        (6, ("--lanes", "100000"), "lanes: is 100000, above the"),
        (6, ("--target", "icebreaker", "--precision", "4"), "precision: 4 bit is not supported on icebreaker; use 8"),
        (6, ("--sequences", "3"), "option --sequences: is 3; use 1 or 2"),
        (6, ("--no-delta", "--active", "4"), "option --active: is '4' with --no-delta"),
    ],
)
def test_refused_before_calibration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], units: int, options: tuple[str, ...], message: str
) -> None:
    """The calibration file is not even there, so that nothing can have been fitted."""
    model, missing = _model(tmp_path / "m.npz", units), tmp_path / "missing.npz"
    assert execute(["compile", str(model), "--calibration", str(missing), *options, "-o", str(tmp_path / "d")]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_what_may_fit_goes_on_to_calibration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As many lanes as units are accepted, and one precision too high does not hide a lower one from auto."""
    model, missing = _model(tmp_path / "m.npz", 6), tmp_path / "missing.npz"
    for options in (("--target", "generic", "--lanes", "6"), ("--target", "icebreaker", "--precision", "auto")):
        assert execute(["compile", str(model), "--calibration", str(missing), *options, "-o", str(tmp_path / "d")]) == 2
        assert "missing.npz: cannot be read" in capsys.readouterr().err
