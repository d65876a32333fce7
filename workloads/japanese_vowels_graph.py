"""A net of the Japanese vowels as one ONNX graph: cepstra in, the speaker out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from lstmith.workloads.graphs import FLOAT, INT64, lstm_node, whole_graph
from lstmith.workloads.japanese_vowels import JapaneseVowelsWorkload

X, SPEAKER = "x", "speaker"


def vowels_graph(workload: JapaneseVowelsWorkload, name: str) -> onnx.ModelProto:
    """The whole of one net: its LSTM, the head on the last h, and the largest score.

    Input is ``x``, float32 [T, N, 12]; the output is ``speaker``, int64 [N], 0 to 8.
    """
    layers, (head, head_bias) = workload.networks[name].layers, workload.heads[name]
    lstm, arrays = lstm_node("lstm", X, layers, ["", "last"])
    nodes = [
        lstm,
        helper.make_node("Squeeze", ["last", "direction"], ["h"], "squeeze"),
        helper.make_node("Gemm", ["h", "head_weight", "head_bias"], ["scores"], "head", transB=1),
        helper.make_node("ArgMax", ["scores"], [SPEAKER], "argmax", axis=1, keepdims=0),
    ]
    constants = {**arrays, "head_weight": head, "head_bias": head_bias, "direction": np.array([0])}
    inputs = [helper.make_tensor_value_info(X, FLOAT, ["T", "N", layers[0].inputs])]
    outputs = [helper.make_tensor_value_info(SPEAKER, INT64, ["N"])]
    return whole_graph("japanese_vowels", nodes, inputs, outputs, constants)
