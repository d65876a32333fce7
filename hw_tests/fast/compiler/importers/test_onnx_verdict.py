"""What a graph makes of a last layer: comparisons that are closed or open, and the largest of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

from lstmith.compiler.importers.onnx_graph import Scope
from lstmith.compiler.importers.onnx_verdict import HeadVerdict, find_verdict
from lstmith.spec.codes import Verdict
from lstmith.test_support.graphs.nodes import const, made

H, LIMIT = 4, 0.25


def _found(nodes: list[NodeProto]) -> tuple[HeadVerdict | None, dict[str, str]]:
    """Of ``rows``, [T, N, H], on the way to ``y``."""
    model = made(nodes, [const("limit", LIMIT, np.float32)], {"rows": ["T", "N", H]}, ["y"])
    return find_verdict(model, Scope(model.graph), "rows", -1, H, [(3, 2), (1, 1)])


@pytest.mark.parametrize(
    ("op", "mirrored", "verdict", "equal_is_above"),
    [
        ("Greater", False, Verdict.THRESHOLD, False),
        ("GreaterOrEqual", False, Verdict.THRESHOLD, True),
        ("Less", False, Verdict.AT_MOST, True),
        ("LessOrEqual", False, Verdict.AT_MOST, False),
        ("Greater", True, Verdict.AT_MOST, True),
        ("LessOrEqual", True, Verdict.THRESHOLD, True),
    ],
)
def test_an_equal_value_counts_as_the_graph_says(
    op: str, mirrored: bool, verdict: Verdict, equal_is_above: bool
) -> None:
    """Above its threshold is more than it: one that is closed lies a hair below."""
    found, _ = _found([helper.make_node(op, ["limit", "rows"] if mirrored else ["rows", "limit"], ["y"])])
    assert found is not None
    assert (found.verdict, found.reads) == (verdict, "rows")
    assert (found.threshold < LIMIT) == equal_is_above
    assert found.threshold == pytest.approx(LIMIT, abs=1e-12)


@pytest.mark.parametrize("before", ["Softmax", "LogSoftmax", "Relu"])
@pytest.mark.parametrize("axis", [None, -1, 2, 1])
def test_the_largest_value_is_the_same_behind_a_softmax(before: str, axis: int | None) -> None:
    """A Softmax lies along the last axis unless it says another; along another one it changes which is the largest."""
    attributes: dict[str, Any] = {} if axis is None or before == "Relu" else {"axis": axis}
    nodes = [
        helper.make_node(before, ["rows"], ["shown"], **attributes),
        helper.make_node("ArgMax", ["shown"], ["y"], axis=-1, keepdims=0),
    ]
    found, refused = _found(nodes)
    if before == "Relu" or axis == 1:
        assert found is None
        assert set(refused) == {"y"}
    else:
        assert found == HeadVerdict(Verdict.ARGMAX, 0.0, "rows", -1, "y", keeps=False)


def test_the_largest_along_another_axis_is_no_verdict() -> None:
    assert _found([helper.make_node("ArgMax", ["rows"], ["y"], axis=1)])[0] is None
