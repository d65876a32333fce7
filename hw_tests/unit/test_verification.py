"""``lstmith verify``: the core against golden over many steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmith.cli.main import app
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.pipeline import compile_model
from lstmith.host import verification
from lstmith.host.request import RunRequest
from lstmith.host.run import run_golden
from lstmith.host.runner import checked_policies
from lstmith.host.verification import Compared, verify_design
from lstmith.spec.errors import UserError

UNITS, WIDTH = 5, 3


@pytest.fixture(scope="module")
def design() -> Design:
    rng = np.random.default_rng(0)
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    model = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    return compile_model(model, {"x": rng.normal(size=(4, 40, WIDTH)).astype(np.float32)}, target="generic", lanes=2)


@pytest.fixture(scope="module")
def folder(design: Design, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verified") / "design"
    design.save(path)
    return path


def test_every_step_is_compared_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains of several pieces and of unequal lengths, by two workers."""
    monkeypatch.setattr(verification, "PIECE", 20)
    figures = tmp_path / "r.json"
    command = ["verify", str(folder), "--steps", "999", "--workers", "2", "--json", str(figures)]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    told = json.loads(figures.read_text())
    assert {name: told[name] for name in ("steps", "mismatches", "wrong_cycles")} == {
        "steps": 999,
        "mismatches": 0,
        "wrong_cycles": 0,
    }


def test_pieces_go_on_where_the_chain_was(design: Design, rng: np.random.Generator) -> None:
    """The states between pieces are those of one long run, and the data starts over at its end."""
    policies = checked_policies(design, {"mode": "dense"})
    stream = rng.integers(-20_000, 20_000, (30, WIDTH)).astype(np.int16)
    pieces = list(verification._pieces(design, policies, stream, 2 * verification.CHAINS * verification.PIECE + 3))
    assert [int(request.valid.sum()) for request, _ in pieces] == [verification.CHAINS * verification.PIECE] * 2 + [3]
    assert len(pieces[-1][0].x) == 3
    x = np.concatenate([request.x[0] for request, _ in pieces])
    np.testing.assert_array_equal(x, stream[np.arange(len(x)) % len(stream)])
    once = Sequences(x[None].astype(np.float32), np.array([len(x)]), True, None, "x")
    long = run_golden(RunRequest(design, policies, once, x[None], None))
    joined = np.concatenate([golden.layers[-1].h[0] for _, golden in pieces])
    np.testing.assert_array_equal(joined, long.layers[-1].h[0])


def test_a_wrong_value_and_a_wrong_cycle_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def wrong(request: Any) -> Any:
        golden = run_golden(request)
        golden.layers[0].h[0, -1, 0] += 1
        golden.cycles[0, -1] += 1
        return golden

    monkeypatch.setattr(verification, "run_golden", wrong)
    command = ["verify", str(folder), "--steps", "48", "--json", str(tmp_path / "r.json")]
    found = CliRunner().invoke(app, command)
    assert isinstance(found.exception, SystemExit), found.exception
    assert found.exit_code == 1
    told = json.loads((tmp_path / "r.json").read_text())
    assert (told["mismatches"], told["wrong_cycles"]) == (1, 1)


def test_recorded_data(design: Design, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 12, WIDTH)).astype(np.float32)
    assert verify_design(design, 40, {"x": x, "lengths": np.array([12, 7])}) == Compared(40)
    with pytest.raises(UserError, match=r"^input field x: has width 4"):
        verify_design(design, 40, {"x": np.zeros((5, 4), dtype=np.float32)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "0"], "than or equal to 1"),
        (["--steps", "9", "--workers", "0"], "than or equal to 1"),
        (["--steps", "9", "--input", "none.npz"], "none.npz"),
        (["--steps", "9", "--policy", "none.json"], "none.json"),
    ],
)
def test_bad_input_is_one_line(folder: Path, options: list[str], message: str) -> None:
    found = CliRunner().invoke(app, ["verify", str(folder), *options])
    assert found.exit_code != 0
    assert message in (str(found.exception) if isinstance(found.exception, UserError) else found.output)
