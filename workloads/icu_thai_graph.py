"""ICU's Thai word breaker as one ONNX graph: numbers of grapheme clusters in, classes out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from lstmith.workloads.graphs import INT32, INT64, Constants, lstm_node, whole_graph
from lstmith.workloads.icu_thai import Breaks, breaks_of, shipped_model

IDS, LENGTHS, CLASSES = "ids", "lengths", "classes"


def icu_graph() -> onnx.ModelProto:
    """The whole network: an embedding, both directions, and the head.

    Inputs are ``ids``, int64 [T, N], and ``lengths``, int32 [N]; the output is ``classes``, int64 [T, N].
    """
    model = shipped_model()
    layers = [network.layers[0] for network in (model.forward, model.backward)]
    lstm, arrays = lstm_node("lstm", "x", layers, ["y"], lengths=LENGTHS)
    nodes = [
        helper.make_node("Gather", ["embedding", IDS], ["x"], "embed"),
        lstm,
        helper.make_node("Transpose", ["y"], ["by_unit"], "by_unit", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_unit", "joined"], ["features"], "join"),
        helper.make_node("MatMul", ["features", "head_weight"], ["scores"], "head"),
        helper.make_node("Add", ["scores", "head_bias"], ["logits"], "head_bias"),
        helper.make_node("ArgMax", ["logits"], [CLASSES], "argmax", axis=2, keepdims=0),
    ]
    constants: Constants = {
        **arrays,
        "embedding": model.embedding,
        "joined": np.array([0, 0, -1]),
        "head_weight": model.head,
        "head_bias": model.head_bias,
    }
    inputs = [
        helper.make_tensor_value_info(IDS, INT64, ["T", "N"]),
        helper.make_tensor_value_info(LENGTHS, INT32, ["N"]),
    ]
    outputs = [helper.make_tensor_value_info(CLASSES, INT64, ["T", "N"])]
    return whole_graph("icu_thai", nodes, inputs, outputs, constants)


def icu_inputs(texts: list[str]) -> dict[str, np.ndarray]:
    """Lines side by side as the graph's inputs."""
    numbers = [shipped_model().numbered(text)[0] for text in texts]
    lengths = np.array([len(rows) for rows in numbers], dtype=np.int32)
    ids = np.zeros((max(lengths), len(texts)), dtype=np.int64)
    for column, rows in enumerate(numbers):
        ids[: len(rows), column] = rows
    return {IDS: ids, LENGTHS: lengths}


def icu_breaks(texts: list[str], classes: np.ndarray) -> list[Breaks]:
    """Breaks of lines by the graph's output, int64 [T, N]."""
    return [
        breaks_of(text, starts := shipped_model().numbered(text)[1], classes[: len(starts), column])
        for column, text in enumerate(texts)
    ]
