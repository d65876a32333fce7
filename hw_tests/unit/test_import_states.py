"""Constant initial states of ONNX models: used, or refused with shape or value."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler.importers.importer import load_model
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import save_lstm, weights


@pytest.mark.parametrize("shape", [(1, 6), (1, 1, 6)])
@pytest.mark.parametrize("field", ["initial_h", "initial_c"])
def test_constant_state_with_and_without_sequences(
    tmp_path: Path, rng: np.random.Generator, field: str, shape: tuple[int, ...]
) -> None:
    """[directions, H] is the state of every sequence, as [directions, 1, H] is."""
    state = rng.uniform(-1, 1, 6).astype(np.float32)
    layer = load_model(save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6) | {field: state.reshape(shape)})).layers[0]
    found = {"initial_h": layer.h0, "initial_c": layer.c0}
    np.testing.assert_array_equal(found.pop(field), state.astype(np.float64))
    assert found.popitem()[1] is None


@pytest.mark.parametrize("shape", [(6,), (1, 5), (1, 1, 3), (1, 1, 1, 6)])
def test_constant_state_of_another_shape(tmp_path: Path, rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    arrays = weights(rng, 4, 6) | {"initial_c": np.ones(shape, np.float32)}
    message = f"initial_c is constant of shape {list(shape)}, not [1, .., 6]; export the model with initial states of 6"
    with pytest.raises(UserError, match=re.escape(message)):
        load_model(save_lstm(tmp_path / "m.onnx", arrays))


def test_constant_h_beyond_one(tmp_path: Path, rng: np.random.Generator) -> None:
    state = np.array([[[0.5, -1.75, 0, 0, 1, -1]]], np.float32)
    with pytest.raises(UserError, match=r"its constant initial h of unit 1 is -1\.75; keep initial h within -1\.\.1"):
        load_model(save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6) | {"initial_h": state}))
    state[0, 0, 1] = -1.0
    layer = load_model(save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6) | {"initial_h": state})).layers[0]
    np.testing.assert_array_equal(layer.h0, state.ravel())
