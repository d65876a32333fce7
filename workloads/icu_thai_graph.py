"""ICU's Thai word breaker as one ONNX graph: numbers of grapheme clusters in, classes out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lstmith.workloads.icu_thai import Breaks, breaks_of, shipped_model
from lstmith.workloads.workload import Float64

OPSET, IR_VERSION = 17, 8
#: Gates of the canonical order i, f, g, o in the order of ONNX: i, o, f, c.
ORDER = (0, 3, 1, 2)
IDS, LENGTHS, CLASSES = "ids", "lengths", "classes"


def icu_graph() -> onnx.ModelProto:
    """The whole network: an embedding, both directions, and the head.

    Inputs are ``ids``, int64 [T, N], and ``lengths``, int32 [N]; the output is ``classes``, int64 [T, N].
    """
    model = shipped_model()
    layers = [network.layers[0] for network in (model.forward, model.backward)]
    bias = np.stack([onnx_gates(layer.bias[:, None], layer.units)[:, 0] for layer in layers])
    constants: dict[str, np.ndarray] = {
        "embedding": model.embedding,
        "W": np.stack([onnx_gates(layer.w_ih, layer.units) for layer in layers]),
        "R": np.stack([onnx_gates(layer.w_hh, layer.units) for layer in layers]),
        "B": np.concatenate([bias, np.zeros_like(bias)], axis=1),
        "joined": np.array([0, 0, -1]),
        "head": model.head,
        "head_bias": model.head_bias,
    }
    nodes = [
        helper.make_node("Gather", ["embedding", IDS], ["x"], "embed"),
        helper.make_node(
            "LSTM",
            ["x", "W", "R", "B", LENGTHS],
            ["y"],
            "lstm",
            direction="bidirectional",
            hidden_size=layers[0].units,
        ),
        helper.make_node("Transpose", ["y"], ["by_unit"], "by_unit", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_unit", "joined"], ["features"], "join"),
        helper.make_node("MatMul", ["features", "head"], ["scores"], "head"),
        helper.make_node("Add", ["scores", "head_bias"], ["logits"], "head_bias"),
        helper.make_node("ArgMax", ["logits"], [CLASSES], "argmax", axis=2, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "icu_thai",
        [
            helper.make_tensor_value_info(IDS, TensorProto.INT64, ["T", "N"]),
            helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["N"]),
        ],
        [helper.make_tensor_value_info(CLASSES, TensorProto.INT64, ["T", "N"])],
        [
            numpy_helper.from_array(value.astype(np.float32) if value.dtype.kind == "f" else value, name)
            for name, value in constants.items()
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = IR_VERSION
    onnx.checker.check_model(made, full_check=True)
    return made


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


def onnx_gates(rows: Float64, units: int) -> Float64:
    """Rows of an LSTM, [4H, ...] to [4H, K], in the order of ONNX."""
    return rows.reshape(4, units, -1)[list(ORDER)].reshape(4 * units, -1)
