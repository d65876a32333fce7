"""Groups of a plan: whether every step of a sequence has a whole row of h in one direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lstmith.compiler.importers.onnx_import import choose_networks
from lstmith.compiler.importers.plan_groups import RecurrentGroup
from lstmith.test_support.graphs.nodes import const, lstm, save, weights


@pytest.mark.parametrize(
    ("direction", "lengths", "one"),
    [
        ("forward", None, True),
        ("reverse", None, True),
        ("bidirectional", None, False),
        ("forward", [5, 4], False),
        ("bidirectional", [5, 4], False),
    ],
)
def test_rows_are_whole_in_one_direction(
    direction: str, lengths: Any, one: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    inputs = {} if lengths is None else {"sequence_lens": "lengths"}
    arrays = weights(rng, 2, 3, directions=1 + (direction == "bidirectional"))
    node, constants = lstm(arrays, inputs=inputs, direction=direction)
    constants += [] if lengths is None else [const("lengths", lengths, np.int32)]
    model = onnx.load(save(tmp_path / "m.onnx", [node], constants, {"x": [5, 2, 2]}, ["lstm_y"]))
    [network] = choose_networks(model, "m.onnx", None)
    assert RecurrentGroup(network, [node]).one_direction == one
