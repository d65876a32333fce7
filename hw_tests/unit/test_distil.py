"""``lstmith distil``: a damaged design gets better, figures are of data that training never saw, bad input is told."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.cli.main import execute
from lstmith.compiler import Design, compile_model
from lstmith.spec.digits import has_digits
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="training needs the extra torch")
UNITS, INPUTS, STEPS = 8, 3, 64


def damaged(design: Design) -> Design:
    """The same design with weights that some noise has moved."""
    (layer,) = design.network.layers
    noise = np.random.default_rng(3).integers(-10, 11, layer.weights.shape)
    moved = np.clip(layer.weights + noise, -119, 119)
    weights = np.where(has_digits(moved, 4), moved, layer.weights)
    return replace(design, network=replace(design.network, layers=(replace(layer, weights=weights),)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A damaged design in ``design``, recorded inputs, and a policy."""
    place = tmp_path_factory.mktemp("distil")
    rng = np.random.default_rng(2)
    network = random_network(rng, UNITS, INPUTS)
    x = random_calibration(rng, network, sequences=20, steps=STEPS).x.astype(np.float32)
    (layer,) = network.layers
    model = {"W_ih": layer.w_ih, "W_hh": layer.w_hh, "b_ih": layer.bias, "b_hh": np.zeros_like(layer.bias)}
    damaged(compile_model(model, x, target="generic", lanes=4)).save(place / "design")
    np.savez(place / "x.npz", x=x)
    (place / "policy.json").write_text(json.dumps({"layers": [{"mode": "auto", "theta_h": 1, "low_theta_h": 8}]}))
    return place


def call(folder: Path, *options: object, design: str = "design", data: str = "x.npz", out: str = "out") -> list[str]:
    names = {"--data": folder / data, "-o": folder / out, "--json": folder / f"{out}.json"}
    given = [str(part) for pair in names.items() for part in pair]
    return ["distil", str(folder / design), *given, "--window", "16", "--batch", "8", *map(str, options)]


@needs_torch
def test_a_damaged_design_gets_better(folder: Path) -> None:
    arguments = call(folder, "--policy", folder / "policy.json", "--epochs", 12, "--rate", 1)
    assert execute(arguments) == 0
    figures = json.loads((folder / "out.json").read_text())
    assert figures["after"]["h_error"] < 0.8 * figures["before"]["h_error"]
    assert min(figures["loss"]) < 0.8 * figures["loss"][0]
    assert figures["follows"] == "h"
    assert figures["policy"]["layers"][0]["low_theta_h"] == 8
    trained, first = Design.load(folder / "out"), Design.load(folder / "design")
    assert trained.engine == first.engine
    assert not np.array_equal(trained.network.layers[0].weights, first.network.layers[0].weights)
    # The figures are those of a run: the forward pass of training is the golden model's.
    assert trained.run(folder / "x.npz", policy=folder / "policy.json").figures["mismatches"] == 0


@needs_torch
def test_sparsity_takes_cycles(folder: Path) -> None:
    cycles = []
    for weight in (0, 3):
        arguments = call(
            folder,
            "--policy",
            folder / "policy.json",
            "--epochs",
            12,
            "--rate",
            1,
            "--sparsity",
            weight,
            out=f"s{weight}",
        )
        assert execute(arguments) == 0
        cycles.append(json.loads((folder / f"s{weight}.json").read_text())["after"]["cycles_per_step"])
    assert cycles[1] < cycles[0]


@needs_torch
def test_the_graph_behind_the_lstm_is_followed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(4)
    node, constants = lstm(weights(rng, INPUTS, UNITS))
    nodes = [
        node,
        helper.make_node("Squeeze", ["lstm_y", "axis"], ["sequence"]),
        helper.make_node("MatMul", ["sequence", "head"], ["scores"]),
        helper.make_node("Sigmoid", ["scores"], ["p"]),
    ]
    constants += [const("axis", [1]), const("head", rng.normal(0, 1, (UNITS, 2)), np.float32)]
    path = save(folder / "head.onnx", nodes, constants, {"x": ["T", 1, INPUTS]}, ["p"])
    x = np.load(folder / "x.npz")["x"]
    damaged(compile_model(path, x, target="generic", lanes=4)).save(folder / "headed")
    assert execute(call(folder, "--epochs", 12, "--rate", 1, design="headed", out="headed-out")) == 0
    figures = json.loads((folder / "headed-out.json").read_text())
    assert figures["follows"] == "output"
    assert figures["after"]["output_error"] < 0.8 * figures["before"]["output_error"]


@pytest.mark.parametrize(
    ("x", "options", "wanted"),
    [
        (np.zeros((200, INPUTS)), ("--window", "2000"), "x.npz field x: has 100 steps to train on"),
        (np.full((40, INPUTS), np.nan), (), "field x"),
        (np.zeros((40, INPUTS + 1)), (), "width 4"),
        (np.zeros((8, INPUTS)), (), "too few to hold a part back"),
        (None, ("--policy", "wrong.json"), "tau_x"),
        (None, ("--policy", "two.json"), "layers"),
        (None, ("--epochs", "0"), "--epochs"),
    ],
)
@needs_torch
def test_bad_input_is_one_line(
    folder: Path,
    tmp_path: Path,
    x: np.ndarray | None,
    options: tuple[str, ...],
    wanted: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "wrong.json").write_text(json.dumps({"layers": [{"tau_x": 3}]}))
    (tmp_path / "two.json").write_text(json.dumps({"layers": [{}, {}]}))
    (tmp_path / "design").symlink_to(folder / "design")
    np.savez(tmp_path / "x.npz", x=np.load(folder / "x.npz")["x"] if x is None else x)
    given = [str(tmp_path / part) if part.endswith(".json") else part for part in options]
    assert execute(call(tmp_path, *given)) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert wanted in told
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.json").exists()


def test_without_pytorch(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert execute(call(folder, out="nothing")) == 2
    assert capsys.readouterr().err == (
        "lstmith: torch: this Python package is not installed; run pip install 'lstmith[torch]'\n"
    )
