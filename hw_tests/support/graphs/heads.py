"""Graphs with dense layers behind recurrent nodes, in the forms that exporters give them.

Each function writes a file and returns the values of one call by the names of the graph's inputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from lstmith.test_support.graphs.exporters import (
    STEPS,
    UNITS,
    WIDTH,
    Feeds,
    Rng,
    Writer,
    matrix,
    normal,
    pair_by_slice,
    save_typed,
)
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

CLASSES = 5


def two_layers(path: Path, rng: Rng) -> Feeds:
    """Every step through Gemm with alpha and tanh, and through a second one with sigmoid."""
    node, constants = lstm(weights(rng, WIDTH, UNITS), x="x", name="lstm")
    nodes = [
        node,
        helper.make_node("Reshape", ["lstm_y", "flat"], ["rows"]),
        helper.make_node("Gemm", ["rows", "w1", "b1"], ["hidden"], name="one", alpha=0.5, beta=2.0),
        helper.make_node("Tanh", ["hidden"], ["bent"]),
        helper.make_node("MatMul", ["bent", "w2"], ["product"], name="two"),
        helper.make_node("Add", ["b2", "product"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["p"]),
    ]
    constants = [
        *constants, const("flat", [-1, UNITS]), matrix(rng, "w1", UNITS, 5), const("b1", normal(rng, 5), np.float32),
        matrix(rng, "w2", 5, 2), const("b2", normal(rng, 2), np.float32),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["p"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def by_convolution(path: Path, rng: Rng, move: str = "by_unit") -> Feeds:
    """A convolution of one step, which wants [N, H, T], and a sigmoid.

    Other ``move`` are by the name of what must not pass for it.
    """
    node, constants = lstm(weights(rng, WIDTH, UNITS), x="x", name="lstm")
    moves = {
        "by_unit": [helper.make_node("Transpose", ["squeezed"], ["moved"], perm=[1, 2, 0])],
        "wrong_way": [helper.make_node("Reshape", ["squeezed", "wrong"], ["moved"])],
        "shuffled": [
            helper.make_node("Gather", ["squeezed", "turned"], ["mixed"], axis=2),
            helper.make_node("Transpose", ["mixed"], ["moved"], perm=[1, 2, 0]),
        ],
        "scaled": [
            helper.make_node("Add", ["squeezed", "squeezed"], ["twice"]),
            helper.make_node("Transpose", ["twice"], ["moved"], perm=[1, 2, 0]),
        ],
    }
    nodes = [
        node,
        helper.make_node("Squeeze", ["lstm_y", "direction"], ["squeezed"]),
        *moves[move],
        helper.make_node("Conv", ["moved", "w", "b"], ["scores"], name="conv", kernel_shape=[1]),
        helper.make_node("Sigmoid", ["scores"], ["p"]),
    ]
    constants = [
        *constants, const("direction", [1]), const("w", normal(rng, 3, UNITS, 1), np.float32),
        const("b", normal(rng, 3), np.float32), const("wrong", [-1, UNITS, STEPS]),
        const("turned", list(reversed(range(UNITS)))),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["p"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def rectified(path: Path, rng: Rng, turned: bool = False) -> Feeds:
    """A ReLU in front of the product, behind an If that the shape of x decides.

    ``turned`` reverses one branch's h.
    """
    node, constants = lstm(weights(rng, WIDTH, UNITS), x="x", name="lstm")
    branches = {
        "then_branch": helper.make_node("Gather", ["squeezed", "backwards" if turned else "kept"], ["yes"], axis=2),
        "else_branch": helper.make_node("Identity", ["squeezed"], ["no"]),
    }
    graphs = {
        name: helper.make_graph([inner], name, [], [helper.make_tensor_value_info(inner.output[0], 1, None)])
        for name, inner in branches.items()
    }
    nodes = [
        node,
        helper.make_node("Squeeze", ["lstm_y", "direction"], ["squeezed"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "second"], ["count"]),
        helper.make_node("Equal", ["count", "one"], ["alone"]),
        helper.make_node("If", ["alone"], ["chosen"], **graphs),
        helper.make_node("Relu", ["chosen"], ["positive"], name="relu"),
        helper.make_node("MatMul", ["positive", "w"], ["product"], name="product"),
        helper.make_node("Sigmoid", ["product"], ["p"]),
    ]
    constants = [
        *constants, const("direction", [1]), matrix(rng, "w", UNITS, 3), const("second", 1), const("one", 1),
        const("kept", list(range(UNITS))), const("backwards", list(reversed(range(UNITS)))),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["p"])
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def tagger(path: Path, rng: Rng, op: str = "LSTM") -> Feeds:
    """Both directions with lengths, joined; a class of every step, as torch writes an nn.Linear of packed sequences."""
    node, constants = lstm(
        weights(rng, WIDTH, UNITS, directions=2, op=op),
        name="lstm", op=op, direction="bidirectional", inputs={"sequence_lens": "lens"},
    )  # fmt: skip
    nodes = [
        node,
        helper.make_node("Transpose", ["lstm_y"], ["by_unit"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["by_unit", "joined"], ["rows"]),
        helper.make_node("MatMul", ["rows", "w"], ["product"], name="head"),
        helper.make_node("Add", ["b", "product"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["tags"], name="pick", axis=-1, keepdims=0),
    ]
    constants = [
        *constants, const("joined", [0, 0, -1]), matrix(rng, "w", 2 * UNITS, CLASSES),
        const("b", normal(rng, CLASSES), np.float32),
    ]  # fmt: skip
    inputs: dict[str, tuple[Any, list[Any]]] = {"x": (np.float32, ["T", "N", WIDTH]), "lens": (np.int32, ["N"])}
    save_typed(path, nodes, constants, inputs, ["tags", "scores"])
    retyped(path, "tags", TensorProto.INT64)
    return {"x": normal(rng, STEPS, 3, WIDTH), "lens": np.array([STEPS, 2, 5], np.int32)}


def retyped(path: Path, output: str, kind: int) -> None:
    """Declare the type of an output."""
    model = onnx.load(path)
    [value] = [value for value in model.graph.output if value.name == output]
    value.type.tensor_type.elem_type = kind
    onnx.save(model, path)


def hand_made_pair(path: Path, rng: Rng) -> Feeds:
    """Two LSTMs, one behind a Slice backwards, and a Gemm of the last step of both: Keras-like."""
    pair, constants = pair_by_slice(rng)
    nodes = [
        *pair,
        helper.make_node("Concat", ["forward_yh", "backward_yh"], ["both"], axis=2),
        helper.make_node("Squeeze", ["both", "time"], ["last"]),
        helper.make_node("Gemm", ["last", "w", "b"], ["hidden"], name="one", transB=1),
        helper.make_node("Relu", ["hidden"], ["positive"]),
        helper.make_node("MatMul", ["positive", "w2"], ["product"], name="two"),
        helper.make_node("Sigmoid", ["product"], ["p"]),
    ]
    constants = [
        *constants, matrix(rng, "w", 7, 2 * UNITS), const("b", normal(rng, 7), np.float32),
        matrix(rng, "w2", 7, 2),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["p"])
    return {"x": normal(rng, STEPS, 3, WIDTH)}


def two_heads(path: Path, rng: Rng) -> Feeds:
    """An actor and a critic: two products read one LSTM, so that neither joins its chain."""
    node, constants = lstm(weights(rng, WIDTH, UNITS), name="lstm")
    nodes = [
        node,
        helper.make_node("Squeeze", ["lstm_yh", "front"], ["last"]),
        helper.make_node("Gemm", ["last", "w1", "b1"], ["actions"], name="actor"),
        helper.make_node("MatMul", ["last", "w2"], ["value"], name="critic"),
    ]
    constants = [
        *constants, const("front", [0]), matrix(rng, "w1", UNITS, 4), const("b1", normal(rng, 4), np.float32),
        matrix(rng, "w2", UNITS, 1),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["actions", "value"])
    return {"x": normal(rng, STEPS, 3, WIDTH)}


def pooled(path: Path, rng: Rng) -> Feeds:
    """The mean over all steps of both directions, which the host takes, and a dense layer."""
    node, constants = lstm(weights(rng, WIDTH, UNITS, directions=2), name="lstm", direction="bidirectional")
    nodes = [
        node,
        helper.make_node("Transpose", ["lstm_y"], ["by_unit"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["by_unit", "joined"], ["rows"]),
        helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["mean", "w", "b"], ["scores"], name="head"),
    ]
    constants = [
        *constants, const("joined", [0, 0, -1]), matrix(rng, "w", 2 * UNITS, 3), const("b", normal(rng, 3), np.float32),
    ]  # fmt: skip
    save(path, nodes, constants, {"x": ["T", "N", WIDTH]}, ["scores"])
    return {"x": normal(rng, STEPS, 3, WIDTH)}


def gru_tagger(path: Path, rng: Rng) -> Feeds:
    """Both directions of a GRU with lengths, joined; a class of every step."""
    return tagger(path, rng, "GRU")


HEADS: tuple[Writer, ...] = (
    two_layers, by_convolution, rectified, tagger, gru_tagger, hand_made_pair, two_heads, pooled,
)  # fmt: skip
