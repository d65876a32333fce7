"""Fixed designs: what they are, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.cli.main import WRONG_INPUT, execute
from lstmith.compiler.design import Design
from lstmith.compiler.pipeline import compile_model
from lstmith.compiler.sizing.fixed import refuse_fixed
from lstmith.spec.errors import UserError

UNITS, INPUTS = 6, 2
SHAPES: dict[str, tuple[int, ...]] = {
    "W_ih": (4 * UNITS, INPUTS), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,),
}  # fmt: skip
COMPILE = ["compile", "model.npz", "--calibration", "x.npz", "-o", "other"]
#: Command lines about the design, the model and the data, and what they are told.
REFUSED: dict[str, tuple[list[str], str]] = {
    "policy": (
        ["run", "design", "--input", "x.npz", "--policy", "dense.json"],
        "dense.json: A fixed engine has one policy",
    ),
    "states": (["run", "design", "--input", "states.npz"], "gives initial states"),
    "image": (["generate", "design", "-o", "core.v", "--no-image"], "option --no-image: leaves out the weights"),
    "bus": (["generate", "design", "-o", "core.v", "--bus", "axi"], "option --bus: is axi"),
    "package": (["generate", "design", "--package", "folder"], "option --package: the design is fixed"),
    "active": ([*COMPILE, "--fixed", "--active", "4"], "option --active: is '4' with --fixed"),
    "planes": ([*COMPILE, "--fixed", "--planes", "2"], "option --planes: is 2, but with --fixed"),
    "memory": (
        ["compile", "wide.npz", "--calibration", "wide_x.npz", "--target", "icebreaker", "-o", "other", "--fixed"],
        "option --fixed: needs ",
    ),
}


def _arrays(rng: np.random.Generator) -> dict[str, Any]:
    return {name: rng.normal(0, 0.4, shape) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fixed design, its model, data with and without states, another policy, and a network of many weights."""
    folder, rng = tmp_path_factory.mktemp("fixed"), np.random.default_rng(1)
    arrays, x = _arrays(rng), rng.normal(0, 1, (2, 60, INPUTS)).astype(np.float32)
    np.savez(folder / "model.npz", **arrays)
    np.savez(folder / "x.npz", x=x)
    state = np.zeros((2, UNITS), dtype=np.float32)
    np.savez(folder / "states.npz", x=x, h0=state, c0=state)
    (folder / "dense.json").write_text(json.dumps({"mode": "dense"}))
    wide: dict[str, Any] = {name: rng.normal(0, 0.1, (400, size)) for name, size in (("W_ih", 100), ("W_hh", 100))}
    np.savez(folder / "wide.npz", **wide, b_ih=np.zeros(400), b_hh=np.zeros(400))
    np.savez(folder / "wide_x.npz", x=rng.normal(0, 1, (2, 30, 100)).astype(np.float32))
    compile_model(arrays, x, target="ulx3s-25f", fixed=True).save(folder / "design")
    return folder


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_it_cannot_be_is_one_line(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    arguments, told = REFUSED[name]
    if arguments[0] == "run":
        arguments = [*arguments, "--engine", "golden", "-o", "y.npz"]
    assert execute(arguments) == WRONG_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]
    assert sorted(folder.rglob("*")) == before


def test_the_engine_is_made_for_its_network(folder: Path) -> None:
    design = Design.load(folder / "design")
    engine, layer = design.engine, design.network.layers[0]
    assert engine.fixed
    assert engine.precisions == (layer.precision,)
    assert engine.acc_width == max(16, layer.sum_bound.bit_length() + 1)
    assert engine.weight_depth == design.image().weights.shape[1]
    described = design.generate().description
    assert described["registers"] == described["regions"] == {}
    assert not any(port["name"].startswith("bus_") for port in described["ports"])


def test_initial_states_have_no_way_in(folder: Path) -> None:
    source = Design.load(folder / "design").source
    refuse_fixed(source)
    begun = replace(source, layers=(replace(source.layers[0], h0=np.full(UNITS, 0.5)),))
    with pytest.raises(UserError, match="has no bus to load the initial states of layer"):
        refuse_fixed(begun)
