"""Dense layers of a graph: which products are layers, and which follow one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

from lstmith.compiler.importers.onnx_dense import DenseReader
from lstmith.compiler.importers.onnx_graph import Scope
from lstmith.test_support.graphs.nodes import const, made

K, H = 3, 4


def _reader(nodes: list[NodeProto], shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> DenseReader:
    """A graph from x to y with constants of such shapes."""
    constants = [const(name, rng.normal(size=shape), np.float32) for name, shape in shapes.items()]
    model = made(nodes, constants, {"x": None}, ["y"])
    return DenseReader(model, Scope(model.graph), "model.onnx")


@pytest.mark.parametrize(
    ("kernel", "attributes", "is_product"),
    [
        ((K, H, 1), {}, True),
        ((K, H, 3), {}, False),
        ((K, H, 1, 1), {}, False),
        ((K, H, 1), {"pads": [1, 1]}, False),
        ((K, H, 1), {"strides": [2]}, False),
        ((K, H // 2, 1), {"group": 2}, False),
    ],
)
def test_a_kernel_of_one_step_is_a_product(
    kernel: tuple[int, ...], attributes: dict[str, Any], is_product: bool, rng: np.random.Generator
) -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)
    found = list(_reader([node], {"w": kernel, "b": (K,)}, rng).products())
    assert len(found) == is_product
    for product in found:
        assert (product.weights.shape, product.axis, product.rank) == ((K, H), 1, 3)


@pytest.mark.parametrize(("swapped", "layers"), [(False, 2), (True, 1)])
def test_a_chain_is_products_of_what_the_one_before_writes(
    swapped: bool, layers: int, rng: np.random.Generator
) -> None:
    """A product with the rows on its other side is none of them."""
    inputs = ["other", "hidden"] if swapped else ["hidden", "w1"]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["product"]),
        helper.make_node("Relu", ["product"], ["hidden"]),
        helper.make_node("Identity", ["x"], ["other"]),
        helper.make_node("MatMul", inputs, ["y"]),
    ]
    reader = _reader(nodes, {"w0": (H, K), "w1": (K, 2)}, rng)
    chain = reader.chain(next(reader.products()))
    assert [layer.units for layer in chain.layers] == [K, 2][:layers]
    assert chain.writes == ("hidden", "y")[:layers]
