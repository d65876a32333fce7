"""Bounds of what onnxruntime may take to compute a graph's constants."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from lstmith.compiler.runtime import bounded_options, limited, ort

MEGABYTE = 1 << 20


def _filled(size: int) -> np.ndarray:
    """As many bytes as are asked for, made by a graph."""
    node = helper.make_node("ConstantOfShape", ["n"], ["y"])
    given = [helper.make_tensor_value_info("n", TensorProto.INT64, [1])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])]
    graph = helper.make_graph([node], "filled", given, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), bounded_options(), providers=["CPUExecutionProvider"])
    with limited(30.0) as options:
        found: np.ndarray = session.run(None, {"n": np.array([size // 4], dtype=np.int64)}, options)[0]
    return found


def test_memory_is_bounded() -> None:
    """All constants of a graph together take a quarter of a gigabyte at most."""
    assert _filled(64 * MEGABYTE).nbytes == 64 * MEGABYTE
    with pytest.raises(Exception, match=r"memory|arena|allocate"):
        _filled(300 * MEGABYTE)
