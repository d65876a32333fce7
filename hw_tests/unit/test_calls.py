"""Data by the names of a graph's inputs: calibration, runs and their results, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lstmith.cli.main import execute
from lstmith.compiler.calls import program_sequences, read_calls
from lstmith.compiler.data import Sequences
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.importer import read_model
from lstmith.compiler.pipeline import compile_model
from lstmith.golden.network import run_float
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.exporters import MODELS, STEPS, UNITS, WIDTH, keras_gru_stack, normal
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

CALLS = 3
#: Of outputs, at 16-bit weights and operands.
TOLERANCE = 1e-3


def headed(path: Path, rng: np.random.Generator) -> Path:
    """A dense layer, an LSTM in reverse, and a class of the last state."""
    node, constants = lstm(weights(rng, 5, UNITS), x="wide", name="rnn", direction="reverse")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["wide"]),
        node,
        helper.make_node("MatMul", ["rnn_yh", "head"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["class"], axis=2, keepdims=0),
    ]
    constants = [
        *constants,
        const("w", rng.normal(size=(WIDTH, 5)), np.float32),
        const("head", rng.normal(size=(UNITS, 3)), np.float32),
    ]
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["scores", "class", "rnn_y"])
    model = onnx.load(path)
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.INT64
    onnx.save(model, path)
    return path


def calls_of(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Calls that change smoothly enough to calibrate on."""
    return np.tanh(np.cumsum(0.5 * rng.standard_normal((CALLS, *shape)), axis=1)).astype(np.float32)


def test_compile_and_run_by_names(tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> None:
    model = headed(tmp_path / "m.onnx", rng)
    np.savez(tmp_path / "x.npz", x=calls_of(rng, 40, 2, WIDTH))
    options = ["--precision", "16", "--target", "generic", "-o", str(tmp_path / "d")]
    assert not execute(["compile", str(model), "--calibration", str(tmp_path / "x.npz"), *options])
    files = ["-o", str(tmp_path / "y.npz"), "--json", str(tmp_path / "r.json")]
    assert not execute(["run", str(tmp_path / "d"), "--input", str(tmp_path / "x.npz"), "--engine", "golden", *files])
    assert "class" in capsys.readouterr().out
    with np.load(tmp_path / "y.npz") as results:
        assert results["scores"].shape == (CALLS, 1, 2, 3)
        assert results["h"].shape == (2 * CALLS, 40, UNITS)
        y = results["rnn_y"][:, :, 0].transpose(0, 2, 1, 3).reshape(2 * CALLS, 40, UNITS)
        np.testing.assert_array_equal(results["h"], y)
    figures = json.loads((tmp_path / "r.json").read_text())
    assert (figures["mismatches"], figures["reference"]) == (0, "onnxruntime")
    assert figures["outputs"].keys() == {"scores", "class", "rnn_y"}
    for output in ("scores", "rnn_y"):
        low, high = figures["outputs"][output]["range"]
        assert low < high
        assert figures["outputs"][output]["mean_abs_error"] < TOLERANCE * (high - low)
    assert figures["outputs"]["class"]["differing"] == 0
    assert {place["node"]: place["where"] for place in figures["placement"]}["rnn"] == "core"


def test_x_as_the_layer_sees_it(tmp_path: Path, rng: np.random.Generator) -> None:
    """A reverse layer reads it backwards, and answers in the order of time."""
    model = headed(tmp_path / "m.onnx", rng)
    x, lengths = calls_of(rng, 30, 5), np.array([30, 7, 21])
    design = compile_model(model, {"x": x, "lengths": lengths}, precision=16, target="generic")
    result = design.run({"x": x, "lengths": lengths})
    for h, row, length in zip(result.h, x, lengths, strict=True):
        wanted = run_float(design.source, row[None, :length][:, ::-1].astype(np.float64)).h[-1][0, ::-1]
        assert np.abs(h[:length] - wanted).mean() < TOLERANCE
        assert not h[length:].any()


@pytest.mark.parametrize("engine", ["float", "golden"])
def test_calls_that_go_on(tmp_path: Path, rng: np.random.Generator, engine: str) -> None:
    node, constants = lstm(weights(rng, WIDTH, UNITS), inputs={"initial_h": "h0", "initial_c": "c0"})
    inputs = {"x": [1, 1, WIDTH], "h0": [1, 1, UNITS], "c0": [1, 1, UNITS]}
    model = save(tmp_path / "m.onnx", [node], constants, inputs, ["lstm_y", "lstm_yh", "lstm_yc"])
    calls = np.tanh(rng.standard_normal((50, 1, 1, WIDTH))).astype(np.float32)
    design = compile_model(model, {"x": calls}, precision=16, target="generic", stateful=True)
    result = design.run({"x": calls}, engine, stateful=True)
    wanted = run_float(design.source, calls[:, 0].swapaxes(0, 1).astype(np.float64)).h[-1]
    assert np.abs(result.arrays["lstm_y"][:, 0, 0, 0] - wanted[0]).max() < TOLERANCE
    assert result.figures["outputs"]["lstm_yc"]["mean_abs_error"] < TOLERANCE
    assert result.figures["reference"] == "onnxruntime"


def test_masked_sequences_in_one_call(tmp_path: Path, rng: np.random.Generator) -> None:
    """The graph counts the steps itself, so x must be what the graph reads: a single call of it."""
    node, constants = lstm(weights(rng, WIDTH, UNITS), x="xt", inputs={"sequence_lens": "lens"})
    nodes = [
        helper.make_node("Abs", ["x"], ["size"]),
        helper.make_node("ReduceMax", ["size"], ["most"], axes=[2], keepdims=0),
        helper.make_node("Greater", ["most", "zero"], ["there"]),
        helper.make_node("Cast", ["there"], ["ones"], to=6),
        helper.make_node("ReduceSum", ["ones", "axis"], ["lens"], keepdims=0),
        helper.make_node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node,
    ]
    constants = [*constants, const("zero", 0.0, np.float32), const("axis", [1])]
    model = read_model(save(tmp_path / "m.onnx", nodes, constants, {"x": ["N", "T", WIDTH]}, ["lstm_y"]))
    x = normal(rng, 3, STEPS, WIDTH)
    x[1, 4:] = 0
    found = read_calls({"x": x}, model.plan, model.networks, "input")
    assert isinstance(found, Feeds)
    [sequences] = program_sequences(found, model.plan, model.networks)
    np.testing.assert_array_equal(sequences.lengths, [STEPS, 4, STEPS])
    named = read_calls({"x": x, "lengths": np.array([1, 2, 3])}, model.plan, model.networks, "input")
    assert isinstance(named, Sequences), "with lengths of its own, x is as the layer sees it"


def test_several_programs_are_calibrated_with_what_their_layers_see(tmp_path: Path, rng: np.random.Generator) -> None:
    values = keras_gru_stack(tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    found = read_calls({"tokens": np.stack([values["tokens"]] * 2)}, model.plan, model.networks, "input")
    first, second = program_sequences(found, model.plan, model.networks)
    assert first.x.shape == (4, STEPS, WIDTH)
    assert second.x.shape == (4, STEPS, 5)
    assert second.x.min() == 0.0, "it stands behind a ReLU"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("packed_lengths", {"x": (2, STEPS, 3, WIDTH)}, "field lens: is missing; give [calls, N], and the other inputs x"),
    (
        "packed_lengths",
        {"x": (2, STEPS, 3, WIDTH), "lens": (2, 3), "speed": (2,)},
        "field speed: is no input of the graph; use lens, or x",
    ),
    (
        "packed_lengths",
        {"x": (2, STEPS, 3, 7), "lens": (2, 3)},
        "field x: has shape [2, 9, 3, 7]; give [calls, T, N, 4]",
    ),
    (
        "packed_lengths",
        {"x": (2, STEPS, 3, WIDTH), "lens": (4, 3)},
        "holds different numbers of calls: x has 2, lens has 4; give all inputs the same leading size",
    ),
    (
        "bidirectional",
        {"y": (2, 2, STEPS, WIDTH)},
        "field x: is missing; give [calls, N, T, 4]; or x as the first layer",
    ),
    (
        "bidirectional",
        {"x": (2, 2, STEPS, WIDTH), "z": (2,)},
        "field z: is no input of the graph; use x",
    ),
    ("keras_gru_stack", {"tokens": (0, 2, STEPS)}, "input: holds no call; give at least one"),
    ("siamese", {"x": (2, STEPS, 7)}, "field x: has width 7; give the 4 inputs that layer 'left' takes; or, of an"),
]


@pytest.mark.parametrize(("name", "shapes", "message"), REFUSED)
def test_refused(
    tmp_path: Path, rng: np.random.Generator, name: str, shapes: dict[str, tuple[int, ...]], message: str
) -> None:
    MODELS[name](tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    integers = ("lens", "tokens")
    given = {key: np.ones(shape, np.int64 if key in integers else np.float32) for key, shape in shapes.items()}
    with pytest.raises(UserError) as refusal:
        read_calls(given, model.plan, model.networks, "input")
    assert message in str(refusal.value)


def test_refused_types_and_values(tmp_path: Path, rng: np.random.Generator) -> None:
    MODELS["packed_lengths"](tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    good: dict[str, np.ndarray] = {"x": np.ones((1, STEPS, 3, WIDTH), np.float32), "lens": np.ones((1, 3), np.int64)}
    with pytest.raises(UserError, match=r"field lens: has type float64; give int64"):
        read_calls(good | {"lens": np.ones((1, 3))}, model.plan, model.networks, "input")
    with pytest.raises(UserError, match=r"field x: holds NaN or infinity"):
        read_calls(good | {"x": good["x"] * np.nan}, model.plan, model.networks, "input")
    with pytest.raises(UserError, match=r"input field x: holds sequences, not calls; leave --stateful out"):
        read_calls({"x": np.ones((STEPS, WIDTH))}, model.plan, model.networks, "input", stateful=True)


def test_inspect_tells_where_everything_runs(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    model = headed(tmp_path / "m.onnx", rng)
    assert not execute(["inspect", str(model), "--json", str(tmp_path / "r.json")])
    printed = capsys.readouterr().out
    assert "rnn (LSTM 5 -> 6)" in printed
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["inputs"] == {"x": ["T", "N", WIDTH]}
    assert [(each["node"], each["where"]) for each in found["placement"]][1] == ("rnn", "core")
    [program] = found["programs"]
    assert program["parameters"] == 4 * UNITS * (5 + UNITS + 1)
    assert program["weight_bits"]["8"] == 8 * 4 * UNITS * (5 + UNITS)
    assert found["boards"]["ulx3s-85f"] == {"4": "fits", "8": "fits", "16": "fits"}
    assert found["boards"]["icebreaker"]["16"] == "not supported"


def test_inspect_names_boards_that_are_too_small(tmp_path: Path, rng: np.random.Generator) -> None:
    w_ih, w_hh, bias = np.zeros((2048, 8)), np.zeros((2048, 512)), np.zeros(2048)
    np.savez(tmp_path / "m.npz", W_ih=w_ih, W_hh=w_hh, b_ih=bias, b_hh=bias)
    assert not execute(["inspect", str(tmp_path / "m.npz"), "--json", str(tmp_path / "r.json")])
    boards = json.loads((tmp_path / "r.json").read_text())["boards"]
    assert "the network needs" in boards["icebreaker"]["8"]
    assert "the network needs" in boards["ulx3s-85f"]["4"]


def test_inspect_refuses_in_one_line(tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture) -> None:
    node, constants = lstm(weights(rng, WIDTH, UNITS, op="GRU"), op="GRU", linear_before_reset=0)
    model = save(tmp_path / "m.onnx", [node], constants, {"x": ["T", "N", WIDTH]}, ["lstm_y"])
    assert execute(["inspect", str(model)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "GRU 'lstm': linear_before_reset is 0, which is not supported; use a GRU that resets after" in line
