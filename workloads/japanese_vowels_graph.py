"""A net of the Japanese vowels as one ONNX graph: cepstra in, the speaker out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, helper
from safetensors.numpy import load_file

from lstmith.workloads.graphs import FLOAT, INT64, Constants, lstm_node, whole_graph
from lstmith.workloads.japanese_vowels import WEIGHTS, JapaneseVowelsWorkload

X, SPEAKER = "x", "speaker"
#: State dict of a GRU and its head, as ``gru.`` and ``head.``; made by ``train_japanese_vowels``.
GRU_WEIGHTS = WEIGHTS.with_name("japanese_vowels_gru.safetensors")


def vowels_graph(workload: JapaneseVowelsWorkload, name: str) -> onnx.ModelProto:
    """The whole of one net: its LSTM, the head on the last h, and the largest score.

    Input is ``x``, float32 [T, N, 12]; the output is ``speaker``, int64 [N], 0 to 8.
    """
    layers, (head, head_bias) = workload.networks[name].layers, workload.heads[name]
    node, arrays = lstm_node("lstm", X, layers, ["", "last"])
    return _told(node, {**arrays, "head_weight": head, "head_bias": head_bias}, layers[0].inputs)


def vowels_gru_graph() -> onnx.ModelProto:
    """The same with the GRU of ``GRU_WEIGHTS``."""
    stored = load_file(GRU_WEIGHTS)

    def gates(kind: str) -> Constants:
        """Rows r, z, n of PyTorch in the order of ONNX."""
        parts = {part: np.split(stored[f"gru.{kind}_{part}_l0"], 3) for part in ("ih", "hh")}
        return {part: np.concatenate([z, r, n]) for part, (r, z, n) in parts.items()}

    weight, bias = gates("weight"), gates("bias")
    arrays = {"W": weight["ih"][None], "R": weight["hh"][None], "B": np.concatenate([bias["ih"], bias["hh"]])[None]}
    units, inputs = weight["hh"].shape[1], weight["ih"].shape[1]
    node = helper.make_node("GRU", [X, *arrays], ["", "last"], "gru", hidden_size=units, linear_before_reset=1)
    return _told(node, {**arrays, "head_weight": stored["head.weight"], "head_bias": stored["head.bias"]}, inputs)


def _told(recurrent: NodeProto, constants: Constants, inputs: int) -> onnx.ModelProto:
    """The graph around a recurrent node that gives its last h."""
    nodes = [
        recurrent,
        helper.make_node("Squeeze", ["last", "direction"], ["h"], "squeeze"),
        helper.make_node("Gemm", ["h", "head_weight", "head_bias"], ["scores"], "head", transB=1),
        helper.make_node("ArgMax", ["scores"], [SPEAKER], "argmax", axis=1, keepdims=0),
    ]
    given = [helper.make_tensor_value_info(X, FLOAT, ["T", "N", inputs])]
    found = [helper.make_tensor_value_info(SPEAKER, INT64, ["N"])]
    return whole_graph("japanese_vowels", nodes, given, found, {**constants, "direction": np.array([0])})
