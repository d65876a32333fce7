"""LSTMs that onnxruntime's quantisers wrote, as standard nodes with the weights that their integers stand for.

``DynamicQuantizeLSTM`` (quantize_dynamic) holds W and R as 8-bit integers with scales and zero points; it also
quantises x and h as it runs, which is left out here. Files in QDQ form need nothing: their weights come from
DequantizeLinear nodes, whose values are constants.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.onnx_graph import Array, Scope, fold, label
from lstmith.compiler.importers.onnx_site import P, R, W
from lstmith.spec.errors import UserError

_DOMAIN, _OPERATOR = "com.microsoft", "DynamicQuantizeLSTM"
#: Positions of scale and zero point.
_W_SCALE, _W_ZERO, _R_SCALE, _R_ZERO = range(P + 1, P + 5)


def dequantised(model: ModelProto, source: str) -> ModelProto:
    """A copy of the model with every ``DynamicQuantizeLSTM`` as an LSTM; the same object if there is none.

    W [directions, I, 4H] and R [directions, H, 4H] stand transposed; each scale is one value or one per column.

    Raises
    ------
    UserError
        If a weight, scale or zero point is not constant, or their shapes disagree.
    """
    if not any(_is_quantised(node) for scope in Scope(model.graph).inwards() for node in scope.nodes):
        return model
    model = ModelProto.FromString(model.SerializeToString())
    found = [(scope, node) for scope in Scope(model.graph).inwards() for node in scope.nodes if _is_quantised(node)]
    # Values first: a scope does not see what is changed under it.
    values = [
        (_weights(model, scope, node, source, W, _W_SCALE), _weights(model, scope, node, source, R, _R_SCALE))
        for scope, node in found
    ]
    for (scope, node), arrays in zip(found, values, strict=True):
        names = [f"{label(node)}_{field}_float" for field in ("W", "R")]
        for name, array in zip(names, arrays, strict=True):
            scope.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        inputs = [*node.input[: P + 1]]
        inputs[W], inputs[R] = names
        del node.input[:]
        node.input.extend(inputs)
        node.op_type, node.domain = "LSTM", ""
    return model


def _is_quantised(node: NodeProto) -> bool:
    return node.domain == _DOMAIN and node.op_type == _OPERATOR


def _weights(model: ModelProto, scope: Scope, node: NodeProto, source: str, position: int, scale: int) -> Array:
    """Float weights [directions, 4H, width]."""
    where = f"{source}: {_OPERATOR} {label(node)!r}"
    found = []
    for index in (position, scale, scale + 1):
        name = node.input[index] if index < len(node.input) else ""
        value = fold(model, scope, name) if name else None
        if value is None:
            raise UserError(
                where, f"input {index} ({name!r}) is not constant", "quantise the model with its weights inside"
            )
        found.append(value)
    integers, factor, zero = found
    if integers.ndim != 3:
        raise UserError(
            where, f"{node.input[position]!r} has shape {list(integers.shape)}", "give [directions, .., 4H]"
        )
    # Per tensor [directions], per column [directions, 4H].
    factor, zero = (part.reshape(part.shape[0] if part.ndim else 1, 1, -1) for part in (factor, zero))
    try:
        real = (integers.astype(np.float32) - zero.astype(np.float32)) * factor.astype(np.float32)
    except ValueError:
        raise UserError(
            where,
            f"{node.input[position]!r} {list(integers.shape)} and its scale {list(found[1].shape)} disagree",
            "quantise the model again",
        ) from None
    return np.ascontiguousarray(real.swapaxes(1, 2))
