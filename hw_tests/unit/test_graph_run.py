"""Whole graphs through designs: golden against onnxruntime, and simulators against golden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler.design import Design
from lstmith.compiler.importers.importer import read_model
from lstmith.compiler.pipeline import compile_model
from lstmith.compiler.run_result import RunResult
from lstmith.test_support.graphs.calls import CALLS, calls_of
from lstmith.test_support.graphs.exporters import MODELS, UNITS, WIDTH
from lstmith.test_support.graphs.nodes import lstm, save, weights

#: Mean error of an output, of its range, at 16-bit weights and operands.
TOLERANCE = 1e-3


def compiled(tmp_path: Path, rng: np.random.Generator, name: str) -> tuple[Design, dict[str, np.ndarray]]:
    calls = calls_of(rng, MODELS[name](tmp_path / "m.onnx", rng))
    return compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", lanes=4), calls


def run_as_onnxruntime(design: Design, folder: Path, calls: dict[str, np.ndarray]) -> RunResult:
    """Golden's run of the design as it is read back, whose outputs are onnxruntime's within the tolerance."""
    design.save(folder)
    result = Design.load(folder).run(calls, "golden")
    assert (result.figures["mismatches"], result.figures["reference"]) == (0, "onnxruntime")
    for output, error in result.figures["outputs"].items():
        low, high = error["range"]
        assert error["mean_abs_error"] <= TOLERANCE * (high - low), output
    return result


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_onnxruntime(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    design, calls = compiled(tmp_path, rng, name)
    assert len(design.programs) == len(read_model(tmp_path / "m.onnx").networks)
    result = run_as_onnxruntime(design, tmp_path / "d", calls)
    assert {len(result.arrays[output]) for output in result.figures["outputs"]} == {CALLS}


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("keras_gru_stack", "icarus"),
        ("packed_lengths", "icarus"),
        ("encoder_decoder", "verilator"),
    ],
)
def test_simulators_equal_golden(tmp_path: Path, rng: np.random.Generator, name: str, engine: str) -> None:
    design, calls = compiled(tmp_path, rng, name)
    one = {input_name: value[:1] for input_name, value in calls.items()}
    wanted, found = design.run(one, "golden"), design.run(one, engine)
    assert (found.figures["mismatches"], found.figures["cycle_mismatches"]) == (0, 0)
    assert wanted.arrays.keys() == found.arrays.keys()
    for array, value in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[array], value, err_msg=array)


def test_results_of_both_directions_are_in_the_order_of_time(tmp_path: Path, rng: np.random.Generator) -> None:
    design, calls = compiled(tmp_path, rng, "packed_lengths")
    result = design.run(calls, "golden")
    y, lengths = result.arrays["lstm_y"], calls["lens"]
    assert result.h.shape == (3 * CALLS, y.shape[1], 2 * UNITS)
    by_row = y.transpose(0, 3, 1, 2, 4).reshape(3 * CALLS, y.shape[1], 2 * UNITS)
    np.testing.assert_array_equal(result.h, by_row)
    there = np.arange(y.shape[1]) < lengths.ravel()[:, None]
    assert (result.cycles[there] > 0).all()
    assert not result.cycles[~there].any()
    stages = result.figures["stages"]
    assert [(each["program"], each["reverse"]) for each in stages] == [(0, False), (1, True)]
    for name in ("cycles", "predicted_cycles", "words_16", "restarts", "weight_bits"):
        assert result.figures[name] == sum(each[name] for each in stages), name


def test_x_of_the_first_layer_runs_what_follows_from_it(tmp_path: Path, rng: np.random.Generator) -> None:
    """Without the graph's inputs no output is written, but every stage runs."""
    design, calls = compiled(tmp_path, rng, "bidirectional")
    x = calls["x"].reshape(-1, *calls["x"].shape[2:])
    by_name, by_x = design.run(calls, "golden"), design.run({"x": x}, "golden")
    assert x.shape[-1] == WIDTH
    np.testing.assert_array_equal(by_x.h, by_name.h)
    assert by_x.figures["outputs"] == {}
    assert "tags" not in by_x.arrays


@pytest.mark.parametrize("read", [True, False])
def test_a_saturated_cell_state_that_leaves_the_graph_is_told(
    tmp_path: Path, rng: np.random.Generator, read: bool
) -> None:
    """Cells that count up by one each step: h of them is right, the cells are not, and only a graph that gives them out
    hears of it."""
    arrays = weights(rng, WIDTH, UNITS)
    arrays["B"][0, : 4 * UNITS] = np.repeat([9.0, 0.0, 9.0, 9.0], UNITS)
    node, constants = lstm(arrays)
    save(tmp_path / "m.onnx", [node], constants, {"x": ["T", 1, WIDTH]}, ["lstm_y", "lstm_yc"][: 1 + read])
    calls = {"x": np.tanh(rng.standard_normal((2, 60, 1, WIDTH))).astype(np.float32)}
    design = compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", lanes=4)
    figures = design.run(calls, "golden").figures
    assert figures["saturated"] > 0
    low, high = figures["outputs"]["lstm_y"]["range"]
    assert figures["outputs"]["lstm_y"]["max_abs_error"] < 1e-2 * (high - low)
    told = [text for text in figures["remarks"] if "output 'lstm_yc' is off by up to" in text]
    assert len(told) == read


def test_an_output_that_no_saturated_cell_reaches_is_not_blamed_on_one(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Beside counting cells another network, which 4-bit weights alone make wrong."""
    arrays = weights(rng, WIDTH, UNITS)
    arrays["B"][0, : 4 * UNITS] = np.repeat([9.0, 0.0, 9.0, 9.0], UNITS)
    counting, constants = lstm(arrays)
    other, more = lstm(weights(rng, WIDTH, UNITS), name="other")
    save(tmp_path / "m.onnx", [counting, other], [*constants, *more], {"x": ["T", 1, WIDTH]}, ["lstm_yc", "other_y"])
    calls = {"x": np.tanh(rng.standard_normal((2, 60, 1, WIDTH))).astype(np.float32)}
    figures = compile_model(tmp_path / "m.onnx", calls, precision=4, target="generic", lanes=4).run(calls).figures
    low, high = figures["outputs"]["other_y"]["range"]
    assert figures["outputs"]["other_y"]["max_abs_error"] > 1e-2 * (high - low)
    assert any("output 'lstm_yc'" in text for text in figures["remarks"])
    assert not any("output 'other_y'" in text for text in figures["remarks"])
