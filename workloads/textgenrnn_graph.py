"""textgenrnn as one ONNX graph: numbers of characters in, the next one's probabilities out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from lstmith.workloads.graphs import FLOAT, INT64, Constants, lstm_node, whole_graph
from lstmith.workloads.textgenrnn import shipped_model

CHARACTERS, NEXT = "characters", "next"


def textgenrnn_graph() -> onnx.ModelProto:
    """The whole network: embedding, two LSTMs, attention over embedding and both h, and the softmax.

    Input is ``characters``, int64 [N, T]; the output is ``next``, float32 [N, 465].
    """
    model = shipped_model()
    first, second = model.network.layers
    below, arrays = lstm_node("rnn_1", "x", [first], ["y_1"])
    above, more = lstm_node("rnn_2", "x_2", [second], ["y_2"])
    nodes = [
        helper.make_node("Gather", ["embedding", CHARACTERS], ["embedded"], "embed"),
        helper.make_node("Transpose", ["embedded"], ["x"], "time_first", perm=[1, 0, 2]),
        below,
        helper.make_node("Squeeze", ["y_1", "direction"], ["x_2"], "squeeze_1"),
        above,
        helper.make_node("Squeeze", ["y_2", "direction"], ["h_2"], "squeeze_2"),
        helper.make_node("Concat", ["x", "x_2", "h_2"], ["seen"], "join", axis=2),
        helper.make_node("MatMul", ["seen", "attention"], ["score"], "score"),
        helper.make_node("Softmax", ["score"], ["share"], "share", axis=0),
        helper.make_node("Mul", ["seen", "share"], ["shared"], "weigh"),
        helper.make_node("ReduceSum", ["shared", "time"], ["sum"], "sum", keepdims=0),
        helper.make_node("Gemm", ["sum", "head_weight", "head_bias"], ["logits"], "head"),
        helper.make_node("Softmax", ["logits"], [NEXT], "softmax", axis=1),
    ]
    constants: Constants = {
        **arrays,
        **more,
        "embedding": model.embedding,
        "direction": np.array([1]),
        "time": np.array([0]),
        "attention": model.attention[:, None],
        "head_weight": model.head,
        "head_bias": model.head_bias,
    }
    inputs = [helper.make_tensor_value_info(CHARACTERS, INT64, ["N", "T"])]
    outputs = [helper.make_tensor_value_info(NEXT, FLOAT, ["N", len(model.head_bias)])]
    return whole_graph("textgenrnn", nodes, inputs, outputs, constants)
