"""Where rows come from, and which of their places is time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, helper

from lstmith.compiler.importers.onnx_graph import Scope
from lstmith.compiler.importers.onnx_rows import RowsOfH, Written, rows_of_h
from lstmith.test_support.graphs.nodes import const, made

H = 4
Y = Written(directions=1, units=H, last=False, batch_first=False)


def _rows(nodes: list[NodeProto], shape: Sequence[int | str], written: dict[str, Written | None]) -> RowsOfH:
    """Of ``rows``, along its last axis."""
    model = made(nodes, [const("axes", [1])], dict.fromkeys(written, shape), ["rows"])
    return rows_of_h(model, Scope(model.graph), "rows", -1, written)


@pytest.mark.parametrize("shape", [("T", 1, "N", H), (5, 1, 2, H), ("T", 1, 7, H)])
@pytest.mark.parametrize(("turned", "time"), [(False, 0), (True, 1)])
def test_time_is_told_from_sequences(shape: tuple[int | str, ...], turned: bool, time: int) -> None:
    nodes = [helper.make_node("Squeeze", ["y", "axes"], ["flat"])]
    nodes += [helper.make_node("Transpose", ["flat"], ["rows"], perm=[1, 0, 2] if turned else [0, 1, 2])]
    assert _rows(nodes, shape, {"y": Y}) == RowsOfH(moved=True, time=time)


def test_as_many_steps_as_sequences_tell_nothing() -> None:
    nodes = [helper.make_node("Squeeze", ["y", "axes"], ["rows"])]
    assert _rows(nodes, (2, 1, 2, H), {"y": Y}) == RowsOfH(moved=True, time=-1)


def test_rows_that_hold_another_value_are_not_moved() -> None:
    """A cell state beside h: it is no h within -1..1, so the whole is none."""
    nodes = [helper.make_node("Concat", ["y", "c"], ["rows"], axis=0)]
    assert _rows(nodes, ("T", 1, "N", H), {"y": Y, "c": None}) == RowsOfH()


def test_values_that_are_changed_are_not_moved() -> None:
    assert not _rows([helper.make_node("Exp", ["y"], ["rows"])], ("T", 1, "N", H), {"y": Y}).moved


def test_rows_of_no_recurrent_layer() -> None:
    assert _rows([helper.make_node("Identity", ["x"], ["rows"])], ("T", 1, "N", H), {}) == RowsOfH()


def test_constant_rows_are_no_h() -> None:
    """Not even zeros, of which moved rows may have some."""
    nodes = [helper.make_node("Expand", ["nothing", "shape"], ["rows"])]
    model = made(nodes, [const("nothing", 0.0, np.float32), const("shape", [2, H])], {}, ["rows"])
    assert rows_of_h(model, Scope(model.graph), "rows", -1, {"y": Y}) == RowsOfH()
