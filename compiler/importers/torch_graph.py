"""A bidirectional PyTorch module as an ONNX graph, so that it is planned like any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lstmith.compiler.importers.onnx_graph import RUNTIME_IR_VERSION, Array
from lstmith.compiler.importers.torch_import import TorchModel
from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.codes import Kind

_OPSET = 17
#: Canonical gates, i, f, g, o and r, z, n, in the order that ONNX stacks them in.
_ORDER = {Kind.LSTM: (0, 3, 1, 2), Kind.GRU: (1, 0, 2), Kind.RNN: (0,)}


def torch_graph(module: TorchModel) -> ModelProto:
    """The module: ``x`` [T, N, I] to ``y``, the forward direction's values first, [T, N, 2H], or its dense layer's."""
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = [numpy_helper.from_array(np.array([0, 0, -1], np.int64), "merged")]
    x = "x"
    for forward, backward in module.stacks:
        name = forward.name
        fields = [np.stack([_onnx(layer)[index] for layer in (forward, backward)]) for index in range(3)]
        names = [f"{name}.{field}" for field in ("W", "R", "B")]
        constants += [numpy_helper.from_array(array, label) for array, label in zip(fields, names, strict=True)]
        attributes: dict[str, Any] = {"linear_before_reset": 1} if forward.kind is Kind.GRU else {}
        nodes += [
            helper.make_node(
                forward.kind.name,
                [x, *names],
                [f"{name}.Y"],
                name=name,
                direction="bidirectional",
                hidden_size=forward.units,
                **attributes,
            ),
            # [T, 2, N, H] to [T, N, 2H]
            helper.make_node("Transpose", [f"{name}.Y"], [f"{name}.ordered"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"{name}.ordered", "merged"], [f"{name}.y"]),
        ]
        x = f"{name}.y"
    width = 2 * module.stacks[-1][0].units
    if (dense := module.dense) is not None:
        arrays = {f"{dense.name}.weight": dense.w_ih.T, f"{dense.name}.bias": dense.bias}
        constants += [numpy_helper.from_array(array.astype(np.float32), label) for label, array in arrays.items()]
        weight, bias = arrays
        nodes += [
            helper.make_node("MatMul", [x, weight], [f"{dense.name}.product"], name=dense.name),
            helper.make_node("Add", [f"{dense.name}.product", bias], ["y"], name=bias),
        ]
        width = dense.units
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "module",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "N", module.stacks[0][0].inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["T", "N", width])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=RUNTIME_IR_VERSION)


def _onnx(layer: FloatLayer) -> tuple[Array, Array, Array]:
    """W, R and B of one direction, float32, in the order of ONNX."""
    units = layer.units
    w, r, bias, recurrent_bias = layer.w_ih, layer.w_hh, layer.bias, np.zeros_like(layer.bias)
    if layer.kind is Kind.GRU:
        # Rows r, z, nx, nh: the last two are the input's and the recurrent part of n.
        w, r = w[: 3 * units], np.concatenate([r[: 2 * units], r[3 * units :]])
        recurrent_bias = np.concatenate([np.zeros(2 * units), bias[3 * units :]])
        bias = bias[: 3 * units]

    def ordered(rows: FloatArray) -> FloatArray:
        blocks = rows.reshape(len(_ORDER[layer.kind]), units, *rows.shape[1:])
        return blocks[list(_ORDER[layer.kind])].reshape(rows.shape)

    both = np.concatenate([ordered(bias), ordered(recurrent_bias)])
    return ordered(w).astype(np.float32), ordered(r).astype(np.float32), both.astype(np.float32)
