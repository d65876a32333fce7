"""Embeddings in front of a layer: which tables are found, and on what shapes they are tried."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from lstmith.compiler.importers.onnx_graph import Scope
from lstmith.compiler.importers.onnx_symbols import SIDE_BY_SIDE, _shapes, find_symbols
from lstmith.test_support.graphs.nodes import const, made

COUNT, WIDTH = 10, 4


@pytest.mark.parametrize(
    ("declared", "shapes"),
    [
        (None, [(SIDE_BY_SIDE, 5)]),
        ((None, None), [(SIDE_BY_SIDE, 5)]),
        ((7, 2), [(7, 2)]),
        ((5, None), [(5, 3), (SIDE_BY_SIDE, 5)]),
        ((None, 9), [(SIDE_BY_SIDE, 9)]),
        ((None, None, None), []),
    ],
)
def test_one_run_holds_every_symbol_where_sizes_are_open(
    declared: tuple[int | None, ...] | None, shapes: list[tuple[int, int]]
) -> None:
    assert list(_shapes(declared, COUNT)) == shapes
    assert all(0 in (declared or (0,)) or None not in (declared or (None,)) or a * b >= COUNT for a, b in shapes)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_table_is_found_behind_what_moves_its_rows(swapped: bool, rng: np.random.Generator) -> None:
    table = rng.normal(size=(COUNT, WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["given"], ["numbers"], to=7),
        helper.make_node("Gather", ["table", "numbers"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["x"], perm=[1, 0, 2] if swapped else [0, 1, 2]),
    ]
    model = made(nodes, [const("table", table, np.float32)], {"given": ["T", "N"]}, ["x"])
    found = find_symbols(model, Scope(model.graph), "x")
    assert found is not None
    assert (found.name, found.swapped) == ("numbers", swapped)
    assert np.array_equal(found.table, table)


def test_what_depends_on_the_step_before_is_no_table(rng: np.random.Generator) -> None:
    """Rows that are added up along the steps are not those of their own symbols."""
    nodes = [
        helper.make_node("Cast", ["given"], ["numbers"], to=7),
        helper.make_node("Gather", ["table", "numbers"], ["rows"]),
        helper.make_node("CumSum", ["rows", "axis"], ["x"]),
    ]
    constants = [const("table", rng.normal(size=(COUNT, WIDTH)), np.float32), const("axis", 0)]
    model = made(nodes, constants, {"given": ["T", "N"]}, ["x"])
    assert find_symbols(model, Scope(model.graph), "x") is None
