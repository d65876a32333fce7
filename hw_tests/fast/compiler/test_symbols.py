"""Embeddings of a few numbers: `x` of one number per step names symbols, unless the layer takes one number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from lstmith.compiler.importers.importer import read_model
from lstmith.compiler.options import CompileOptions
from lstmith.compiler.symbols import with_symbols
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

COUNT, UNITS = 7, 3


@pytest.mark.parametrize(("width", "symbols"), [(1, False), (2, True), (3, True)])
def test_numbers_name_columns_of_an_embedding(
    width: int, symbols: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    node, constants = lstm(weights(rng, width, UNITS), x="rows")
    nodes = [
        helper.make_node("Cast", ["given"], ["numbers"], to=7),
        helper.make_node("Gather", ["table", "numbers"], ["rows"]),
        node,
    ]
    constants += [const("table", rng.normal(size=(COUNT, width)), np.float32)]
    path = save(tmp_path / "m.onnx", nodes, constants, {"given": ["T", "N"]}, ["lstm_y"])
    x = rng.integers(0, COUNT, (2, 20, 1)).astype(np.float32)
    found = with_symbols(read_model(path), path, None, {"x": x}, CompileOptions())
    assert found.network.symbols == (COUNT if symbols else 0)
