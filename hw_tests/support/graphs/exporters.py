"""Whole networks as ONNX graphs in the shapes that exporters write, for tests of plans.

Each function writes a file and returns the values of one call by the names of the graph's inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from lstmith.test_support.graphs.nodes import const, lstm, save, weights

Rng = np.random.Generator
Feeds = dict[str, np.ndarray]
Writer = Callable[[Path, Rng], Feeds]
STEPS, WIDTH, UNITS = 9, 4, 6


def normal(rng: Rng, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def matrix(rng: Rng, name: str, rows: int, columns: int) -> TensorProto:
    return const(name, rng.normal(0, 1 / np.sqrt(rows), (rows, columns)), np.float32)


def bidirectional(path: Path, rng: Rng, op: str = "LSTM") -> Feeds:
    """The legacy exporter of torch: two bidirectional layers, batch first, zero states of the input's size."""
    first, constants = lstm(
        weights(rng, WIDTH, UNITS, directions=2, op=op),
        x="time_first", name="/rnn/0", op=op, direction="bidirectional", inputs={"initial_h": "zero"},
    )  # fmt: skip
    second, more = lstm(
        weights(rng, 2 * UNITS, UNITS, directions=2, op=op),
        x="merged0", name="/rnn/1", op=op, direction="bidirectional", inputs={"initial_h": "zero"},
    )  # fmt: skip
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["batch"], axis=0),
        helper.make_node("Concat", ["two", "batch", "units"], ["state_shape"], axis=0),
        helper.make_node("ConstantOfShape", ["state_shape"], ["zero"]),
        helper.make_node("Transpose", ["x"], ["time_first"], perm=[1, 0, 2]),
        first,
        helper.make_node("Transpose", ["/rnn/0_y"], ["by_unit0"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_unit0", "joined"], ["merged0"]),
        second,
        helper.make_node("Transpose", ["/rnn/1_y"], ["by_unit1"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_unit1", "joined"], ["merged1"]),
        helper.make_node("Transpose", ["merged1"], ["features"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["features", "w"], ["scored"]),
        helper.make_node("Softmax", ["scored"], ["tags"], axis=-1),
    ]
    constants = [
        *constants, *more, const("first", [0]), const("two", [2]), const("units", [UNITS]),
        const("joined", [0, 0, -1]), matrix(rng, "w", 2 * UNITS, 5),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["N", "T", WIDTH]}, ["tags"])
    return {"x": normal(rng, 2, STEPS, WIDTH)}


def dynamo_lstm_head(path: Path, rng: Rng) -> Feeds:
    """The dynamo exporter of torch: layout by transposes, states expanded from constants, Gemm behind the last step."""
    node, constants = lstm(
        weights(rng, WIDTH, UNITS), x="transposed", name="node_LSTM_7", inputs={"initial_h": "h0", "initial_c": "h0"}
    )
    nodes = [
        helper.make_node("Shape", ["x"], ["batch"], start=0, end=1),
        helper.make_node("Concat", ["one", "batch", "units"], ["expanded"], axis=0),
        helper.make_node("Expand", ["zero", "expanded"], ["h0"]),
        helper.make_node("Transpose", ["x"], ["transposed"], perm=[1, 0, 2]),
        node,
        helper.make_node("Squeeze", ["node_LSTM_7_y", "direction"], ["sequence"]),
        helper.make_node("Transpose", ["sequence"], ["batch_first"], perm=[1, 0, 2]),
        helper.make_node("Gather", ["batch_first", "last"], ["final"], axis=1),
        helper.make_node("Gemm", ["final", "fc.weight", "fc.bias"], ["logits"], transB=1),
    ]
    constants = [
        *constants, const("one", [1]), const("units", [UNITS]), const("zero", 0.0, np.float32), const("direction", [1]),
        const("last", -1), matrix(rng, "fc.weight", 3, UNITS), const("fc.bias", normal(rng, 3), np.float32),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["N", "T", WIDTH]}, ["logits"])
    return {"x": normal(rng, 3, STEPS, WIDTH)}


def keras_gru_stack(path: Path, rng: Rng) -> Feeds:
    """tf2onnx: embedding, GRU (reset_after), a dense layer at every step, GRU, dense with softmax on the last step."""
    first, constants = lstm(weights(rng, WIDTH, UNITS, op="GRU"), x="gru_x", name="gru", op="GRU")
    second, more = lstm(weights(rng, 5, UNITS, op="GRU"), x="gru_1_x", name="gru_1", op="GRU")
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["embedded"]),
        helper.make_node("Transpose", ["embedded"], ["gru_x"], perm=[1, 0, 2]),
        first,
        helper.make_node("Squeeze", ["gru_y", "axis"], ["squeezed"]),
        helper.make_node("MatMul", ["squeezed", "dense/kernel"], ["product"]),
        helper.make_node("Add", ["product", "dense/bias"], ["biased"]),
        helper.make_node("Relu", ["biased"], ["gru_1_x"]),
        second,
        helper.make_node("Squeeze", ["gru_1_yh", "front"], ["last"]),
        helper.make_node("MatMul", ["last", "head/kernel"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["dense_1"]),
    ]
    constants = [
        *constants, *more, matrix(rng, "table", 20, WIDTH), const("axis", [1]), const("front", [0]),
        matrix(rng, "dense/kernel", UNITS, 5), const("dense/bias", normal(rng, 5), np.float32),
        matrix(rng, "head/kernel", UNITS, 3),
    ]  # fmt: skip
    return save_typed(path, nodes, constants, {"tokens": (np.int64, ["N", "T"])}, ["dense_1"]) | {
        "tokens": rng.integers(0, 20, (2, STEPS))
    }


def keras_bidirectional_pair(path: Path, rng: Rng) -> Feeds:
    """tf2onnx's older form: two forward LSTMs, one behind ReverseSequence, joined along the units."""
    forward, constants = lstm(weights(rng, WIDTH, UNITS), x="xt", name="forward")
    backward, more = lstm(weights(rng, WIDTH, UNITS), x="reversed", name="backward")
    nodes = [
        helper.make_node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        forward,
        helper.make_node("ReverseSequence", ["xt", "lens"], ["reversed"], batch_axis=1, time_axis=0),
        backward,
        helper.make_node("Squeeze", ["forward_y", "axis"], ["f"]),
        helper.make_node("Squeeze", ["backward_y", "axis"], ["b_reversed"]),
        helper.make_node("ReverseSequence", ["b_reversed", "lens"], ["b"], batch_axis=1, time_axis=0),
        helper.make_node("Concat", ["f", "b"], ["y"], axis=2),
    ]
    constants = [*constants, *more, const("axis", [1]), const("lens", [STEPS, STEPS])]
    save(path, nodes, constants, {"x": [2, STEPS, WIDTH]}, ["y"])
    return {"x": normal(rng, 2, STEPS, WIDTH)}


def pair_by_slice(rng: Rng) -> tuple[list[NodeProto], list[TensorProto]]:
    """Two forward LSTMs, one of which reads x through a Slice with step -1; outputs are those of either node."""
    forward, constants = lstm(weights(rng, WIDTH, UNITS), name="forward")
    backward, more = lstm(weights(rng, WIDTH, UNITS), x="reversed", name="backward")
    nodes = [forward, helper.make_node("Slice", ["x", "from", "to", "time", "back"], ["reversed"]), backward]
    bounds = {"from": -1, "to": np.iinfo(np.int64).min, "time": 0, "back": -1}
    return nodes, [*constants, *more, *(const(name, [value]) for name, value in bounds.items())]


def sliced_pair(path: Path, rng: Rng) -> Feeds:
    """A pair of forward LSTMs by hand: a Slice with step -1, and a Concat."""
    pair, constants = pair_by_slice(rng)
    nodes = [
        *pair,
        helper.make_node("Slice", ["backward_y", "from", "to", "time", "back"], ["b"]),
        helper.make_node("Concat", ["forward_y", "b"], ["y"], axis=3),
    ]
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["y"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def packed_lengths(path: Path, rng: Rng) -> Feeds:
    """torch's pack_padded_sequence: lengths as a graph input, one cast away from the node, both directions."""
    node, constants = lstm(
        weights(rng, WIDTH, UNITS, directions=2), direction="bidirectional", inputs={"sequence_lens": "lens32"}
    )
    nodes = [helper.make_node("Cast", ["lens"], ["lens32"], to=TensorProto.INT32), node]
    outputs = ["lstm_y", "lstm_yh", "lstm_yc"]
    inputs: dict[str, tuple[Any, list[Any]]] = {"x": (np.float32, ["T", "N", WIDTH]), "lens": (np.int64, ["N"])}
    return save_typed(path, nodes, constants, inputs, outputs) | {
        "x": normal(rng, STEPS, 3, WIDTH), "lens": np.array([STEPS, 2, 5]),
    }  # fmt: skip


def encoder_decoder(path: Path, rng: Rng) -> Feeds:
    """The decoder begins in the encoder's last state, which a dense layer bends, and reads other inputs."""
    encoder, constants = lstm(weights(rng, WIDTH, UNITS), x="heard", name="encoder")
    decoder, more = lstm(
        weights(rng, 3, UNITS), x="said", name="decoder", inputs={"initial_h": "bent", "initial_c": "encoder_yc"}
    )
    nodes = [
        encoder,
        helper.make_node("MatMul", ["encoder_yh", "bridge"], ["product"]),
        helper.make_node("Tanh", ["product"], ["bent"]),
        decoder,
        helper.make_node("Relu", ["decoder_y"], ["y"]),
    ]
    constants = [*constants, *more, matrix(rng, "bridge", UNITS, UNITS)]
    save(path, nodes, constants, {"heard": ["T", "N", WIDTH], "said": ["S", "N", 3]}, ["y"])
    return {"heard": normal(rng, STEPS, 2, WIDTH), "said": normal(rng, 4, 2, 3)}


def batch_first_rnn(path: Path, rng: Rng) -> Feeds:
    """A ReLU RNN in reverse, batch first by a transpose: onnxruntime runs no node of layout 1."""
    arrays = {name: 0.5 * array for name, array in weights(rng, WIDTH, UNITS, op="RNN").items()}
    node, constants = lstm(arrays, x="xt", name="rnn", op="RNN", activations=["Relu"], direction="reverse")
    nodes = [helper.make_node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]), node]
    save(path, nodes, constants, {"x": ["N", "T", WIDTH]}, ["rnn_y", "rnn_yh"])
    return {"x": normal(rng, 2, STEPS, WIDTH)}


def siamese(path: Path, rng: Rng) -> Feeds:
    """One LSTM read twice: both nodes share their weights."""
    arrays = weights(rng, WIDTH, UNITS)
    left, constants = lstm(arrays, x="a", name="left")
    right, more = lstm(arrays, x="b", name="right")
    nodes = [left, right, helper.make_node("Sub", ["left_yh", "right_yh"], ["distance"])]
    save(path, nodes, [*constants, *more], {"a": ["T", "N", WIDTH], "b": ["S", "N", WIDTH]}, ["distance"])
    return {"a": normal(rng, STEPS, 2, WIDTH), "b": normal(rng, 5, 2, WIDTH)}


def quantised_dynamic(path: Path, rng: Rng) -> Feeds:
    """quantize_dynamic: 8-bit weights, one scale for W and one per column for R."""
    arrays = weights(rng, WIDTH, UNITS)
    constants = [numpy_helper.from_array(arrays["B"], "B")]
    for name, per_column in (("W", False), ("R", True)):
        values = arrays[name].swapaxes(1, 2)
        scale = (np.abs(values).max(axis=1) if per_column else np.abs(values).max(axis=(1, 2))) / 127
        integers = np.rint(values / scale.reshape(1, 1, -1))
        constants += [
            const(f"{name}_quantized", integers, np.int8),
            const(f"{name}_scale", scale, np.float32),
            const(f"{name}_zero_point", np.zeros(scale.shape), np.int8),
        ]
    node = helper.make_node(
        "DynamicQuantizeLSTM",
        ["x", "W_quantized", "R_quantized", "B", "", "", "", "", "W_scale", "W_zero_point", "R_scale", "R_zero_point"],
        ["y"], name="LSTM_quant", domain="com.microsoft", hidden_size=UNITS,
    )  # fmt: skip
    save(path, [node], constants, {"x": ["T", "N", WIDTH]}, ["y"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def qdq(path: Path, rng: Rng) -> Feeds:
    """QDQ form: integers behind DequantizeLinear, and a quantiser and its inverse on the activations between."""
    arrays = weights(rng, WIDTH, UNITS)
    first, constants = lstm({"B": arrays["B"], "R": arrays["R"]}, x="x", name="first", inputs={"W": "w"})
    second, more = lstm(weights(rng, UNITS, UNITS), x="mid", name="second")
    scale = np.abs(arrays["W"]).max() / 127
    nodes = [
        helper.make_node("DequantizeLinear", ["wq", "ws"], ["w"]),
        first,
        helper.make_node("Squeeze", ["first_y", "axis"], ["sequence"]),
        helper.make_node("QuantizeLinear", ["sequence", "step", "zero"], ["coarse"]),
        helper.make_node("DequantizeLinear", ["coarse", "step", "zero"], ["mid"]),
        second,
    ]
    constants = [
        *constants, *more, const("wq", np.rint(arrays["W"] / scale), np.int8), const("ws", scale, np.float32),
        const("axis", [1]), const("step", 1 / 128, np.float32), const("zero", 0, np.int8),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["second_y"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def save_typed(
    path: Path,
    nodes: list[NodeProto],
    constants: list[TensorProto],
    inputs: dict[str, tuple[Any, list[Any]]],
    outputs: list[str],
) -> Feeds:
    """Like `save`, with types of inputs by name; returns nothing fed yet."""
    save(path, nodes, constants, {name: shape for name, (_, shape) in inputs.items()}, outputs)
    model = onnx.load(path)
    for value in model.graph.input:
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(inputs[value.name][0]))
    onnx.save(model, path)
    return {}


def bidirectional_gru(path: Path, rng: Rng) -> Feeds:
    """The legacy exporter of torch: two bidirectional layers of GRUs, batch first."""
    return bidirectional(path, rng, "GRU")


MODELS: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        bidirectional, bidirectional_gru, dynamo_lstm_head, keras_gru_stack, keras_bidirectional_pair, sliced_pair,
        packed_lengths, encoder_decoder, batch_first_rnn, siamese, quantised_dynamic, qdq,
    )
}  # fmt: skip
