"""Networks of the workloads as whole ONNX graphs: what their modules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from lstmith.golden.network import FloatLayer
from lstmith.workloads.workload import Float64

OPSET, IR_VERSION = 17, 8
#: Gates of the canonical order i, f, g, o in the order of ONNX: i, o, f, c.
ORDER = (0, 3, 1, 2)
#: Arrays by the names of a graph's values.
Constants = dict[str, npt.NDArray[Any]]
#: Types of inputs and outputs.
FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


def lstm_node(
    name: str, x: str, layers: Sequence[FloatLayer], outputs: Sequence[str], *, lengths: str = "", states: str = ""
) -> tuple[NodeProto, dict[str, Float64]]:
    """An LSTM node and its constants.

    Parameters
    ----------
    name, x : str
    layers : sequence of FloatLayer
        One, or the forward and the backward one.
    outputs : sequence of str
        Y, Y_h and Y_c; empty for what nobody reads.
    lengths : str
        Value of the sequences' lengths.
    states : str
        Values of the initial states are called so, with ``_h`` and ``_c`` behind.
    """
    bias = np.stack([onnx_gates(layer.bias[:, None], layer.units)[:, 0] for layer in layers])
    arrays = {
        f"{name}_W": np.stack([onnx_gates(layer.w_ih, layer.units) for layer in layers]),
        f"{name}_R": np.stack([onnx_gates(layer.w_hh, layer.units) for layer in layers]),
        f"{name}_B": np.concatenate([bias, np.zeros_like(bias)], axis=1),
    }
    given = [f"{states}_h", f"{states}_c"] if states else []
    direction = "bidirectional" if len(layers) == 2 else "forward"
    node = helper.make_node(
        "LSTM", [x, *arrays, lengths, *given], list(outputs), name, direction=direction, hidden_size=layers[0].units
    )
    return node, arrays


def whole_graph(
    name: str,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Constants,
) -> onnx.ModelProto:
    """The model, checked; real constants become float32."""
    arrays = [
        numpy_helper.from_array(value.astype(np.float32) if value.dtype.kind == "f" else value, each)
        for each, value in constants.items()
    ]
    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), arrays)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = IR_VERSION
    onnx.checker.check_model(made, full_check=True)
    return made


def onnx_gates(rows: Float64, units: int) -> Float64:
    """Rows of an LSTM, [4H, ...] to [4H, K], in the order of ONNX."""
    return rows.reshape(4, units, -1)[list(ORDER)].reshape(4 * units, -1)
