"""Dense layers of an ONNX graph: products with constants and their functions, one behind the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.checks import float_array
from lstmith.compiler.importers.onnx_graph import Array, Scope, attribute, fold, label, reads
from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.codes import Kind, Squash

_SQUASHES = {"Relu": Squash.RELU, "Sigmoid": Squash.SIGMOID, "Tanh": Squash.TANH}


@dataclass(frozen=True)
class Product:
    """A product with constant weights, [K, I], its bias, [K], its value, and the value behind the addition.

    It reads rows along ``axis`` of a value with ``rank`` axes; 0 is any number of them.
    """

    name: str
    reads: str
    weights: FloatArray
    bias: FloatArray
    axis: int
    rank: int
    product: str
    value: str


@dataclass(frozen=True)
class DenseChain:
    """Dense layers of which each reads the whole of the one before.

    Parameters
    ----------
    reads : str
        Value that the first product reads.
    axis : int
        Where a row lies in it, and in all values that the layers write.
    rank : int
        Its axes; 0 is any number of them.
    layers : tuple of FloatLayer
    writes : tuple of str
        What the graph calls their results.
    inner : dict of str to str
        Values between a layer's product and its result, and that result.
    """

    reads: str
    axis: int
    rank: int
    layers: tuple[FloatLayer, ...]
    writes: tuple[str, ...]
    inner: dict[str, str]


class DenseReader:
    """Finds dense layers in a graph.

    Parameters
    ----------
    model : ModelProto
        The flat graph.
    scope : Scope
    source : str
        The file, for messages.
    """

    def __init__(self, model: ModelProto, scope: Scope, source: str) -> None:
        self.model, self.scope, self._source = model, scope, source
        self._outputs = {value.name for value in model.graph.output}

    def products(self, units: int | None = None) -> Iterator[Product]:
        """All products in the order of the graph, or those of rows of so many values."""
        for node in self.scope.nodes:
            found = self._product(node, units)
            if found is not None:
                yield found

    def chain(self, product: Product) -> DenseChain:
        """The layer that a product begins, and those that follow it directly."""
        axis = product.axis
        layers: list[FloatLayer] = []
        writes: list[str] = []
        inner: dict[str, str] = {}
        following: Product | None = product
        while following is not None and following.axis == axis:
            squash, value = self._function(following.value)
            units = len(following.bias)
            nothing = np.zeros((units, 0))
            layers.append(
                FloatLayer(following.name, following.weights, nothing, following.bias, kind=Kind.DENSE, squash=squash)
            )
            writes.append(value)
            inner |= dict.fromkeys((following.product, following.value), value)
            reader = self._only_reader(value)
            following = None if reader is None or reader.input[0] != value else self._product(reader, units)
        return DenseChain(product.reads, axis, product.rank, tuple(layers), tuple(writes), inner)

    def _product(self, node: NodeProto, units: int | None) -> Product | None:
        """The node as a product of rows of so many units with constants, and an addition of constants behind it."""
        if node.op_type not in ("MatMul", "Gemm", "Conv") or len(node.input) < 2:
            return None
        weights, axis = self._constant(node.input[1]), -1
        if weights is None or self._constant(node.input[0]) is not None:
            return None
        bias = self._constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
        if node.op_type == "MatMul":
            weights = weights.T if weights.ndim == 2 else None
        elif node.op_type == "Gemm":
            weights = None if attribute(node, "transA", 0) else weights if attribute(node, "transB", 0) else weights.T
            weights = None if weights is None else weights * attribute(node, "alpha", 1.0)
            bias = None if bias is None else bias * attribute(node, "beta", 1.0)
        else:  # a kernel of one step over [N, H, T]: the same product at every step
            plain = (
                weights.ndim == 3
                and weights.shape[2] == 1
                and attribute(node, "group", 1) == 1
                and list(attribute(node, "strides", [1])) == [1]
                and not any(attribute(node, "pads", [0]))
            )
            weights, axis = weights[:, :, 0] if plain else None, 1
        if (
            weights is None
            or bias is None
            or units not in (None, weights.shape[1])
            or bias.size not in (1, len(weights))
        ):
            return None
        value = node.output[0]
        added, after = self._added(value, len(weights)) if axis == -1 else (None, value)
        whole = bias.ravel() + (0 if added is None else added)
        return Product(
            label(node),
            node.input[0],
            float_array(self._source, f"{label(node)!r} weights", weights),
            float_array(self._source, f"{label(node)!r} bias", np.broadcast_to(whole, len(weights))),
            axis,
            {"MatMul": 0, "Gemm": 2, "Conv": 3}[node.op_type],
            value,
            after,
        )

    def _added(self, value: str, units: int) -> tuple[Array | None, str]:
        """A constant that is added to every row, and the value after it."""
        reader = self._only_reader(value)
        if reader is None or reader.op_type != "Add":
            return None, value
        [other] = [name for name in reader.input if name != value] or [""]
        constant = self._constant(other) if other else None
        if constant is None or constant.size not in (1, units) or constant.shape[-1:] != (constant.size,):
            return None, value
        return constant.ravel(), reader.output[0]

    def _function(self, value: str) -> tuple[Squash, str]:
        """The function behind a product, and the value after it."""
        reader = self._only_reader(value)
        if reader is None or reader.op_type not in _SQUASHES:
            return Squash.LINEAR, value
        return _SQUASHES[reader.op_type], reader.output[0]

    def _only_reader(self, value: str) -> NodeProto | None:
        """The node that reads a value, if nothing else does."""
        found = [node for node in self.scope.nodes if value in reads(node)]
        return found[0] if len(found) == 1 and value not in self._outputs else None

    def _constant(self, name: str) -> Array | None:
        return fold(self.model, self.scope, name)
