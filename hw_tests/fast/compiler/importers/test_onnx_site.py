"""Recurrent nodes of a graph: whether their lengths are the whole of X."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lstmith.compiler.importers.onnx_site import find_sites, full_length
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

STEPS, SEQUENCES, WIDTH = 5, 2, 4


@pytest.mark.parametrize(
    ("layout", "lengths", "full"),
    [
        (0, None, True),
        (0, [STEPS, STEPS], True),
        (0, [STEPS, STEPS - 1], False),
        (1, [STEPS, STEPS], True),
        (1, [SEQUENCES, SEQUENCES], False),
    ],
)
def test_lengths_are_compared_with_steps(
    layout: int, lengths: Any, full: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Where the sequences come first, the steps are X's second axis."""
    inputs = {} if lengths is None else {"sequence_lens": "lengths"}
    node, constants = lstm(weights(rng, WIDTH, 3), inputs=inputs, layout=layout)
    constants += [] if lengths is None else [const("lengths", lengths, np.int32)]
    shape = [SEQUENCES, STEPS, WIDTH] if layout else [STEPS, SEQUENCES, WIDTH]
    [site] = find_sites(onnx.load(save(tmp_path / "m.onnx", [node], constants, {"x": shape}, ["lstm_y"])), "m.onnx")
    assert full_length(site) == full
