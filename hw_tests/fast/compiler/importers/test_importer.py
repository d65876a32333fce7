"""Graphs that core and host cannot share: their only chain of layers is compiled alone, and that is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lstmith.compiler.importers.importer import read_model
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import const, lstm, made, weights

WIDTH, UNITS = 2, 3


def _looped(path: Path, rng: np.random.Generator, **attributes: Any) -> Path:
    """An LSTM in the body of a Loop."""
    arrays = weights(rng, WIDTH, UNITS, directions=2 if attributes else 1)
    node, constants = lstm(arrays, **attributes)
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["on"]), node],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("lstm_y", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["turns", "yes"], ["y"], body=body)
    constants += [const("turns", 2), const("yes", True, np.bool_)]
    onnx.save(made([loop], constants, {"x": ["T", "N", WIDTH]}, ["y"]), path)
    return path


def test_layers_in_a_loop_are_compiled_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    model = read_model(_looped(tmp_path / "m.onnx", rng))
    assert model.plan is None
    assert (model.network.inputs, model.network.layers[0].units) == (WIDTH, UNITS)
    assert "runs inside Loop" in "".join(model.remarks)


def test_two_directions_in_a_loop_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    """There is no single chain that could be compiled alone."""
    with pytest.raises(UserError, match="runs inside Loop"):
        read_model(_looped(tmp_path / "m.onnx", rng, direction="bidirectional"))


def test_with_a_head_nothing_is_left_out(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(UserError):
        read_model(_looped(tmp_path / "m.onnx", rng), head=True)
