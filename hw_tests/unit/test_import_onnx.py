"""ONNX import: values equal onnxruntime's, and what is not supported is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from lstmith.compiler.importers.importer import load_model, read_model
from lstmith.compiler.importers.planner import plan_model
from lstmith.golden.network import FloatNetwork, run_float
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import branch, const, lstm, save, save_lstm, weights

STEPS, SEQUENCES = 7, 3


def run_onnx(path: Path, x: np.ndarray, output: str) -> np.ndarray:
    return ort.InferenceSession(str(path)).run([output], {"x": x})[0]


def last_h(network: FloatNetwork, x: np.ndarray) -> np.ndarray:
    """h [T, N, H] for x [T, N, I]."""
    return run_float(network, x.swapaxes(0, 1).astype(np.float64)).h[-1].swapaxes(0, 1)


def make_x(rng: np.random.Generator, inputs: int) -> np.ndarray:
    return rng.standard_normal((STEPS, SEQUENCES, inputs)).astype(np.float32)


@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (5, 3), (12, 15), (23, 25)])
def test_one_node(
    tmp_path: Path, rng: np.random.Generator, inputs: int, units: int, biases: bool, peepholes: bool
) -> None:
    path = save_lstm(tmp_path / "m.onnx", weights(rng, inputs, units, biases=biases, peepholes=peepholes))
    x = make_x(rng, inputs)
    network = load_model(path)
    assert (network.inputs, network.layers[0].units, network.layers[0].name) == (inputs, units, "lstm")
    assert (network.layers[0].peep is not None) is peepholes
    np.testing.assert_allclose(last_h(network, x), run_onnx(path, x, "lstm_y")[:, 0], atol=1e-5)


def test_newest_file_format(tmp_path: Path, rng: np.random.Generator) -> None:
    # onnx writes a newer format by default than onnxruntime reads.
    arrays = weights(rng, 4, 6)
    path = save_lstm(tmp_path / "old.onnx", arrays)
    model = onnx.load(path)
    model.ir_version = onnx.IR_VERSION
    onnx.save(model, tmp_path / "new.onnx")
    x = make_x(rng, 4)
    np.testing.assert_array_equal(last_h(load_model(tmp_path / "new.onnx"), x), last_h(load_model(path), x))


@pytest.mark.parametrize("peepholes", [False, True])
def test_batch_first_layout(tmp_path: Path, rng: np.random.Generator, peepholes: bool) -> None:
    path = save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6, peepholes=peepholes), layout=1)
    x = make_x(rng, 4).swapaxes(0, 1)  # onnxruntime has no layout 1
    [want] = ReferenceEvaluator(str(path)).run(["lstm_y"], {"x": x})
    h = run_float(load_model(path), x.astype(np.float64)).h[-1]
    np.testing.assert_allclose(h, np.asarray(want).reshape(SEQUENCES, STEPS, 6), atol=1e-5)


def test_initial_state(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6, initial=True))
    x = make_x(rng, 4)[:, :1]
    network = load_model(path)
    assert network.layers[0].h0 is not None
    assert network.layers[0].c0 is not None
    np.testing.assert_allclose(last_h(network, x), run_onnx(path, x, "lstm_y")[:, 0], atol=1e-5)


def test_initial_state_expanded_to_the_batch(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = weights(rng, 4, 6)
    state = rng.uniform(-1, 1, (1, 1, 6)).astype(np.float32)
    node, constants = lstm(arrays, inputs={"initial_h": "h", "initial_c": "c"})
    nodes = [
        helper.make_node("Shape", ["x"], ["batch"], start=1, end=2),
        helper.make_node("Concat", ["one", "batch", "units"], ["size"], axis=0),
        helper.make_node("Expand", ["learned", "size"], ["h"]),
        helper.make_node("ConstantOfShape", ["size"], ["c"]),
        node,
    ]
    constants += [const("one", [1]), const("units", [6]), const("learned", state, np.float32)]
    path = save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", 4]}, ["lstm_y"])
    network, x = load_model(path), make_x(rng, 4)
    np.testing.assert_array_equal(network.layers[0].h0, state[0, 0])
    assert network.layers[0].c0 is None
    np.testing.assert_allclose(last_h(network, x), run_onnx(path, x, "lstm_y")[:, 0], atol=1e-5)


def test_initial_state_of_the_caller(tmp_path: Path, rng: np.random.Generator) -> None:
    node, constants = lstm(weights(rng, 4, 6), inputs={"initial_h": "h", "initial_c": "c"})
    inputs: dict[str, list[Any]] = {"x": ["T", 1, 4], "h": [1, 1, 6], "c": [1, 1, 6]}
    network = load_model(save(tmp_path / "m.onnx", [node], constants, inputs, ["lstm_y"]))
    assert network.layers[0].h0 is None
    assert network.layers[0].c0 is None


@pytest.mark.parametrize("between", ["squeeze", "transpose_reshape"])
def test_stacked(tmp_path: Path, rng: np.random.Generator, between: str) -> None:
    first, constants = lstm(weights(rng, 5, 6), name="first")
    second, more = lstm(weights(rng, 6, 4), x="mid", name="second")
    constants = [*constants, *more, const("axis", [1]), const("flat", [0, 0, -1])]
    if between == "squeeze":
        nodes = [
            helper.make_node("Squeeze", ["first_y", "axis"], ["squeezed"]),
            helper.make_node("Dropout", ["squeezed"], ["mid"]),
        ]
    else:
        nodes = [
            helper.make_node("Transpose", ["first_y"], ["turned"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", ["turned", "flat"], ["reshaped"]),
            helper.make_node("Identity", ["reshaped"], ["mid"]),
        ]
    x = make_x(rng, 5)
    path = save(tmp_path / "m.onnx", [first, *nodes, second], constants, {"x": ["T", "N", 5]}, ["second_y"])
    for layer in (None, "first", "second"):
        network = load_model(path, layer)
        assert [item.name for item in network.layers] == ["first", "second"]
    np.testing.assert_allclose(last_h(network, x), run_onnx(path, x, "second_y")[:, 0], atol=1e-5)


@pytest.mark.parametrize("between", ["Relu", "swapped"])
def test_computation_in_between_is_no_stack(tmp_path: Path, rng: np.random.Generator, between: str) -> None:
    first, constants = lstm(weights(rng, 5, 6), name="first")
    second, more = lstm(weights(rng, 6, 4), x="mid", name="second")
    nodes = [helper.make_node("Squeeze", ["first_y", "axis"], ["squeezed"])]
    if between == "Relu":
        nodes.append(helper.make_node("Relu", ["squeezed"], ["mid"]))
    else:  # sequences where steps belong
        nodes.append(helper.make_node("Transpose", ["squeezed"], ["mid"], perm=[1, 0, 2]))
    constants = [*constants, *more, const("axis", [1])]
    path = save(tmp_path / "m.onnx", [first, *nodes, second], constants, {"x": ["T", "N", 5]}, ["second_y"])
    with pytest.raises(
        UserError, match=r"holds 2 chains of layers: 'first' \(I=5, H=6\), 'second' \(I=6, H=4\); name one"
    ):
        load_model(path)
    assert load_model(path, "second").inputs == 6
    with pytest.raises(UserError, match=r"--layer: there is no recurrent layer named 'third'; choose one of 'first'"):
        load_model(path, "third")


def test_step_model_stacked_through_y_h(tmp_path: Path, rng: np.random.Generator) -> None:
    first, constants = lstm(weights(rng, 5, 6), x="step", name="first")
    second, more = lstm(weights(rng, 6, 4), x="first_yh", name="second")
    nodes = [helper.make_node("Unsqueeze", ["x", "axis"], ["step"]), first, second]
    path = save(tmp_path / "m.onnx", nodes, [*constants, *more, const("axis", [0])], {"x": ["N", 5]}, ["second_yh"])
    assert [item.name for item in load_model(path).layers] == ["first", "second"]


def nested_model(path: Path, rng: np.random.Generator, same: bool) -> tuple[Path, np.ndarray]:
    """LSTMs in both branches of an If inside an If, weights folded from constants of the outermost graph."""
    units, inputs = 3, 4
    raw = rng.uniform(-1, 1, (4 * units, inputs + units)).astype(np.float32)
    arrays = weights(rng, inputs, units)
    inner = []
    for index, name in enumerate(("left", "right")):
        scale = "one" if same or index == 0 else "two"
        node = helper.make_node(
            "LSTM", ["x", f"{name}_W", f"{name}_R", "bias"], [f"{name}_y"], name=name, hidden_size=units
        )
        fold = [
            helper.make_node("Slice", ["raw", "zero", "split", "axis"], [f"{name}_cut"]),
            helper.make_node("Mul", [f"{name}_cut", scale], [f"{name}_scaled"]),
            helper.make_node("Unsqueeze", [f"{name}_scaled", "zero"], [f"{name}_W"]),
            helper.make_node("Slice", ["raw", "split", "end", "axis"], [f"{name}_rest"]),
            helper.make_node("Unsqueeze", [f"{name}_rest", "zero"], [f"{name}_R"]),
        ]
        inner.append(branch(name, [*fold, node], [f"{name}_y"]))
    chooser = helper.make_node("If", ["flag"], ["chosen"], name="inner", then_branch=inner[0], else_branch=inner[1])
    empty = branch("empty", [helper.make_node("Identity", ["x"], ["nothing"])], ["nothing"])
    outer = branch("outer", [chooser], ["chosen"])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Greater", ["total", "limit"], ["flag"]),
        helper.make_node("If", ["always"], ["y"], name="outer", then_branch=outer, else_branch=empty),
    ]
    constants = [
        const("raw", raw, np.float32), const("bias", arrays["B"], np.float32), const("zero", [0]), const("axis", [1]),
        const("split", [inputs]), const("end", [99]), const("one", 1.0, np.float32), const("two", 2.0, np.float32),
        const("always", True, np.bool_), const("limit", 0.0, np.float32),
    ]  # fmt: skip
    return save(path, nodes, constants, {"x": ["T", "N", inputs]}, ["y"]), make_x(rng, inputs)


def test_twins_in_exclusive_branches_are_one(tmp_path: Path, rng: np.random.Generator) -> None:
    path, x = nested_model(tmp_path / "m.onnx", rng, same=True)
    np.testing.assert_allclose(last_h(load_model(path), x), run_onnx(path, x, "y")[:, 0], atol=1e-5)
    assert load_model(path, "right").layers[0].name == "right"


def test_different_weights_in_branches_are_listed(tmp_path: Path, rng: np.random.Generator) -> None:
    path, x = nested_model(tmp_path / "m.onnx", rng, same=False)
    with pytest.raises(UserError, match=r"holds 2 networks in branches: 'left' \(I=4, H=3\), 'right' \(I=4, H=3\)"):
        load_model(path)
    x = np.abs(x)
    np.testing.assert_allclose(last_h(load_model(path, "left"), x), run_onnx(path, x, "y")[:, 0], atol=1e-5)
    np.testing.assert_allclose(last_h(load_model(path, "right"), -x), run_onnx(path, -x, "y")[:, 0], atol=1e-5)


def test_full_sequence_lens(tmp_path: Path, rng: np.random.Generator) -> None:
    node, constants = lstm(weights(rng, 4, 6), inputs={"sequence_lens": "lens"})
    inputs = {"x": [STEPS, SEQUENCES, 4]}
    path = save(
        tmp_path / "m.onnx", [node], [*constants, const("lens", [STEPS] * SEQUENCES, np.int32)], inputs, ["lstm_y"]
    )
    assert load_model(path).inputs == 4
    assert plan_model(path).stages[0].lengths == ""
    path = save(tmp_path / "m.onnx", [node], [*constants, const("lens", [STEPS, 2, 1], np.int32)], inputs, ["lstm_y"])
    assert plan_model(path).stages[0].lengths == "lens"


def test_dequantised_weights_are_constants(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = weights(rng, 4, 6)
    quantised = rng.integers(-128, 128, arrays["W"].shape, np.int8)
    node, constants = lstm({key: arrays[key] for key in ("R", "B")}, inputs={"W": "w"})
    real = helper.make_node("DequantizeLinear", ["q", "scale"], ["w"])
    constants += [const("q", quantised, np.int8), const("scale", 0.01, np.float32)]
    path = save(tmp_path / "m.onnx", [real, node], constants, {"x": ["T", "N", 4]}, ["lstm_y"])
    x = make_x(rng, 4)
    np.testing.assert_allclose(last_h(load_model(path), x), run_onnx(path, x, "lstm_y")[:, 0], atol=1e-5)


def test_lstm_inside_a_model_function(tmp_path: Path, rng: np.random.Generator) -> None:
    node, constants = lstm(weights(rng, 4, 6))
    names = [name for name in node.input if name]
    function = helper.make_function("local", "Cell", names, ["lstm_y"], [node], [helper.make_opsetid("", 17)])
    call = helper.make_node("Cell", names, ["y"], domain="local")
    path = save(tmp_path / "m.onnx", [call], constants, {"x": ["T", "N", 4]}, ["y"])
    model = onnx.load(path)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    onnx.save(model, path)
    x = make_x(rng, 4)
    np.testing.assert_allclose(last_h(load_model(path), x), run_onnx(path, x, "y")[:, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"direction": "sideways"}, "direction is 'sideways'; use forward, reverse or bidirectional"),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"]}, "activations are HardSigmoid, Tanh, Tanh, which is not"),
        ({"clip": 3.5}, "clip is 3.5, which is not supported"),
        ({"input_forget": 1}, "input_forget is 1, which is not supported"),
        ({"hidden_size": 7}, "hidden_size is 7, but R has shape [1, 24, 6]"),
    ],
)
def test_refused_attributes(tmp_path: Path, rng: np.random.Generator, attributes: dict, message: str) -> None:
    path = save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6), **attributes)
    with pytest.raises(UserError, match=r"m\.onnx: LSTM 'lstm': " + re.escape(message)):
        load_model(path)


def test_bidirectional_is_more_than_one_network(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6, directions=2), direction="bidirectional")
    with pytest.raises(UserError, match=r"it holds 2 chains of layers: 'lstm' .*; .* read all of them with read_model"):
        load_model(path)
    assert [network.layers[0].name for network in read_model(path).networks] == ["lstm.forward", "lstm.backward"]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("W", (1, 20, 4), "W has shape [1, 20, 4], not [1, 24, ..]"),
        ("W", (24, 4), "W has shape [24, 4], not [1, .., ..]"),
        ("R", (1, 20, 6), "R has shape [1, 20, 6], not [1, 24, ..]"),
        ("B", (1, 24), "B has shape [1, 24], not [1, 48]"),
        ("P", (1, 12), "P has shape [1, 12], not [1, 18]"),
    ],
)
def test_refused_shapes(
    tmp_path: Path, rng: np.random.Generator, name: str, shape: tuple[int, ...], message: str
) -> None:
    arrays = weights(rng, 4, 6, peepholes=True) | {name: np.zeros(shape, np.float32)}
    with pytest.raises(UserError, match=re.escape(message)):
        load_model(save_lstm(tmp_path / "m.onnx", arrays))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refused_values(tmp_path: Path, rng: np.random.Generator, value: float) -> None:
    arrays = weights(rng, 4, 6)
    arrays["R"][0, 2, 3] = value
    with pytest.raises(UserError, match=rf"LSTM 'lstm': R holds 1 value\(s\) that are not finite, for example {value}"):
        load_model(save_lstm(tmp_path / "m.onnx", arrays))


def test_refused_weights_that_vary(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = weights(rng, 4, 6)
    node, constants = lstm(arrays, inputs={"R": "r"})
    path = save(tmp_path / "m.onnx", [node], constants, {"x": ["T", "N", 4], "r": [1, 24, 6]}, ["lstm_y"])
    with pytest.raises(UserError, match=r"LSTM 'lstm': R \('r'\) is not constant; export the model with its weights"):
        load_model(path)


def test_unsupported_among_several_is_told(tmp_path: Path, rng: np.random.Generator) -> None:
    good, constants = lstm(weights(rng, 4, 6), name="good")
    bad, more = lstm(weights(rng, 4, 6), name="bad", clip=1.0)
    path = save(tmp_path / "m.onnx", [good, bad], [*constants, *more], {"x": ["T", "N", 4]}, ["good_y", "bad_y"])
    with pytest.raises(UserError, match=r"LSTM 'bad': clip is 1, which is not supported; export"):
        load_model(path)
    assert load_model(path, "good").inputs == 4
    with pytest.raises(UserError, match="LSTM 'bad': clip is 1"):
        load_model(path, "bad")


@pytest.mark.parametrize(
    ("op", "domain", "message"),
    [
        ("GRU", "", "GRU 'cell': linear_before_reset is 0, which is not supported; use a GRU that resets after"),
        ("RNN", "", "RNN 'cell': W ('') is not constant"),
        ("DynamicQuantizeLSTM", "com.microsoft", "DynamicQuantizeLSTM 'cell': input 1 ('') is not constant; quantise"),
        ("QAttentionLSTM", "elsewhere", "its node 'cell' is a elsewhere.QAttentionLSTM, which is not supported"),
        ("Relu", "", "its graph has no LSTM, GRU or RNN node"),
    ],
)
def test_refused_graphs_without_lstm(tmp_path: Path, op: str, domain: str, message: str) -> None:
    node = helper.make_node(op, ["x"], ["y"], name="cell", domain=domain)
    with pytest.raises(UserError, match=re.escape(message)):
        load_model(save(tmp_path / "m.onnx", [node], [], {"x": ["T", "N", 4]}, ["y"]))


@pytest.mark.parametrize("content", [b"this is no model at all", b"\x00" * 64, b"\x08"])
def test_refused_files_that_are_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"m\.onnx: is not an ONNX file"):
        load_model(path)


def test_refused_paths(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.onnx: there is no such file; check the path"):
        load_model(tmp_path / "gone.onnx")
    with pytest.raises(UserError, match="is not a file; give the model's file"):
        load_model(tmp_path)
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(UserError, match=r"empty\.onnx: is empty; export the model again"):
        load_model(tmp_path / "empty.onnx")


def test_external_data(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save_lstm(tmp_path / "m.onnx", weights(rng, 16, 16))
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert load_model(path).inputs == 16
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(UserError, match=r"m\.onnx: its external data cannot be read .* keep the data files beside"):
        load_model(path)


def test_constant_state_that_differs_per_sequence(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = weights(rng, 4, 6) | {"initial_h": rng.standard_normal((1, 2, 6)).astype(np.float32)}
    with pytest.raises(UserError, match="initial_h is constant, but not one row of 6 values for all sequences"):
        load_model(save_lstm(tmp_path / "m.onnx", arrays))


def test_float16_weights(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = {name: array.astype(np.float16) for name, array in weights(rng, 4, 6).items()}
    node, constants = lstm(arrays)
    x = [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["T", "N", 4])]
    y = [helper.make_tensor_value_info("lstm_y", TensorProto.FLOAT16, None)]
    graph = helper.make_graph([node], "half", x, y, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    layer = load_model(tmp_path / "m.onnx").layers[0]
    np.testing.assert_array_equal(layer.w_hh[6:12], arrays["R"][0, 12:18].astype(np.float64))


def test_refused_names_that_are_not_text(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6))
    path.write_bytes(path.read_bytes().replace(b"lstm_y", b"ls\xffm_y"))
    with pytest.raises(UserError, match=r"m\.onnx: is damaged \(the name b'.*' is not text\)"):
        load_model(path)


def test_nodes_of_one_name_are_chosen_by_their_outputs(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = [weights(rng, 4, 6), weights(rng, 4, 6)]
    made = [lstm(each, name=name) for each, name in zip(arrays, ("a", "b"), strict=True)]
    for node, _ in made:
        node.name = "lstm"
    constants = [constant for _, constants in made for constant in constants]
    path = save(tmp_path / "m.onnx", [node for node, _ in made], constants, {"x": ["T", "N", 4]}, ["a_y", "b_y"])
    with pytest.raises(
        UserError, match=r"it holds 2 chains of layers: 'a_y' .*'b_y' .*; name one of them with --layer"
    ):
        load_model(path)
    for each, names in zip(arrays, (("a_y", "a_yh"), ("b_y", "b_yc")), strict=True):
        for name in names:
            found = load_model(path, name).layers[0].w_ih
            np.testing.assert_array_equal(found[:6], each["W"][0, :6])
