"""Weights of recurrent nodes: shapes that the standard does not have are refused, field by field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from lstmith.compiler.importers.onnx_import import only_network
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import save_lstm, weights


@pytest.mark.parametrize(
    ("field", "wanted"), [("W", "[1, .., ..]"), ("R", "[1, .., ..]"), ("B", "[1, ..]"), ("P", "[1, ..]")]
)
@pytest.mark.parametrize("flat", [False, True])
def test_every_array_has_its_directions(
    field: str, wanted: str, flat: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Two directions of a node that has one, or none at all."""
    arrays = weights(rng, 2, 3, peepholes=True)
    arrays[field] = arrays[field][0] if flat else np.concatenate([arrays[field]] * 2)
    model = onnx.load(save_lstm(tmp_path / "model.onnx", arrays, hidden_size=3))
    with pytest.raises(UserError) as refused:
        only_network(model, "model.onnx")
    assert f"{field} has shape {list(arrays[field].shape)}, not {wanted}" in str(refused.value)
