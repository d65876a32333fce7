"""Dense layers behind recurrent nodes, as layers of their chain: whole graphs against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hw_tests.unit.test_graph_run import run_as_onnxruntime
from lstmith.cli.main import app
from lstmith.compiler.design import Design
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.importer import Model, read_model
from lstmith.compiler.pipeline import compile_model
from lstmith.datasets.speech import calibration_audio
from lstmith.golden.network import FloatLayer
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.calls import calls_of
from lstmith.test_support.graphs.exporters import MODELS, Rng
from lstmith.test_support.graphs.heads import by_convolution, rectified, two_layers
from lstmith.vad.silero import RATE, frames, model_path

HEADS = {
    **{name: MODELS[name] for name in ("dynamo_lstm_head", "keras_gru_stack", "encoder_decoder")},
    "two_layers": two_layers,
    "by_convolution": by_convolution,
    "rectified": rectified,
}


def dense_layers(model: Model) -> list[FloatLayer]:
    return [layer for network in model.networks for layer in network.layers if layer.kind is Kind.DENSE]


def places(model: Model) -> dict[str, str]:
    assert model.plan is not None
    return {item.node: item.where for item in model.plan.placement}


@pytest.mark.parametrize("name", HEADS)
def test_outputs_are_those_of_onnxruntime(tmp_path: Path, rng: Rng, name: str) -> None:
    calls = calls_of(rng, HEADS[name](tmp_path / "m.onnx", rng))
    design = compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", lanes=4, head=True)
    assert design.graph is not None
    assert any(stage.dense for stage in design.graph.stages)
    run_as_onnxruntime(design, tmp_path / "d", calls)


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("name", "engine"), [("two_layers", "icarus"), ("by_convolution", "verilator"), ("rectified", "icarus")]
)
def test_simulators_equal_golden(tmp_path: Path, rng: Rng, name: str, engine: str) -> None:
    calls = calls_of(rng, HEADS[name](tmp_path / "m.onnx", rng))
    design = compile_model(tmp_path / "m.onnx", calls, target="generic", lanes=4, head=True)
    one = {key: value[:1] for key, value in calls.items()}
    wanted, found = design.run(one, "golden"), design.run(one, engine)
    assert (found.figures["mismatches"], found.figures["cycle_mismatches"]) == (0, 0)
    for array, value in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[array], value, err_msg=array)


def test_layers_and_places(tmp_path: Path, rng: Rng) -> None:
    two_layers(tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx", head=True)
    assert [(layer.name, layer.squash) for layer in dense_layers(model)] == [
        ("one", Squash.TANH),
        ("two", Squash.SIGMOID),
    ]
    assert set(places(model).values()) == {"core", "folded"}
    assert [name for name, where in places(model).items() if where == "folded"] == ["rows"]
    by_default = read_model(tmp_path / "m.onnx")
    assert not dense_layers(by_default)
    assert places(by_default)["one"] == "host"


@pytest.mark.parametrize("move", ["wrong_way", "shuffled", "scaled"])
def test_changed_rows_are_a_program_of_their_own(tmp_path: Path, rng: Rng, move: str) -> None:
    """Rows that are not the recurrent layer's own do not join its chain: the host makes them."""
    calls = calls_of(rng, by_convolution(tmp_path / "m.onnx", rng, move))
    design = compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", lanes=4, head=True)
    assert [len(program.network.layers) for program in design.programs] == [1, 1]
    assert design.graph is not None
    # The reshape fits this many steps alone, so nothing is known of what it does to others.
    assert [stage.moved for stage in design.graph.stages] == [False, move == "shuffled"]
    run_as_onnxruntime(design, tmp_path / "d", calls)


def test_relu_is_of_the_dense_layer(tmp_path: Path, rng: Rng) -> None:
    calls = calls_of(rng, rectified(tmp_path / "m.onnx", rng))
    model = read_model(tmp_path / "m.onnx", head=True)
    [dense] = dense_layers(model)
    assert dense.rectified
    assert {name: places(model)[name] for name in ("relu", "product")} == {"relu": "core", "product": "core"}
    design = compile_model(tmp_path / "m.onnx", calls, target="generic", head=True)
    assert [layer.x_grid.low == 0 for layer in design.network.layers] == [False, True]
    design.save(tmp_path / "d")
    assert [layer.rectified for layer in Design.load(tmp_path / "d").source.layers] == [False, True]
    rectified(tmp_path / "m.onnx", rng, turned=True)
    assert len(read_model(tmp_path / "m.onnx", head=True).networks) == 2


@pytest.mark.slow
def test_speech_probability_leaves_the_core(tmp_path: Path) -> None:
    """Silero VAD with its decoder: a step takes 128 features and gives one probability."""
    parts = [
        frames(audio.samples)[100:][:count, None] for audio, count in zip(calibration_audio(), (60, 20), strict=False)
    ]
    known, asked = ({"input": part, "sr": np.full(len(part), RATE)} for part in parts)
    design = compile_model(model_path(), known, precision=16, target="generic", lanes=16, head=True, stateful=True)
    assert [layer.kind for layer in design.network.layers] == [Kind.LSTM, Kind.DENSE]
    result = design.run(asked, "golden", stateful=True)
    assert result.h.shape == (20, 1)
    low, high = result.figures["outputs"]["output"]["range"]
    assert result.figures["outputs"]["output"]["mean_abs_error"] <= 1e-3 * (high - low)
    few = {name: value[:2] for name, value in asked.items()}
    simulated = design.run(few, "icarus", stateful=True)
    assert (simulated.figures["mismatches"], simulated.figures["cycle_mismatches"]) == (0, 0)


def test_frame_by_frame_is_refused(tmp_path: Path, rng: Rng) -> None:
    two_layers(tmp_path / "m.onnx", rng)
    plan = read_model(tmp_path / "m.onnx", head=True).plan
    assert plan is not None
    with pytest.raises(UserError, match="has more to its stages"):
        HostGraph(plan)


def test_a_head_that_is_not_there_is_one_line(tmp_path: Path, rng: Rng) -> None:
    MODELS["batch_first_rnn"](tmp_path / "m.onnx", rng)
    found = CliRunner().invoke(app, ["inspect", str(tmp_path / "m.onnx"), "--head"])
    assert isinstance(found.exception, UserError)
    assert "option --head" in str(found.exception)
    np.savez(tmp_path / "m.npz", W_ih=np.zeros((8, 3)), W_hh=np.zeros((8, 2)), b_ih=np.zeros(8), b_hh=np.zeros(8))
    with pytest.raises(UserError, match="is for ONNX graphs and PyTorch state dicts"):
        read_model(tmp_path / "m.npz", head=True)
