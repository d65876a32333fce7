"""Graphs of whole architectures: what else stands around recurrent layers, which the host computes.

Each function writes a file with random weights and returns the values of one call by the names of the graph's inputs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from lstmith.test_support.graphs.exporters import STEPS, UNITS, WIDTH, Feeds, Rng, Writer, matrix, normal
from lstmith.test_support.graphs.nodes import const, lstm, save, weights
from lstmith.test_support.graphs.reported import CLASSES, vector

node = helper.make_node


def crnn(path: Path, rng: Rng) -> Feeds:
    """Text in a picture: convolution, two bidirectional LSTMs with a Linear behind each, and a class per column."""
    height, channels, hidden = 4, 3, 5
    nodes = [
        node("Conv", ["picture", "conv.weight", "conv.bias"], ["mapped"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["mapped"], ["positive"]),
        node("MaxPool", ["positive"], ["pooled"], kernel_shape=[height, 1], strides=[height, 1]),
        node("Squeeze", ["pooled", "height"], ["columns"]),
        node("Transpose", ["columns"], ["x0"], perm=[2, 0, 1]),
    ]
    constants = [
        const("conv.weight", normal(rng, channels, 1, 3, 3), np.float32), vector(rng, "conv.bias", channels),
        const("height", [2]), const("merged", [0, 0, -1]),
    ]  # fmt: skip
    width = channels
    for index, outputs in enumerate((hidden, CLASSES)):
        recurrent, more = lstm(
            weights(rng, width, UNITS, directions=2), x=f"x{index}", name=f"/rnn{index}", direction="bidirectional"
        )
        nodes += [
            recurrent,
            node("Transpose", [f"/rnn{index}_y"], [f"by_unit{index}"], perm=[0, 2, 1, 3]),
            node("Reshape", [f"by_unit{index}", "merged"], [f"rows{index}"]),
            node("MatMul", [f"rows{index}", f"w{index}"], [f"product{index}"], name=f"/fc{index}"),
            node("Add", [f"b{index}", f"product{index}"], [f"x{index + 1}"]),
        ]
        constants += [*more, matrix(rng, f"w{index}", 2 * UNITS, outputs), vector(rng, f"b{index}", outputs)]
        width = outputs
    nodes.append(node("LogSoftmax", ["x2"], ["classes"], axis=2))
    save(path, nodes, constants, {"picture": ["N", 1, height, "W"]}, ["classes"])
    return {"picture": normal(rng, 2, 1, height, 2 * STEPS)}


def attention(path: Path, rng: Rng) -> Feeds:
    """A bidirectional GRU whose steps are weighted by a softmax over time, and a class of their sum."""
    recurrent, constants = lstm(
        weights(rng, WIDTH, UNITS, directions=2, op="GRU"), name="gru", op="GRU", direction="bidirectional"
    )
    nodes = [
        recurrent,
        node("Transpose", ["gru_y"], ["by_unit"], perm=[2, 0, 1, 3]),
        node("Reshape", ["by_unit", "merged"], ["rows"]),
        node("MatMul", ["rows", "query"], ["scores"], name="score"),
        node("Softmax", ["scores"], ["shares"], axis=1),
        node("Mul", ["rows", "shares"], ["shared"]),
        node("ReduceSum", ["shared", "time"], ["sum"], keepdims=0),
        node("Gemm", ["sum", "w", "b"], ["logits"], name="head"),
        node("Softmax", ["logits"], ["classes"], axis=1),
    ]
    constants = [
        *constants, const("merged", [0, 0, -1]), matrix(rng, "query", 2 * UNITS, 1), const("time", [1]),
        matrix(rng, "w", 2 * UNITS, CLASSES), vector(rng, "b", CLASSES),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["classes"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def residual(path: Path, rng: Rng) -> Feeds:
    """Two LSTMs with a sum around each and a layer normalisation between and behind, and a Linear of every step."""
    nodes, constants, x = [], [const("direction", [1])], "x"
    for index in range(2):
        recurrent, more = lstm(weights(rng, UNITS, UNITS), x=x, name=f"lstm{index}")
        nodes += [
            recurrent,
            node("Squeeze", [f"lstm{index}_y", "direction"], [f"h{index}"]),
            node("Add", [f"h{index}", x], [f"sum{index}"]),
            node("LayerNormalization", [f"sum{index}", f"gain{index}", f"shift{index}"], [f"normal{index}"], axis=-1),
        ]
        constants += [*more, const(f"gain{index}", rng.uniform(0.5, 1.5, UNITS), np.float32)]
        constants.append(vector(rng, f"shift{index}", UNITS))
        x = f"normal{index}"
    nodes.append(node("MatMul", [x, "w"], ["y"], name="head"))
    save(path, nodes, [*constants, matrix(rng, "w", UNITS, CLASSES)], {"x": ["T", "N", UNITS]}, ["y"])
    return {"x": normal(rng, STEPS, 2, UNITS)}


def autoencoder(path: Path, rng: Rng) -> Feeds:
    """Keras RepeatVector: the encoder's last state at every step of a decoder, and a dense layer of each step."""
    encoder, constants = lstm(weights(rng, WIDTH, UNITS), x="xt", name="encoder")
    decoder, more = lstm(weights(rng, UNITS, UNITS), x="repeated", name="decoder")
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        encoder,
        node("Tile", ["encoder_yh", "times"], ["repeated"]),
        decoder,
        node("Squeeze", ["decoder_y", "direction"], ["sequence"]),
        node("Reshape", ["sequence", "flat"], ["rows"]),
        node("MatMul", ["rows", "kernel"], ["product"], name="time_distributed"),
        node("Add", ["product", "bias"], ["biased"]),
        node("Reshape", ["biased", "steps"], ["by_step"]),
        node("Transpose", ["by_step"], ["y"], perm=[1, 0, 2]),
    ]
    constants = [
        *constants, *more, const("times", [STEPS, 1, 1]), const("direction", [1]), const("flat", [-1, UNITS]),
        const("steps", [STEPS, -1, WIDTH]), matrix(rng, "kernel", UNITS, WIDTH), vector(rng, "bias", WIDTH),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["N", STEPS, WIDTH]}, ["y"])
    return {"x": normal(rng, 2, STEPS, WIDTH)}


def quantised_tagger(path: Path, rng: Rng) -> Feeds:
    """quantize_dynamic over both directions, and a MatMulInteger behind them, which the host runs."""
    arrays = weights(rng, WIDTH, UNITS, directions=2)
    constants = [numpy_helper.from_array(arrays["B"], "B"), const("merged", [0, 0, -1])]
    for name in "WR":
        values = arrays[name].swapaxes(1, 2)
        scale = np.abs(values).max(axis=(1, 2)) / 127
        constants += [
            const(f"{name}_quantized", np.rint(values / scale[:, None, None]), np.int8),
            const(f"{name}_scale", scale, np.float32),
            const(f"{name}_zero_point", np.zeros(2), np.int8),
        ]
    head = rng.normal(0, 1 / np.sqrt(2 * UNITS), (2 * UNITS, CLASSES))
    scale = np.abs(head).max() / 127
    constants += [const("head", np.rint(head / scale), np.int8), const("head_scale", scale, np.float32)]
    parts = ["W_scale", "W_zero_point", "R_scale", "R_zero_point"]
    nodes = [
        node(
            "DynamicQuantizeLSTM", ["x", "W_quantized", "R_quantized", "B", "", "", "", "", *parts], ["lstm_y"],
            name="LSTM_quant", domain="com.microsoft", hidden_size=UNITS, direction="bidirectional",
        ),
        node("Transpose", ["lstm_y"], ["by_unit"], perm=[0, 2, 1, 3]),
        node("Reshape", ["by_unit", "merged"], ["rows"]),
        node("DynamicQuantizeLinear", ["rows"], ["row_integers", "row_scale", "row_zero"]),
        node("MatMulInteger", ["row_integers", "head", "row_zero"], ["sums"]),
        node("Cast", ["sums"], ["product"], to=TensorProto.FLOAT),
        node("Mul", ["row_scale", "head_scale"], ["both_scales"]),
        node("Mul", ["product", "both_scales"], ["tags"]),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["tags"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


#: And whether `--head` finds something.
ARCHITECTURES: dict[Writer, bool] = {
    crnn: True, attention: True, residual: True, autoencoder: True, quantised_tagger: False,
}  # fmt: skip
