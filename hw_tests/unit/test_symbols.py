"""Symbols: found in models, folded into columns, run like any other input, and refused by name where they are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from hw_tests.unit.link_cases import PATIENCE, identity
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.compiler.importers.importer import read_model
from lstmith.compiler.inspection import inspect_model
from lstmith.compiler.pipeline import compile_model
from lstmith.host.accelerator import Accelerator
from lstmith.scripts.bench.perf.symbols import symbol_figures
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import OPSET, const, lstm, weights
from lstmith.test_support.model import DeviceModel, ModelTransport

SYMBOLS, WIDTH, UNITS, STEPS = 11, 4, 5, 9


def embedded(
    rng: np.random.Generator, path: Path, how: str = "gather", *, size: int = SYMBOLS, **attributes: Any
) -> np.ndarray:
    """A model of ``ids`` [N, T] and a recurrent node; returns what X is of each symbol."""
    table = rng.normal(0, 1, (size, WIDTH)).astype(np.float32)
    one_hot = [
        helper.make_node("OneHot", ["ids", "size", "values"], ["hot"]),
        helper.make_node("MatMul", ["hot", "table"], ["product"]),
        helper.make_node("Relu", ["product"], ["embedded"]),
    ]
    nodes: dict[str, list[NodeProto]] = {
        "gather": [helper.make_node("Gather", ["table", "ids"], ["embedded"])],
        "one_hot": one_hot,
        # What a step holds depends on the steps before: no table has it.
        "running": [
            helper.make_node("Gather", ["table", "ids"], ["looked_up"]),
            helper.make_node("CumSum", ["looked_up", "time"], ["embedded"]),
        ],
    }
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    node, constants = lstm(weights(rng, WIDTH, UNITS, directions=directions), x="time_first", **attributes)
    constants += [const("table", table, np.float32), const("size", size), const("values", [0, 1], np.float32)]
    graph = helper.make_graph(
        [*nodes[how], helper.make_node("Transpose", ["embedded"], ["time_first"], perm=[1, 0, 2]), node],
        "test",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["N", "T"])],
        [helper.make_tensor_value_info("lstm_y", TensorProto.FLOAT, None)],
        [*constants, const("time", 1)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9), path)
    return np.maximum(table, 0) if how == "one_hot" else table


def numbers(rng: np.random.Generator, calls: int = 3) -> np.ndarray:
    return rng.integers(0, SYMBOLS, (calls, 2, STEPS))


@pytest.mark.parametrize("how", ["gather", "one_hot"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_whole_graph_equals_onnxruntime(how: str, direction: str, tmp_path: Path, rng: np.random.Generator) -> None:
    table = embedded(rng, tmp_path / "m.onnx", how, direction=direction)
    calls = {"ids": numbers(rng)}
    design = compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", lanes=3)
    assert (design.engine.symbols, design.engine.inputs) == (SYMBOLS, 1)
    plain, found = (read_model(tmp_path / "m.onnx", symbols=symbols).network.layers[0] for symbols in (False, True))
    assert np.allclose(found.w_ih, plain.w_ih @ table.T)
    design.save(tmp_path / "d")
    result = Design.load(tmp_path / "d").run(calls, "golden")
    assert (result.figures["mismatches"], result.figures["reference"]) == (0, "onnxruntime")
    assert result.figures["outputs"]["lstm_y"]["mean_abs_error"] < 1e-3
    assert (result.arrays["columns"] <= 1 + 1 + UNITS).all()


def test_simulator_equals_golden(tmp_path: Path, rng: np.random.Generator) -> None:
    embedded(rng, tmp_path / "m.onnx")
    calls = {"ids": numbers(rng, 1)}
    design = compile_model(tmp_path / "m.onnx", calls, target="generic", lanes=3)
    found = design.run(calls, "icarus")
    assert (found.figures["mismatches"], found.figures["cycle_mismatches"]) == (0, 0)


def test_inspect_tells_of_symbols(tmp_path: Path, rng: np.random.Generator) -> None:
    embedded(rng, tmp_path / "m.onnx")
    told = "given the graph's inputs by name, 'lstm' reads symbols: a column for each of 11 in place of 4 inputs"
    assert any(text.startswith(told) for text in inspect_model(tmp_path / "m.onnx")["remarks"])


def test_steps_that_mix_symbols_stay_values(tmp_path: Path, rng: np.random.Generator) -> None:
    embedded(rng, tmp_path / "m.onnx", "running")
    assert read_model(tmp_path / "m.onnx", symbols=True).network.symbols == 0


def test_device_takes_numbers_as_they_are(rng: np.random.Generator) -> None:
    """The link sends narrow values by their grid; of a number every bit counts."""
    arrays = {"W_ih": (4 * UNITS, 300), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    model = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in arrays.items()}
    x = rng.integers(0, 300, (2, 30, 1)).astype(np.float32)
    design = compile_model(model, {"x": x}, target="generic", lanes=2)
    assert design.network.symbols == 300
    device = Accelerator(ModelTransport(DeviceModel(identity(design.engine))), patience=PATIENCE)
    with device, Accelerator("golden") as golden:
        for each in (device, golden):
            each.load(design)
        assert device.verify().mismatches == 0
        assert np.array_equal(device.infer(x), golden.infer(x))
        with pytest.raises(
            UserError,
            match=r"^x: is 300 at \(0, 0, 0\); x of width 1 names symbols: give one number in 0..299 per step",
        ):
            golden.infer(np.full((1, 1), 300.0))


def test_state_dict_with_its_embedding(rng: np.random.Generator) -> None:
    shapes = {"lstm.weight_ih_l0": (4 * UNITS, WIDTH), "lstm.weight_hh_l0": (4 * UNITS, UNITS)}
    shapes |= {"embedding.weight": (SYMBOLS, WIDTH), "head.weight": (3, UNITS)}
    tensors = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    x = numbers(rng)[:, 0, :, None]
    design = compile_model(tensors, {"x": x}, target="generic")
    columns = tensors["lstm.weight_ih_l0"].astype(float) @ tensors["embedding.weight"].astype(float).T
    assert np.allclose(design.source.layers[0].w_ih, columns)
    assert any("a column for each of 11 in place of 4 inputs" in remark for remark in design.report["remarks"])


def test_one_hot_recordings_are_told_of(rng: np.random.Generator) -> None:
    arrays = {"W_ih": (4 * UNITS, SYMBOLS), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    model = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in arrays.items()}
    x = numbers(rng)[:, 0]
    values = compile_model(model, {"x": np.eye(SYMBOLS)[x]}, target="generic")
    assert any("x is one-hot" in remark for remark in values.report["remarks"])
    symbols = compile_model(model, {"x": x[..., None]}, target="generic")
    assert (values.network.symbols, symbols.network.symbols) == (0, SYMBOLS)
    # The same numbers either way: what a column holds does not depend on how it is named.
    assert np.array_equal(values.network.layers[0].weights, symbols.network.layers[0].weights)


def test_embedding_stays_on_the_host_where_columns_do_not_fit(tmp_path: Path, rng: np.random.Generator) -> None:
    embedded(rng, tmp_path / "m.onnx", size=9000)
    design = compile_model(tmp_path / "m.onnx", {"ids": numbers(rng)}, target="icebreaker", precision=8)
    assert (design.engine.symbols, design.network.inputs) == (0, WIDTH)
    assert any("the embedding stays on the host: its columns do not fit" in text for text in design.report["remarks"])
    with pytest.raises(UserError, match="bits for weights and the network needs"):
        compile_model(tmp_path / "m.onnx", {"x": numbers(rng)[:, 0, :, None]}, target="icebreaker", precision=8)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("ids", SYMBOLS, "value 'ids': is 11 at"),
        ("ids", -1, "value 'ids': is -1 at"),
        ("x", SYMBOLS, "field x: is 11 at (0, 3, 0); x of width 1 names symbols: give one number in 0..10 per step"),
        ("x", -1, "field x: is -1 at (0, 3, 0)"),
        ("x", 0.5, "field x: is 0.5 at (0, 3, 0)"),
    ],
)
def test_what_names_no_symbol(
    field: str, value: float, told: str, tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    embedded(rng, tmp_path / "m.onnx")
    compile_model(tmp_path / "m.onnx", {"ids": numbers(rng)}, target="generic", lanes=3).save(tmp_path / "d")
    given = numbers(rng) if field == "ids" else numbers(rng)[:, 0, :, None].astype(np.float32)
    given[(0, 1, 3) if field == "ids" else (0, 3, 0)] = value
    arrays: dict[str, Any] = {field: given}
    np.savez(tmp_path / "x.npz", **arrays)
    y, figures = tmp_path / "y.npz", tmp_path / "r.json"
    command = ["run", tmp_path / "d", "--input", tmp_path / "x.npz", "--engine", "golden", "-o", y, "--json", figures]
    assert execute([str(argument) for argument in command]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert told in lines[-1]
    assert not y.exists()
    assert not figures.exists()


def test_bench_counts_one_column(rng: np.random.Generator) -> None:
    source = read_model(
        {
            name: rng.normal(0, 0.4, shape).astype(np.float32)
            for name, shape in {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,)}.items()
        }
        | {"b_hh": np.zeros(4 * UNITS, dtype=np.float32)}
    ).network
    table = rng.normal(0, 1, (SYMBOLS, WIDTH)).astype(np.float32)
    xs = list(table[numbers(rng)[:, 0]])
    found = symbol_figures(source, table, xs, xs)
    assert (found["before"]["dense"]["x_columns_per_step"], found["after"]["dense"]["x_columns_per_step"]) == (WIDTH, 1)
    assert found["after"]["dense"]["cycles_per_step"] < found["before"]["dense"]["cycles_per_step"]
