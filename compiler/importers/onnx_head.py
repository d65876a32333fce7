"""Dense layers behind a recurrent ONNX node: products with constants and their functions, as layers of its chain."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.checks import float_array
from lstmith.compiler.importers.onnx_graph import Array, Piece, Scope, attribute, cut, fold, label, reads, run_piece
from lstmith.compiler.importers.onnx_site import Y_C, Y_H, Y
from lstmith.compiler.importers.onnx_verdict import HeadVerdict, find_verdict, whole_rows
from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.codes import Kind, Squash

#: Steps and sequences to try, and of one step per call.
_PROBES = ((3, 2), (3, 1), (1, 2), (1, 1))
#: Most conditions of Ifs on the way whose values are tried.
_CONDITIONS = 4
_SQUASHES = {"Relu": Squash.RELU, "Sigmoid": Squash.SIGMOID, "Tanh": Squash.TANH}


@dataclass(frozen=True)
class Head:
    """Dense layers that follow a recurrent node.

    Parameters
    ----------
    reads : str
        Value that the first product reads: rows of the node's h, moved but not changed, or through a ReLU.
    axis : int
        Where a row's units lie in it, and in all values that the layers write.
    layers : tuple of FloatLayer
    writes : tuple of str
        What the graph calls their results.
    inner : mapping of str to str
        Values between a layer's product and its result, and that result.
    verdict : HeadVerdict or None
        What the graph makes of the last layer, if the core can.
    refused : mapping of str to str
        Why other nodes are no verdict, by what they write.
    """

    reads: str
    axis: int
    layers: tuple[FloatLayer, ...]
    writes: tuple[str, ...]
    inner: Mapping[str, str]
    verdict: HeadVerdict | None
    refused: Mapping[str, str]

    @property
    def values(self) -> tuple[str, ...]:
        """What the core gives the graph: results of the layers, and the verdict."""
        return self.writes if self.verdict is None else (*self.writes, self.verdict.writes)


@dataclass(frozen=True)
class _Rows:
    """Rows of h that arrived whole: the shape of the value without their units, and whether a ReLU changed them."""

    lead: tuple[int, ...]
    rectified: bool


@dataclass(frozen=True)
class _Product:
    """A product with constant weights, [K, H], its bias, [K], its value, and the value behind the addition.

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


def find_head(
    model: ModelProto, scope: Scope, node: NodeProto, units: int, where: str, *, batch_first: bool
) -> Head | None:
    """The only chain of dense layers that reads rows of ``node``'s h; None if there is none, or more than one.

    Parameters
    ----------
    model : ModelProto
        The flat graph.
    scope : Scope
    node : NodeProto
        A recurrent node of one direction and full lengths.
    units : int
        Its H.
    where : str
        The node, for messages.
    batch_first : bool
        Its layout.
    """
    return _Finder(model, scope, node, units, where, batch_first).head()


class _Finder:
    def __init__(
        self, model: ModelProto, scope: Scope, node: NodeProto, units: int, where: str, batch_first: bool
    ) -> None:
        self._model, self._scope, self._node = model, scope, node
        self._units, self._where, self._batch_first = units, where, batch_first
        self._outputs = {value.name for value in model.graph.output}

    def head(self) -> Head | None:
        found = [
            (product, rows)
            for item in self._scope.nodes
            if (product := self._product(item, self._units)) is not None and (rows := self._rows(product))
        ]
        if len(found) != 1:
            return None
        [(product, rows)] = found
        source, axis = product.reads, product.axis
        layers: list[FloatLayer] = []
        writes: list[str] = []
        inner: dict[str, str] = {}
        following: _Product | None = product
        while following is not None and following.axis == axis:
            squash, value = self._function(following.value)
            units = len(following.bias)
            layers.append(
                FloatLayer(
                    following.name,
                    following.weights,
                    np.zeros((units, 0)),
                    following.bias,
                    kind=Kind.DENSE,
                    squash=squash,
                )
            )
            writes.append(value)
            inner |= dict.fromkeys((following.product, following.value), value)
            reader = self._only_reader(value)
            following = None if reader is None or reader.input[0] != value else self._product(reader, units)
        if rows[0].rectified:
            layers[0] = replace(layers[0], rectified=True)
            _, before = self._scope.find(source)
            if isinstance(before, NodeProto) and before.op_type == "Relu":
                inner[source] = writes[0]
        units = layers[-1].units
        leads = [each.lead for each in rows]
        verdict, refused = find_verdict(self._model, self._scope, writes[-1], axis, units, leads)
        if verdict is not None:
            layers[-1] = replace(layers[-1], verdict=verdict.verdict, threshold=verdict.threshold)
        return Head(source, axis, tuple(layers), tuple(writes), inner, verdict, refused)

    def _product(self, node: NodeProto, units: int) -> _Product | None:
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
        if weights is None or bias is None or weights.shape[1] != units or bias.size not in (1, len(weights)):
            return None
        value = node.output[0]
        added, after = self._added(value, len(weights)) if axis == -1 else (None, value)
        whole = bias.ravel() + (0 if added is None else added)
        return _Product(
            label(node),
            node.input[0],
            float_array(self._where, f"{label(node)!r} weights", weights),
            float_array(self._where, f"{label(node)!r} bias", np.broadcast_to(whole, len(weights))),
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
        found = [node for node in self._scope.nodes if value in reads(node)]
        return found[0] if len(found) == 1 and value not in self._outputs else None

    def _constant(self, name: str) -> Array | None:
        return fold(self._model, self._scope, name)

    def _rows(self, product: _Product) -> list[_Rows]:
        """How whole rows of the node's h arrive where a product reads them; empty if they do not.

        What moves them is not interpreted: it is run on numbers. Branches that other values choose are all tried; those
        whose result the product could not read are none that the graph takes.
        """
        conditions = self._conditions()
        piece = cut(self._scope, [product.reads], lambda _, each: each in self._node.output or each in conditions)
        sources = [each for each in piece.inputs if each not in conditions and each not in self._node.output[Y_C:]]
        chosen = [each for each in piece.inputs if each in conditions]
        if len(sources) != 1 or sources[0] not in self._node.output[: Y_H + 1] or len(chosen) > _CONDITIONS:
            return []
        tried = [
            self._moved(piece, product, sources[0], probe, dict(zip(chosen, map(np.array, values), strict=True)))
            for probe in _PROBES
            for values in itertools.product((False, True), repeat=len(chosen))
        ]
        # A graph of fixed sizes takes one of the probes.
        found = [rows for rows in tried if rows]
        return [] if False in tried or len({rows.rectified for rows in found}) > 1 else found

    def _conditions(self) -> set[str]:
        """What Ifs test that is not computed from the node's h alone."""
        tested = {node.input[0] for node in self._scope.nodes if node.op_type == "If"}
        own = set(self._node.output)
        return {name for name in tested if not set(cut(self._scope, [name], lambda _, each: each in own).inputs) <= own}

    def _moved(
        self, piece: Piece, product: _Product, source: str, probe: tuple[int, int], given: dict[str, Array]
    ) -> _Rows | Literal[False] | None:
        """How rows arrive; False if they do not arrive whole, None if nothing arrives that the product could read."""
        steps, sequences = probe
        count = steps * sequences if source == self._node.output[Y] else sequences
        rows = np.random.default_rng(0).standard_normal((count, self._units)).astype(np.float32)
        places = np.repeat(np.arange(count, dtype=np.float32)[:, None], self._units, axis=1)
        # An If may carry c beside h: no number of c may arrive.
        nothing = np.full((sequences, self._units), np.nan, dtype=np.float32)
        given |= {each: self._written(nothing, probe, each) for each in piece.inputs if each in self._node.output[Y_C:]}
        arrived = [
            run_piece(self._model, piece, [product.reads], {**given, source: self._written(values, probe, source)})
            for values in (rows, places)
        ]
        if arrived[0] is None or arrived[1] is None:
            return None
        [values], [order] = arrived[0], arrived[1]
        if product.rank not in (0, values.ndim):
            return None
        for rectified in (False, True):
            wanted = np.maximum(rows, 0) if rectified else rows
            if whole_rows(values, order, wanted, product.axis):
                return _Rows(np.moveaxis(values, product.axis, -1).shape[:-1], rectified)
        return False

    def _written(self, rows: Array, probe: tuple[int, int], source: str) -> Array:
        """Rows as the node would write them: Y or Y_h, in its layout."""
        steps, sequences = probe
        shape: tuple[int, ...]
        if source == self._node.output[Y]:
            shape = (sequences, steps, 1) if self._batch_first else (steps, 1, sequences)
        else:
            shape = (sequences, 1) if self._batch_first else (1, sequences)
        return rows.reshape(*shape, self._units)
