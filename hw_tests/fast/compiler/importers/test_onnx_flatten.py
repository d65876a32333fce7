"""Which values another one is put together from, if nothing is computed on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from lstmith.compiler.importers.onnx_flatten import moved_from
from lstmith.compiler.importers.onnx_graph import Scope
from lstmith.test_support.graphs.nodes import const, made

NOTHING = helper.make_node("Mul", ["x", "zero"], ["nothing"])


@pytest.mark.parametrize(
    ("op", "inputs", "sources"),
    [
        ("Identity", ["y"], {"y"}),
        ("Add", ["y", "nothing"], {"y"}),
        ("Add", ["nothing", "y"], {"y"}),
        ("Sub", ["y", "nothing"], {"y"}),
        ("Sub", ["nothing", "y"], None),
        ("Add", ["y", "z"], None),
        ("Add", ["nothing", "x"], None),
        ("Concat", ["y", "z"], {"y", "z"}),
        ("Concat", ["y", "nothing"], {"y"}),
        ("Concat", ["y", "x"], None),
        ("Relu", ["y"], None),
    ],
)
def test_what_a_value_is_put_together_from(op: str, inputs: list[str], sources: set[str] | None) -> None:
    """Exporters add zero times an input to keep the input alive."""
    options: dict[str, Any] = {"axis": 0} if op == "Concat" else {}
    node = helper.make_node(op, inputs, ["out"], **options)
    model = made([NOTHING, node], [const("zero", 0.0, np.float32)], {name: ["N"] for name in "xyz"}, ["out"])
    assert moved_from(model, Scope(model.graph), "out", {"y", "z"}) == sources
