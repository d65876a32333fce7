"""Graphs that onnxruntime cannot load: the node that it names is the one that is told."""

from __future__ import annotations

import pytest
from onnx import helper

from lstmith.compiler.importers.parts import check_runnable
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import made


def test_the_node_that_nothing_runs_is_named() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["fine"], name="fine_node"),
        helper.make_node("Unheard", ["fine"], ["y"], name="strange_node", domain="nobody.knows"),
    ]
    model = made(nodes, [], {"x": ["N"]}, ["y"])
    model.opset_import.append(helper.make_opsetid("nobody.knows", 1))
    with pytest.raises(UserError, match="node 'strange_node': is a Unheard, which neither"):
        check_runnable(model, "m.onnx")


def test_a_graph_that_loads_is_not_refused() -> None:
    check_runnable(made([helper.make_node("Relu", ["x"], ["y"])], [], {"x": ["N"]}, ["y"]), "m.onnx")
