"""Whatever is wrong with the input: one line that names it, exit code 2, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lstmith.cli.main import execute

WIDTH, UNITS = 3, 4


@pytest.fixture
def arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A small LSTM as the arrays of an .npz model."""
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    return {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Inputs for it, float32 [T, I]."""
    return rng.normal(0, 1, (40, WIDTH)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The model as a file."""
    return npz(tmp_path / "model.npz", **arrays)


@pytest.fixture
def calibration(tmp_path: Path, x: np.ndarray) -> Path:
    """The inputs as a file."""
    return npz(tmp_path / "x.npz", x=x)


@pytest.fixture
def design(tmp_path: Path, model: Path, calibration: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The model, compiled."""
    assert execute(["compile", str(model), "--calibration", str(calibration), "-o", str(tmp_path / "design")]) == 0
    capsys.readouterr()
    return tmp_path / "design"


def npz(path: Path, **content: Any) -> Path:
    """Write an .npz file."""
    np.savez(path, **content)
    return path


def refused(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must be refused; the line it prints."""
    before = sorted(folder.rglob("*"))
    code = execute([str(argument) for argument in arguments])
    line = check_line(capsys.readouterr().err)
    assert code == 2, line
    assert sorted(folder.rglob("*")) == before
    return line


def check_line(text: str) -> str:
    """The one line of standard error."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("lstmith: ")
    assert "; " in lines[0], "a fix is named after a semicolon"
    return lines[0]


def compile_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], model: Path, calibration: Path, *more: str
) -> str:
    """Compile something that must be refused."""
    return refused(folder, capsys, "compile", model, "--calibration", calibration, "-o", folder / "never", *more)


def lstm_graph(path: Path, count: int) -> Path:
    """An ONNX file with that many separate LSTMs of one input each, and a Relu."""
    rng = np.random.default_rng(count)
    nodes = [helper.make_node("Relu", ["x"], ["relu"])]
    constants = []
    for index in range(count):
        names = [f"w{index}", f"r{index}"]
        for name, columns in zip(names, (WIDTH, UNITS), strict=True):
            values = rng.normal(0, 0.5, (1, 4 * UNITS, columns)).astype(np.float32)
            constants.append(onnx.numpy_helper.from_array(values, name))
        nodes.append(helper.make_node("LSTM", ["x", *names], [f"y{index}"], name=f"cell{index}", hidden_size=UNITS))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", 1, WIDTH])
    names = ["relu", *(f"y{index}" for index in range(count))]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    graph = helper.make_graph(nodes, "g", [x], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_file_that_is_not_onnx(tmp_path: Path, calibration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"not a model")
    assert str(model) in compile_refused(tmp_path, capsys, model, calibration)


def test_missing_model(tmp_path: Path, calibration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "absent.onnx" in compile_refused(tmp_path, capsys, tmp_path / "absent.onnx", calibration)


def test_two_sequences_on_a_board(
    tmp_path: Path, model: Path, calibration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = tmp_path / "two"
    assert not execute(["compile", str(model), "--calibration", str(calibration), "--sequences", "2", "-o", str(two)])
    capsys.readouterr()
    assert "--sequences 1" in refused(tmp_path, capsys, "build", two, "--board", "ulx3s-85f", "-o", tmp_path / "never")


def test_graph_without_lstm(tmp_path: Path, calibration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = lstm_graph(tmp_path / "relu.onnx", 0)
    assert "LSTM" in compile_refused(tmp_path, capsys, model, calibration)


def test_a_layer_that_is_not_there(tmp_path: Path, calibration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = lstm_graph(tmp_path / "two.onnx", 2)
    line = compile_refused(tmp_path, capsys, model, calibration, "--layer", "cell7")
    assert all(name in line for name in ("cell0", "cell1", "--layer", "cell7"))


def test_options_of_a_single_chain(tmp_path: Path, calibration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = lstm_graph(tmp_path / "two.onnx", 2)
    line = compile_refused(tmp_path, capsys, model, calibration, "--sequences", "2")
    assert "--sequences: is for one chain of layers; this model has 2; choose one with --layer" in line


def test_shapes_that_disagree(
    tmp_path: Path, arrays: dict[str, np.ndarray], calibration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = npz(tmp_path / "bad.npz", **{**arrays, "W_hh": arrays["W_hh"][:-1]})
    assert "W_hh" in compile_refused(tmp_path, capsys, model, calibration)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(
    tmp_path: Path, arrays: dict[str, np.ndarray], calibration: Path, value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays["W_ih"][1, 2] = value
    line = compile_refused(tmp_path, capsys, npz(tmp_path / "bad.npz", **arrays), calibration)
    assert "W_ih" in line
    assert str(value) in line


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inputs_that_are_not_finite(
    tmp_path: Path, model: Path, design: Path, x: np.ndarray, value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    x[7, 1] = value
    data = npz(tmp_path / "bad.npz", x=x)
    assert str(value) in compile_refused(tmp_path, capsys, model, data)
    line = refused(tmp_path, capsys, "run", design, "--input", data, "--engine", "golden", "-o", tmp_path / "y.npz")
    assert "(0, 7, 1)" in line


def test_calibration_of_the_wrong_width(
    tmp_path: Path, model: Path, x: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    line = compile_refused(tmp_path, capsys, model, npz(tmp_path / "narrow.npz", x=x[:, :2]))
    assert "width 2" in line
    assert "3 inputs" in line


def test_calibration_of_length_zero(
    tmp_path: Path, model: Path, x: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "length 0" in compile_refused(tmp_path, capsys, model, npz(tmp_path / "empty.npz", x=x[:0]))


def test_calibration_without_x(tmp_path: Path, model: Path, x: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    assert "field x" in compile_refused(tmp_path, capsys, model, npz(tmp_path / "other.npz", data=x))


def test_model_too_large_for_the_board(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    units = 200
    model = npz(
        tmp_path / "large.npz",
        W_ih=rng.normal(0, 0.1, (4 * units, units)),
        W_hh=rng.normal(0, 0.1, (4 * units, units)),
        b_ih=np.zeros(4 * units),
        b_hh=np.zeros(4 * units),
    )
    data = npz(tmp_path / "wide.npz", x=rng.normal(0, 1, (30, units)))
    line = compile_refused(tmp_path, capsys, model, data, "--target", "icebreaker")
    assert "too many" in line
    assert "--target ulx3s" in line


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--target", "ulx4"), "ulx4"),
        (("--lanes", "0"), "0"),
        (("--precision", "7"), "7"),
        (("--target", "icebreaker", "--precision", "16"), "16"),
        (("--mac", "digit", "--target", "icebreaker"), "'digit' is not made for icebreaker; use dsp"),
        (("--speed", "9"), "--speed"),
        (("--planes", "3"), "3"),
        (("--images", "auto"), "option --images: is 'auto', of designs before digit planes; use --planes 1, 2 or auto"),
        (("--planes", "2", "--target", "icebreaker"), "option --planes: is 2, but icebreaker has no room for two"),
        (("--planes", "2", "--no-delta"), "option --planes: is 2, but with --no-delta steps list no changes; use 1"),
        (("--planes", "2", "--activations", "16"), "option --planes: is 2, but 16-bit operands are too wide"),
        (("--skim",), "option --skim: is given without --active; say how many units such a step computes"),
        (("--planes", "1", "--active", "2"), "option --active: is '2' on an engine of one plane"),
        (("--sequences", "3"), "--sequences: is 3"),
        (("--sequences", "2", "--active", "2"), "--sequences: is 2 with several active counts"),
    ],
)
def test_options(
    tmp_path: Path,
    model: Path,
    calibration: Path,
    options: tuple[str, ...],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert named in compile_refused(tmp_path, capsys, model, calibration, *options)


def test_unknown_board(tmp_path: Path, design: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(tmp_path, capsys, "build", design, "--board", "ulx4", "-o", tmp_path / "out")
    assert "ulx4" in line
    assert "ulx3s-85f" in line


@pytest.mark.parametrize(("clock", "told"), [("fast", "give MHz, or auto"), ("61.7", "the nearest are 60 and 62.5")])
def test_clocks_that_there_are_not(
    clock: str, told: str, tmp_path: Path, design: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    line = refused(tmp_path, capsys, "build", design, "--board", "ulx3s-85f", "--clock", clock, "-o", output)
    assert "option --clock" in line
    assert told in line
    assert not output.exists()


def test_missing_native_tools(
    tmp_path: Path, design: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTMITH_TOOLS", "native")
    monkeypatch.setenv("PATH", str(tmp_path))
    line = refused(tmp_path, capsys, "build", design, "--board", "ulx3s-85f", "-o", tmp_path / "out")
    assert "yosys is not on PATH" in line


def test_unwritable_outputs(
    tmp_path: Path, model: Path, design: Path, calibration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Also refused for root, who may write anywhere: a file cannot hold files.
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for path in (taken, taken / "inside"):
        refused(tmp_path, capsys, "compile", model, "--calibration", calibration, "-o", path)
    for command in (
        ("generate", design, "-o", taken / "core.v"),
        ("generate", design, "-o", tmp_path / "absent" / "core.v"),
        ("generate", design, "-o", tmp_path / "core.vhd"),
        ("generate", design, "--package", taken),
        ("generate", design),
        ("generate", design, "-o", tmp_path / "core.v", "--bus", "avalon"),
        ("report", design, "-o", taken / "report.html"),
        ("run", design, "--input", calibration, "--engine", "golden", "-o", taken / "y.npz"),
        ("run", design, "--input", calibration, "--engine", "golden", "-o", design),
    ):
        refused(tmp_path, capsys, *command)
    assert taken.read_text() == "mine"


def test_design_without_delta(
    tmp_path: Path, model: Path, calibration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, output, policy = tmp_path / "small", tmp_path / "y.npz", tmp_path / "policy.json"
    compiled = ["compile", model, "--calibration", calibration, "--no-delta", "-o", small]
    run = ["run", small, "--input", calibration, "--engine", "golden", "-o", output]
    for command in (compiled, run):
        assert execute([str(argument) for argument in command]) == 0
    capsys.readouterr()
    assert json.loads((small / "engine.json").read_text())["delta"] is False
    for text, mode in (('{"mode": "skip"}', "skip"), ('{"theta_x": 3}', "delta")):
        policy.write_text(text)
        line = refused(tmp_path, capsys, *run, "--policy", policy)
        assert f"{policy}: Layer 0 policy field mode is {mode}, this engine was built without delta; use dense" in line
    tune = (
        "tune",
        small,
        "--data",
        calibration,
        "--metric",
        "h_error",
        "--max-loss",
        "0",
        "--json",
        tmp_path / "t.json",
    )
    assert f"{small}: has an engine without delta, so nothing to tune" in refused(
        tmp_path, capsys, *tune, "-o", tmp_path / "best.json"
    )


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("hint", np.zeros(3, dtype=bool), "hint"),
        ("hint", np.zeros(1, dtype=np.int64), "int64"),
        ("active", np.array(1.5), "float64"),
        ("active", np.array(99), "99"),
    ],
)
def test_bad_hints_and_counts(
    tmp_path: Path,
    design: Path,
    calibration: Path,
    field: str,
    value: np.ndarray,
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with np.load(calibration) as arrays:
        x = arrays["x"].reshape(-1, arrays["x"].shape[-1])
    data = tmp_path / "marked.npz"
    np.savez(data, **{"x": x, field: value})
    line = refused(tmp_path, capsys, "run", design, "--input", data, "--engine", "golden", "-o", tmp_path / "y.npz")
    assert named in line
    assert f"{data} field {field}" in line


@pytest.mark.parametrize("engine", ["board", "fpga"])
def test_engine_that_is_not_there(
    tmp_path: Path, design: Path, calibration: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine in refused(
        tmp_path, capsys, "run", design, "--input", calibration, "--engine", engine, "-o", tmp_path / "y.npz"
    )


def test_damaged_design(tmp_path: Path, design: Path, calibration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads((design / "design.json").read_text())
    content["layers"][0]["c_frac"] = "many"
    (design / "design.json").write_text(json.dumps(content))
    arguments = ("--input", calibration, "--engine", "golden", "-o", tmp_path / "y.npz")
    assert "c_frac" in refused(tmp_path, capsys, "run", design, *arguments)
    assert "no design.json" in refused(tmp_path, capsys, "run", tmp_path, *arguments)


def test_errors_that_are_not_the_users_exit_with_one(
    tmp_path: Path, design: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("lstmith.compiler.generate.generate_core", broken)
    assert execute(["generate", str(design), "-o", str(tmp_path / "core.v")]) == 1
    assert "a bug" in check_line(capsys.readouterr().err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tmp_path: Path, design: Path, calibration: Path, number: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / ".ses").touch()  # onnxruntime's, wherever temporary files go
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-m", "lstmith.cli.main", "run", str(design), "--input", str(calibration)]
    command += ["--engine", "verilator", "-o", str(tmp_path / "y.npz"), "--json", str(tmp_path / "r.json")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(scratch)
    ) as process:
        # In the middle: while the simulator is being built.
        deadline = time.monotonic() + 60
        while not list(scratch.glob("lstmith-*/verilator")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert "interrupted" in check_line(errors)
    assert sorted(tmp_path.rglob("*")) == before


def environment(scratch: Path) -> dict[str, str]:
    """This process's environment with temporary files in a folder that can be checked."""
    return {**os.environ, "TMPDIR": str(scratch)}
