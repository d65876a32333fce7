"""A net of the Japanese vowels as one ONNX graph: cepstra in, the speaker out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lstmith.workloads.icu_thai_graph import IR_VERSION, OPSET, onnx_gates
from lstmith.workloads.japanese_vowels import JapaneseVowelsWorkload

X, SPEAKER = "x", "speaker"


def vowels_graph(workload: JapaneseVowelsWorkload, name: str) -> onnx.ModelProto:
    """The whole of one net: its LSTM, the head on the last h, and the largest score.

    Input is ``x``, float32 [T, N, 12]; the output is ``speaker``, int64 [N], 0 to 8.
    """
    [layer], (head, head_bias) = workload.networks[name].layers, workload.heads[name]
    bias = onnx_gates(layer.bias[:, None], layer.units)[:, 0]
    constants: dict[str, np.ndarray] = {
        "W": onnx_gates(layer.w_ih, layer.units)[None],
        "R": onnx_gates(layer.w_hh, layer.units)[None],
        "B": np.concatenate([bias, np.zeros_like(bias)])[None],
        "head": head,
        "head_bias": head_bias,
    }
    nodes = [
        helper.make_node("LSTM", [X, "W", "R", "B"], ["", "last"], "lstm", hidden_size=layer.units),
        helper.make_node("Squeeze", ["last", "direction"], ["h"], "squeeze"),
        helper.make_node("Gemm", ["h", "head", "head_bias"], ["scores"], "head", transB=1),
        helper.make_node("ArgMax", ["scores"], [SPEAKER], "argmax", axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "japanese_vowels",
        [helper.make_tensor_value_info(X, TensorProto.FLOAT, ["T", "N", layer.inputs])],
        [helper.make_tensor_value_info(SPEAKER, TensorProto.INT64, ["N"])],
        [
            *(numpy_helper.from_array(value.astype(np.float32), each) for each, value in constants.items()),
            numpy_helper.from_array(np.array([0]), "direction"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = IR_VERSION
    onnx.checker.check_model(made, full_check=True)
    return made
