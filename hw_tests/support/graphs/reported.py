"""Graphs after public bug reports on importers of recurrent networks: what users' files look like.

Each function writes a file with random weights and returns the values of one call by the names of the graph's inputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from lstmith.test_support.graphs.exporters import STEPS, UNITS, WIDTH, Feeds, Rng, Writer, matrix, normal, save_typed
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

node = helper.make_node
CLASSES, SYMBOLS = 5, 30


def vector(rng: Rng, name: str, size: int) -> TensorProto:
    return const(name, normal(rng, size), np.float32)


def keras_stack(path: Path, rng: Rng) -> Feeds:
    """Keras through keras-onnx: two LSTMs whose values are called lstm_x and lstm_y, dense on the last step."""
    first, constants = lstm(weights(rng, WIDTH, UNITS), x="lstm_x", activations=["Sigmoid", "Tanh", "Tanh"])
    second, more = lstm(weights(rng, UNITS, UNITS), x="lstm_1_x", name="lstm_1")
    nodes = [
        node("Transpose", ["lstm_input"], ["lstm_x"], perm=[1, 0, 2]),
        first,
        node("Transpose", ["lstm_y"], ["turned"], perm=[2, 0, 1, 3]),
        node("Reshape", ["turned", "joined"], ["sequence"]),
        node("Transpose", ["sequence"], ["lstm_1_x"], perm=[1, 0, 2]),
        second,
        node("Reshape", ["lstm_1_yh", "flat"], ["last"]),
        node("MatMul", ["last", "dense/kernel:0"], ["product"], name="dense"),
        node("Add", ["product", "dense/bias:0"], ["biased"]),
        node("Identity", ["biased"], ["dense_output"]),
    ]
    constants = [
        *constants, *more, const("joined", [0, 0, -1]), const("flat", [-1, UNITS]),
        matrix(rng, "dense/kernel:0", UNITS, 3), vector(rng, "dense/bias:0", 3),
    ]  # fmt: skip
    save(path, nodes, constants, {"lstm_input": ["N", "T", WIDTH]}, ["dense_output"])
    return {"lstm_input": normal(rng, 2, STEPS, WIDTH)}


def linear_between(path: Path, rng: Rng) -> Feeds:
    """torch: LSTM, Linear without a bias, LSTM, Linear, all batch first, as speech enhancers stack them."""
    nodes, constants, x = [], [const("direction", [1])], "x"
    for index in range(2):
        recurrent, more = lstm(weights(rng, WIDTH, UNITS), x=f"t{index}", name=f"/rnn{index}")
        nodes += [
            node("Transpose", [x], [f"t{index}"], perm=[1, 0, 2]),
            recurrent,
            node("Squeeze", [f"/rnn{index}_y", "direction"], [f"q{index}"]),
            node("Transpose", [f"q{index}"], [f"b{index}"], perm=[1, 0, 2]),
            node("MatMul", [f"b{index}", f"w{index}"], [f"o{index}"], name=f"/fc{index}"),
        ]
        constants += [*more, matrix(rng, f"w{index}", UNITS, WIDTH)]
        x = f"o{index}"
    save(path, nodes, constants, {"x": [2, "T", WIDTH]}, ["o1"])
    return {"x": normal(rng, 2, STEPS, WIDTH)}


def masked(path: Path, rng: Rng) -> Feeds:
    """Keras Masking: lengths are counted in the graph, by the frames that are not zero."""
    recurrent, constants = lstm(weights(rng, WIDTH, UNITS), x="xt", inputs={"sequence_lens": "lens"})
    nodes = [
        node("Abs", ["x"], ["size"]),
        node("ReduceMax", ["size"], ["largest"], axes=[2], keepdims=0),
        node("Greater", ["largest", "zero"], ["there"]),
        node("Cast", ["there"], ["counted"], to=TensorProto.INT32),
        node("ReduceSum", ["counted", "steps"], ["lens"], keepdims=0),
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        recurrent,
    ]
    constants = [*constants, const("zero", 0, np.float32), const("steps", [1])]
    save(path, nodes, constants, {"x": ["N", STEPS, WIDTH]}, ["lstm_y", "lstm_yh"])
    return {"x": normal(rng, 3, STEPS, WIDTH)}


def flat_states(path: Path, rng: Rng) -> Feeds:
    """Initial states as constants without an axis for sequences, [1, H]: every sequence begins in them."""
    recurrent, constants = lstm(weights(rng, WIDTH, UNITS), inputs={"initial_h": "h0", "initial_c": "c0"})
    constants += [const(name, rng.uniform(-0.9, 0.9, (1, UNITS)), np.float32) for name in ("h0", "c0")]
    save(path, [recurrent], constants, {"x": ["T", "N", WIDTH]}, ["lstm_y"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def sliced_states(path: Path, rng: Rng) -> Feeds:
    """torch with trained initial states: one constant of all layers, of which a Slice gives each its own."""
    nodes, constants, x = [], [const("axis", [0]), const("direction", [1])], "x"
    for index in range(2):
        recurrent, more = lstm(
            weights(rng, WIDTH if index == 0 else UNITS, UNITS), x=x, name=f"/rnn/{index}",
            inputs={"initial_h": f"h{index}", "initial_c": f"c{index}"},
        )  # fmt: skip
        for state in ("h", "c"):
            nodes.append(node("Slice", [f"{state}s", f"at{index}", f"to{index}", "axis"], [f"{state}{index}"]))
        nodes += [recurrent, node("Squeeze", [f"/rnn/{index}_y", "direction"], [f"y{index}"])]
        constants += [*more, const(f"at{index}", [index]), const(f"to{index}", [index + 1])]
        x = f"y{index}"
    constants += [const(f"{state}s", rng.uniform(-0.9, 0.9, (2, 1, UNITS)), np.float32) for state in ("h", "c")]
    save(path, nodes, constants, {"x": ["T", 1, WIDTH]}, ["y1"])
    return {"x": normal(rng, STEPS, 1, WIDTH)}


def states_of_bands(path: Path, rng: Rng) -> Feeds:
    """A streaming enhancer: a picture's rows are the sequences, one frame per call, states in and out of the graph."""
    rows = 7
    recurrent, constants = lstm(
        weights(rng, WIDTH, UNITS), x="frames", inputs={"initial_h": "h_in", "initial_c": "c_in"}
    )
    nodes = [
        node("Transpose", ["x"], ["moved"], perm=[0, 2, 3, 1]),
        node("Reshape", ["moved", "by_row"], ["rows"]),
        node("Transpose", ["rows"], ["frames"], perm=[1, 0, 2]),
        recurrent,
        node("Squeeze", ["lstm_y", "direction"], ["squeezed"]),
        node("Transpose", ["squeezed"], ["out"], perm=[1, 0, 2]),
    ]
    constants = [*constants, const("by_row", [rows, 1, WIDTH]), const("direction", [1])]
    inputs = {"x": [1, WIDTH, rows, 1], "h_in": [1, rows, UNITS], "c_in": [1, rows, UNITS]}
    save(path, nodes, constants, inputs, ["out", "lstm_yh", "lstm_yc"])
    return {"x": normal(rng, 1, WIDTH, rows, 1)}


def one_name(path: Path, rng: Rng) -> Feeds:
    """Two nodes of one name side by side, as language-model exporters wrote them."""
    nodes, constants = [], []
    for index in range(2):
        recurrent, more = lstm(weights(rng, WIDTH, UNITS), name=f"lstm{index}")
        recurrent.name = "lstm"
        nodes.append(recurrent)
        constants += more
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["lstm0_y", "lstm1_y"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def backwards(path: Path, rng: Rng) -> Feeds:
    """Keras go_backwards: one LSTM in reverse, of which the last state is wanted."""
    recurrent, constants = lstm(weights(rng, WIDTH, UNITS), x="xt", direction="reverse")
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        recurrent,
        node("Squeeze", ["lstm_yh", "front"], ["last"]),
    ]
    save(path, nodes, [*constants, const("front", [0])], {"x": ["N", "T", WIDTH]}, ["last"])
    return {"x": normal(rng, 2, STEPS, WIDTH)}


def peepholes(path: Path, rng: Rng) -> Feeds:
    """An LSTM with peepholes, as TensorFlow 1 and microsoft/CNTK wrote them."""
    recurrent, constants = lstm(weights(rng, WIDTH, UNITS, peepholes=True, initial=True))
    save(path, [recurrent], constants, {"x": ["T", 1, WIDTH]}, ["lstm_y", "lstm_yh", "lstm_yc"])
    return {"x": normal(rng, STEPS, 1, WIDTH)}


def stacked_rnn(path: Path, rng: Rng) -> Feeds:
    """torch's nn.RNN with two layers of tanh, and a log-softmax of a Linear on the last step."""
    first, constants = lstm(weights(rng, WIDTH, UNITS, op="RNN"), name="/rnn/0", op="RNN", activations=["Tanh"])
    second, more = lstm(weights(rng, UNITS, UNITS, op="RNN"), x="squeezed0", name="/rnn/1", op="RNN")
    nodes = [
        first,
        node("Squeeze", ["/rnn/0_y", "direction"], ["squeezed0"]),
        second,
        node("Squeeze", ["/rnn/1_y", "direction"], ["squeezed1"]),
        node("Gather", ["squeezed1", "last"], ["final"], axis=0),
        node("Gemm", ["final", "fc.weight", "fc.bias"], ["scores"], transB=1, name="/fc"),
        node("LogSoftmax", ["scores"], ["classes"], axis=1),
    ]
    constants = [
        *constants, *more, const("direction", [1]), const("last", -1), matrix(rng, "fc.weight", CLASSES, UNITS),
        vector(rng, "fc.bias", CLASSES),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["classes"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def last_states(path: Path, rng: Rng) -> Feeds:
    """torch: the last state of both directions of a GRU, joined, and a sigmoid of a Linear."""
    recurrent, constants = lstm(weights(rng, WIDTH, UNITS, directions=2, op="GRU"), op="GRU", direction="bidirectional")
    nodes = [
        recurrent,
        node("Gather", ["lstm_yh", "one"], ["there"], axis=0),
        node("Gather", ["lstm_yh", "two"], ["back"], axis=0),
        node("Concat", ["there", "back"], ["both"], axis=1),
        node("Gemm", ["both", "fc.weight", "fc.bias"], ["score"], transB=1, name="/fc"),
        node("Sigmoid", ["score"], ["p"]),
    ]
    constants = [
        *constants, const("one", -2), const("two", -1), matrix(rng, "fc.weight", 1, 2 * UNITS),
        vector(rng, "fc.bias", 1),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["p"])
    return {"x": normal(rng, STEPS, 3, WIDTH)}


def sentiment(path: Path, rng: Rng) -> Feeds:
    """An embedding, an LSTM, and the sigmoid of a Linear on its last state: a text classifier."""
    recurrent, constants = lstm(weights(rng, WIDTH, UNITS), x="xt")
    nodes = [
        node("Gather", ["embedding.weight", "tokens"], ["embedded"]),
        node("Transpose", ["embedded"], ["xt"], perm=[1, 0, 2]),
        recurrent,
        node("Squeeze", ["lstm_yh", "front"], ["last"]),
        node("Gemm", ["last", "fc.weight", "fc.bias"], ["score"], transB=1, name="/fc"),
        node("Sigmoid", ["score"], ["p"]),
    ]
    constants = [
        *constants, const("embedding.weight", normal(rng, SYMBOLS, WIDTH), np.float32), const("front", [0]),
        matrix(rng, "fc.weight", 1, UNITS), vector(rng, "fc.bias", 1),
    ]  # fmt: skip
    save_typed(path, nodes, constants, {"tokens": (np.int64, ["N", "T"])}, ["p"])
    return {"tokens": rng.integers(0, SYMBOLS, (3, STEPS))}


def opset_9(path: Path, rng: Rng) -> Feeds:
    """An old file: axes and bounds are attributes, the last step is a Slice, and Dropout stands between the layers."""
    first, constants = lstm(weights(rng, WIDTH, UNITS), name="first")
    second, more = lstm(weights(rng, UNITS, UNITS), x="dropped", name="second")
    nodes: list[NodeProto] = [
        first,
        node("Squeeze", ["first_y"], ["squeezed"], axes=[1]),
        node("Dropout", ["squeezed"], ["dropped"], ratio=0.5),
        second,
        node("Squeeze", ["second_y"], ["sequence"], axes=[1]),
        node("Slice", ["sequence"], ["end"], axes=[0], starts=[-1], ends=[np.iinfo(np.int64).max]),
        node("Squeeze", ["end"], ["final"], axes=[0]),
        node("Gemm", ["final", "w", "b"], ["scores"], name="dense"),
        node("Softmax", ["scores"], ["classes"], axis=1),
    ]
    constants = [*constants, *more, matrix(rng, "w", UNITS, CLASSES), vector(rng, "b", CLASSES)]
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["classes"], opset=9)
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def static_context(path: Path, rng: Rng) -> Feeds:
    """A forecaster: features of the whole sequence are repeated at every step beside its own, then GRU and dense."""
    context = 2
    recurrent, constants = lstm(weights(rng, WIDTH + context, UNITS, op="GRU"), x="joined", name="gru", op="GRU")
    nodes = [
        node("Shape", ["x"], ["steps"], start=0, end=1),
        node("Concat", ["steps", "ones"], ["times"], axis=0),
        node("Unsqueeze", ["context", "front"], ["one_step"]),
        node("Tile", ["one_step", "times"], ["repeated"]),
        node("Concat", ["x", "repeated"], ["joined"], axis=2),
        recurrent,
        node("Squeeze", ["gru_y", "direction"], ["squeezed"]),
        node("MatMul", ["squeezed", "w"], ["forecast"], name="dense"),
    ]
    constants = [
        *constants, const("ones", [1, 1]), const("front", [0]), const("direction", [1]), matrix(rng, "w", UNITS, 1),
    ]  # fmt: skip
    inputs: dict[str, list[Any]] = {"x": ["T", "N", WIDTH], "context": ["N", context]}
    save(path, nodes, constants, inputs, ["forecast"])
    return {"x": normal(rng, STEPS, 2, WIDTH), "context": normal(rng, 2, context)}


#: By name, and whether `--head` finds something.
REPORTED: dict[Writer, bool] = {
    keras_stack: True, linear_between: True, masked: False, flat_states: False, sliced_states: False,
    states_of_bands: False, one_name: False, backwards: False, peepholes: False, stacked_rnn: True,
    last_states: True, sentiment: True, opset_9: True, static_context: True,
}  # fmt: skip
