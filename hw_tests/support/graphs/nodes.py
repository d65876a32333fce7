"""Small ONNX models with LSTMs and random weights, for the importer's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET = 17
Weights = dict[str, np.ndarray]


def weights(
    rng: np.random.Generator,
    inputs: int,
    units: int,
    *,
    biases: bool = True,
    peepholes: bool = False,
    initial: bool = False,
    directions: int = 1,
    op: str = "LSTM",
) -> Weights:
    """ONNX-shaped arrays by the node's input names, float32."""
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[op] * units
    shapes: dict[str, tuple[int, ...]] = {"W": (rows, inputs), "R": (rows, units)}
    if biases:
        shapes["B"] = (2 * rows,)
    if initial:
        shapes |= {"initial_h": (1, units), "initial_c": (1, units)}
    if peepholes:
        shapes["P"] = (3 * units,)
    return {name: rng.uniform(-0.7, 0.7, (directions, *shape)).astype(np.float32) for name, shape in shapes.items()}


def lstm(
    arrays: Mapping[str, np.ndarray],
    x: str = "x",
    name: str = "lstm",
    inputs: Mapping[str, str] | None = None,
    op: str = "LSTM",
    **attributes: Any,
) -> tuple[NodeProto, list[TensorProto]]:
    """A recurrent node and its initializers; ``inputs`` names further or other inputs."""
    names = {"X": x} | {key: f"{name}_{key}" for key in arrays} | dict(inputs or {})
    order = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")[: 8 if op == "LSTM" else 6]
    listed = [names.get(key, "") for key in order]
    if op == "GRU":
        attributes.setdefault("linear_before_reset", 1)
    attributes.setdefault("hidden_size", arrays["R"].shape[-1])
    outputs = [f"{name}_y", f"{name}_yh", f"{name}_yc"][: 3 if op == "LSTM" else 2]
    node = helper.make_node(op, listed, outputs, name=name, **attributes)
    return node, [numpy_helper.from_array(array, f"{name}_{key}") for key, array in arrays.items()]


def const(name: str, value: Any, dtype: Any = np.int64) -> TensorProto:
    """An initializer."""
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def made(
    nodes: Sequence[NodeProto],
    constants: Sequence[TensorProto],
    inputs: Mapping[str, Sequence[Any] | None],
    outputs: Sequence[str],
    opset: int = OPSET,
) -> ModelProto:
    """A model; inputs are float32 of the given shapes, of None of any."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        list(constants),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    constants: Sequence[TensorProto],
    inputs: Mapping[str, Sequence[Any]],
    outputs: Sequence[str],
    opset: int = OPSET,
) -> Path:
    """Write a model; arguments are those of :func:`made`."""
    onnx.save(made(nodes, constants, inputs, outputs, opset), path)
    return path


def save_lstm(path: Path, arrays: Mapping[str, np.ndarray], **attributes: Any) -> Path:
    """A model that is one LSTM node: x [T, N, I] -> lstm_y."""
    node, constants = lstm(arrays, **attributes)
    return save(path, [node], constants, {"x": ["T", "N", arrays["W"].shape[-1]]}, ["lstm_y", "lstm_yh", "lstm_yc"])


def branch(name: str, nodes: Sequence[NodeProto], outputs: Sequence[str], constants: Sequence[TensorProto] = ()) -> Any:
    """A graph for an If."""
    values = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None) for output in outputs]
    return helper.make_graph(list(nodes), name, [], values, list(constants))
