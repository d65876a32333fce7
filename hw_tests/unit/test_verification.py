"""``lstmith verify``: the core against golden over many steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmith.campaign import Store
from lstmith.cli.main import app
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.pipeline import compile_model
from lstmith.host import verification
from lstmith.host.request import RunRequest
from lstmith.host.results import EngineRun
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


def command(folder: Path, figures: Path, *options: str) -> list[str]:
    return ["verify", str(folder), "--json", str(figures), *options]


def told(figures: Path) -> dict[str, int]:
    found = json.loads(figures.read_text())
    return {name: found[name] for name in ("steps", "mismatches", "wrong_cycles")}


def test_every_step_is_compared_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of several pieces and of unequal lengths, by two workers; again, from the store alone."""
    monkeypatch.setattr(verification, "PIECE", 20)
    monkeypatch.setattr(verification, "GROUPS", 2)
    figures, store = tmp_path / "r.json", ("--store", str(tmp_path / "store"))
    found = CliRunner().invoke(app, command(folder, figures, "--steps", "1501", "--workers", "2", *store))
    assert found.exit_code == 0, found.output
    right = {"steps": 1501, "mismatches": 0, "wrong_cycles": 0}
    assert told(figures) == right
    # Whoever has everything needs neither the simulator nor golden.
    monkeypatch.delattr(verification, "run_golden")
    lines = CliRunner().invoke(app, command(folder, figures, "--steps", "1501", *store, "--json-lines"))
    assert lines.exit_code == 0, lines.output
    assert told(figures) == right
    progress = [json.loads(line) for line in lines.stdout.splitlines() if line.startswith("{")]
    assert (progress[-1]["done"], progress[-1]["total"]) == (1501, 1501)


def test_a_stopped_run_goes_on(design: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was: the state of the last piece is in the store too."""
    monkeypatch.setattr(verification, "PIECE", 20)
    monkeypatch.setattr(verification, "GROUPS", 1)
    store = Store(tmp_path / "store")

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_design(design, 900, store=store, progress=stop)
    compared: list[Any] = []

    def counted(request: RunRequest) -> EngineRun:
        compared.append(request)
        return run_golden(request)

    monkeypatch.setattr(verification, "run_golden", counted)
    assert verify_design(design, 900, store=store) == Compared(900)
    assert [int(request.valid.sum()) for request in compared] == [320, 260]
    assert compared[0].state is not None


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "random"])
def test_pieces_go_on_where_the_chain_was(
    design: Design, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    """The states between pieces are those of one long run, and recorded data starts over at its end."""
    pieces: list[tuple[RunRequest, EngineRun]] = []

    def kept(request: RunRequest) -> EngineRun:
        golden = run_golden(request)
        pieces.append((request, golden))
        return golden

    monkeypatch.setattr(verification, "run_golden", kept)
    monkeypatch.setattr(verification, "PIECE", 20)
    monkeypatch.setattr(verification, "GROUPS", 1)
    stream = rng.integers(-20_000, 20_000, (30, WIDTH)).astype(np.int16)
    steps = 2 * verification.CHAINS * verification.PIECE + 3
    given = (stream * design.network.x_lsb).astype(np.float32) if recorded else None
    assert verify_design(design, steps, given, policy={"mode": "dense"}) == Compared(steps)
    assert [int(request.valid.sum()) for request, _ in pieces] == [verification.CHAINS * verification.PIECE] * 2 + [3]
    assert len(pieces[-1][0].x) == 3
    x = np.concatenate([request.x[0] for request, _ in pieces])
    if recorded:
        np.testing.assert_array_equal(x, stream[np.arange(len(x)) % len(stream)])
    else:
        assert len({request.x[0].tobytes() for request, _ in pieces}) == len(pieces)
    once = Sequences(x[None].astype(np.float32), np.array([len(x)]), True, None, "x")
    policies = checked_policies(design, {"mode": "dense"})
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
    found = CliRunner().invoke(app, command(folder, tmp_path / "r.json", "--steps", "48", "--workers", "1"))
    assert isinstance(found.exception, SystemExit), found.exception
    assert found.exit_code == 1
    assert told(tmp_path / "r.json") == {"steps": 48, "mismatches": 1, "wrong_cycles": 1}


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
        (["--steps", "9", "--store", "{folder}/design.json"], "design.json: the store of results fails"),
    ],
)
def test_bad_input_is_one_line(folder: Path, options: list[str], message: str) -> None:
    found = CliRunner().invoke(app, ["verify", str(folder), *(each.format(folder=folder) for each in options)])
    assert found.exit_code != 0
    assert message in (str(found.exception) if isinstance(found.exception, UserError) else found.output)
