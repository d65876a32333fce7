"""The library calls: what the command line does, from Python, on files and in memory."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lstmith.cli.main import execute
from lstmith.compiler import Design, compile_model
from lstmith.compiler.options import CompileOptions
from lstmith.compiler.quantise.quantise import Quantised, quantise
from lstmith.host import run_design
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy
from lstmith.test_support.graphs import nodes as onnx_models

WIDTH, UNITS = 3, 5
#: What a user of .npz models and the golden model never waits for.
HEAVY = {"amaranth", "matplotlib", "onnx", "onnxruntime", "rich", "serial", "typer"}


@pytest.fixture
def arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A small LSTM by the names of an .npz model."""
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    return {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Inputs for it, float32 [N, T, I]."""
    return rng.normal(0, 1, (2, 40, WIDTH)).astype(np.float32)


def same(one: Design, other: Design) -> bool:
    """Whether two designs are the same engine with the same network."""
    pairs = zip(one.network.layers, other.network.layers, strict=True)
    names = [field.name for field in fields(one.network.layers[0])]
    equal = [np.array_equal(getattr(a, name), getattr(b, name)) for a, b in pairs for name in names]
    return one.engine == other.engine and all(equal)


def command(*arguments: object) -> None:
    """A command that must succeed."""
    assert execute([str(argument) for argument in arguments]) == 0


def test_calls_do_what_the_commands_do(tmp_path: Path, arrays: dict[str, Any], x: np.ndarray) -> None:
    """The same design, text and results, from memory and from files."""
    np.savez(tmp_path / "model.npz", **arrays)
    np.savez(tmp_path / "x.npz", x=x)
    (tmp_path / "policy.json").write_text('{"mode": "dense"}')
    options = ("--target", "generic", "--lanes", 2, "--json", tmp_path / "d.json")
    command("compile", tmp_path / "model.npz", "--calibration", tmp_path / "x.npz", *options, "-o", tmp_path / "d")
    command("generate", tmp_path / "d", "-o", tmp_path / "core.v")
    outputs = ("-o", tmp_path / "y.npz", "--json", tmp_path / "r.json", "--policy", tmp_path / "policy.json")
    command("run", tmp_path / "d", "--input", tmp_path / "x.npz", "--engine", "golden", *outputs)

    design = compile_model(arrays, x, target="generic", lanes=2)
    assert same(design, Design.load(str(tmp_path / "d")))
    told = json.loads((tmp_path / "d.json").read_text())
    assert design.figures == {name: value for name, value in told.items() if name != "generator"}
    core = design.generate(tmp_path / "own.v")
    assert core.text == (tmp_path / "core.v").read_text() == (tmp_path / "own.v").read_text()
    assert (tmp_path / "own.json").read_text() == (tmp_path / "core.json").read_text()
    result = design.run({"x": x}, policy={"mode": "dense"})
    with np.load(tmp_path / "y.npz") as found:
        assert set(found) == set(result.arrays)
        for name, values in found.items():
            np.testing.assert_array_equal(result.arrays[name], values, name)
    wanted = json.loads((tmp_path / "r.json").read_text())
    untimed = {name for name in wanted if name not in ("generator", "seconds", "cycles_per_second")}
    assert {name: result.figures[name] for name in untimed} == {name: wanted[name] for name in untimed}
    assert result.cycles.sum() == wanted["cycles"]


def test_models_in_memory(tmp_path: Path, rng: np.random.Generator, x: np.ndarray) -> None:
    """An ONNX model and a PyTorch state dict of the same weights become the same network."""
    weights = onnx_models.weights(rng, WIDTH, UNITS)
    path = onnx_models.save_lstm(tmp_path / "m.onnx", weights)
    from_file = compile_model(path, x, target="generic")
    assert from_file.graph is not None
    assert same(compile_model(onnx.load(path), x, target="generic"), from_file)
    w_ih, w_hh = from_file.source.layers[0].w_ih, from_file.source.layers[0].w_hh
    biases = {"bias_ih_l0": from_file.source.layers[0].bias, "bias_hh_l0": np.zeros(4 * UNITS)}
    state = {"encoder.weight_ih_l0": w_ih, "encoder.weight_hh_l0": w_hh}
    state |= {f"encoder.{name}": values for name, values in biases.items()}
    assert same(compile_model(state, x, target="generic"), from_file)


def test_one_sequence_and_its_policy(arrays: dict[str, Any], x: np.ndarray) -> None:
    design = compile_model(arrays, x, target="generic", lanes=2)
    dense, listed = (design.run(x[0], policy=given) for given in (Policy(Mode.DENSE), [Policy(Mode.DENSE)]))
    assert dense.h.shape == (40, UNITS)
    assert dense.h.dtype == np.float32
    assert dense.figures["policy"] == listed.figures["policy"]
    assert dense.figures["policy"][0]["mode"] == "dense"


def test_active_counts_as_numbers(arrays: dict[str, Any], x: np.ndarray) -> None:
    for given in ("3,2", [3, 2], [[3, 2]]):
        design = compile_model(arrays, x, target="generic", active=given)
        assert design.network.layers[0].counts == (3, 2)
    assert CompileOptions(active=[[3, 2], [2, 1]]).active_text == "3,2/2,1"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"precision": 7}, r"^option --precision: is '7'; use 4, 8, 16 or auto$"),
        ({"activations": 4}, r"^option --activations: is '4'; use 8 or 16$"),
        ({"mac": "fft"}, r"^option --mac: is 'fft'; use digit, dsp or auto$"),
        ({"planes": 3}, r"^option --planes: is '3'; use 1, 2 or auto$"),
        ({"target": "ulx4"}, r"^target: 'ulx4' is unknown; use one of "),
        ({"sequences": 2, "active": "2"}, r"^option --sequences: is 2 with several active counts; "),
        ({"active": "9"}, r"^option --active: is '9'; give descending counts between 1 and 4"),
        (
            {"active": [2], "target": "icebreaker"},
            r"^option --active: is '2' on an engine of one plane, .*; leave it out$",
        ),
        ({"activations": 16, "target": "icebreaker"}, r"^layer 'l0': has 16-bit operands up to 65535, beyond 255 "),
        ({"activations": 16, "precision": 4}, r"^layer 'l0': has 16-bit operands up to 65535, beyond "),
        ({"layer": "first"}, r"^--layer: 'first' does not apply, because model holds one network; "),
    ],
    ids=str,
)
def test_options_are_refused_before_any_data_is_read(
    arrays: dict[str, Any], tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        compile_model(arrays, tmp_path / "absent.npz", **options)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (7, r"^model: is a int; give a file, arrays by name, a state dict or an ONNX model$"),
        ({"W": np.zeros(3)}, r"^model: array 'W' is unknown; use W_ih, "),
        (onnx.ModelProto(), r"^model: is not an ONNX file, or its graph is empty; "),
    ],
    ids=["number", "arrays", "graph"],
)
def test_models_that_are_none(given: Any, told: str, x: np.ndarray) -> None:
    with pytest.raises(UserError, match=told):
        compile_model(given, x)


def test_inputs_that_are_none(arrays: dict[str, Any], x: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^calibration field x: has shape \(2,\); give \[T, I\] or \[N, T, I\]$"):
        compile_model(arrays, [1.0, 2.0], target="generic")
    with pytest.raises(UserError, match=r"^calibration field x: is no array; give sequences of equal length, padded$"):
        compile_model(arrays, [[[1.0, 2.0, 3.0]], [[1.0]]], target="generic")
    design = compile_model(arrays, x, target="generic")
    with pytest.raises(UserError, match=r"^input field x: has width 2; give the 3 inputs that layer 'l0' takes; "):
        design.run(x[..., :2])
    with pytest.raises(UserError, match=r"^policy: has unknown key 'theta'; use mode, "):
        design.run(x, policy={"theta": 3})
    with pytest.raises(UserError, match=r"^option --engine: 'fpga' is unknown; use one of float, golden, "):
        design.run(x, "fpga")
    (tmp_path / "core.v").write_text("// mine\n")
    with pytest.raises(UserError, match=r"core\.v: exists and was not written by 'lstmith generate'; "):
        design.generate(tmp_path / "core.v")
    assert (tmp_path / "core.v").read_text() == "// mine\n"


def without_plan(path: Path, rng: np.random.Generator) -> Path:
    """A model whose LSTM stands inside a Scan."""
    node, constants = onnx_models.lstm(onnx_models.weights(rng, WIDTH, UNITS), x="slab")
    widen = onnx.helper.make_node("Unsqueeze", ["row", "zero"], ["slab"])
    body = onnx_models.branch("body", [widen, node], ["lstm_yh"])
    body.input.append(onnx.helper.make_tensor_value_info("row", 1, None))
    scan = onnx.helper.make_node("Scan", ["x"], ["y"], name="steps", body=body, num_scan_inputs=1)
    return onnx_models.save(path, [scan], [*constants, onnx_models.const("zero", [0])], {"x": ["T", 1, WIDTH]}, ["y"])


def test_a_graph_that_cannot_be_planned_is_told_before_calibration(
    tmp_path: Path, rng: np.random.Generator, x: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, events = without_plan(tmp_path / "m.onnx", rng), list[str]()
    load = onnx.load

    def count(*arguments: Any) -> onnx.ModelProto:
        events.append("read")
        return load(*arguments)

    def fit(*arguments: Any, **options: Any) -> Quantised:
        events.append("calibrated")
        return quantise(*arguments, **options)

    monkeypatch.setattr("onnx.load", count)
    monkeypatch.setattr("lstmith.compiler.pipeline.quantise", fit)
    design = compile_model(path, x, target="generic", remark=events.append)
    assert events[:3:2] == ["read", "calibrated"]
    assert events.count("read") == 1
    assert events[1].startswith("compiling the recurrent layers alone, without the graph around them: ")
    assert "it runs inside Scan 'steps'" in events[1]
    assert design.graph is None
    assert design.report["remarks"][0] == events[1]


def test_methods_have_the_parameters_of_their_functions() -> None:
    """The engines are found by name, so no type checker compares the two."""
    method, function = (dict(inspect.signature(each).parameters) for each in (Design.run, run_design))
    assert list(method)[1:] == list(function)[1:]
    for name in list(method)[1:]:
        assert (method[name].default, method[name].kind) == (function[name].default, function[name].kind)
    options = inspect.signature(compile_model).parameters
    assert {field.name: field.default for field in fields(CompileOptions)} == {
        field.name: options[field.name].default for field in fields(CompileOptions)
    }


def test_imports_are_few(tmp_path: Path, arrays: dict[str, Any], x: np.ndarray) -> None:
    """Nor does the package import NumPy before a name of it is used."""
    np.savez(tmp_path / "model.npz", **arrays)
    np.savez(tmp_path / "x.npz", x=x[0])
    script = """
import sys, lstmith.compiler, lstmith.flow, lstmith.host
print(*sys.modules)
design = lstmith.compiler.compile_model(sys.argv[1], sys.argv[2], target="generic")
design.save(sys.argv[3])
lstmith.compiler.Design.load(sys.argv[3]).run(sys.argv[2])
print(*sys.modules)
"""
    files = [str(tmp_path / name) for name in ("model.npz", "x.npz", "design")]
    done = subprocess.run([sys.executable, "-c", script, *files], capture_output=True, text=True, check=True)
    first, last = (set(line.split()) for line in done.stdout.splitlines())
    assert not first & (HEAVY | {"numpy"})
    assert not last & HEAVY


def test_a_name_that_a_package_does_not_offer() -> None:
    with pytest.raises(ImportError, match=r"cannot import name 'compile_nothing' from 'lstmith\.compiler'"):
        from lstmith.compiler import compile_nothing  # type: ignore[attr-defined]  # noqa: F401
