"""Scopes and shapes of a graph: what a node reads from around it, and what Shape returns."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from lstmith.compiler.importers.onnx_graph import Scope, reads, scope_shape
from lstmith.test_support.graphs.nodes import branch, const


def test_a_node_reads_nothing_of_its_branches() -> None:
    """Constants of a branch and values that it makes are its own; what it takes from around it is read."""
    inside = [
        helper.make_node("Add", ["outer", "own"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["result"]),
    ]
    graph = branch("then", inside, ["result"], [const("own", [1.0], np.float32)])
    node = helper.make_node("If", ["condition"], ["y"], then_branch=graph, else_branch=graph)
    assert reads(node) == ["condition", "outer"]


def test_the_shape_of_a_value_is_told_from_its_first_axis_on() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, "N", 4])
    nodes = [
        helper.make_node("Shape", ["x"], ["all"]),
        helper.make_node("Shape", ["x"], ["some"], start=1, end=2),
        helper.make_node("Shape", ["unknown"], ["none"]),
    ]
    scope = Scope(helper.make_graph(nodes, "graph", [x], []))
    assert [scope_shape(scope, node) for node in nodes] == [(2, None, 4), (None,), None]
