"""Dense layers behind a recurrent ONNX node: products with constants and their functions, as layers of its chain."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from onnx import NodeProto

from lstmith.compiler.importers.onnx_dense import DenseChain, DenseReader, Product
from lstmith.compiler.importers.onnx_graph import Array, Piece, Scope, cut, run_piece
from lstmith.compiler.importers.onnx_site import Y_C, Y_H, Y
from lstmith.compiler.importers.onnx_verdict import HeadVerdict, find_verdict, whole_rows
from lstmith.golden.network import FloatLayer

#: Steps and sequences to try, and of one step per call.
_PROBES = ((3, 2), (3, 1), (1, 2), (1, 1))
#: Most conditions of Ifs on the way whose values are tried.
_CONDITIONS = 4
#: Sizes to try of axes that vary.
_SIZES = (3, 2)


@dataclass(frozen=True)
class Head:
    """Dense layers behind recurrent nodes.

    Parameters
    ----------
    reads : str
        Value that the first product reads. Of layers that join a node's chain these are rows of its h, moved but not
        changed, or through a ReLU.
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


def find_head(reader: DenseReader, node: NodeProto, units: int, *, batch_first: bool) -> Head | None:
    """The only chain of dense layers that reads rows of ``node``'s h; None if there is none, or more than one.

    Parameters
    ----------
    reader : DenseReader
    node : NodeProto
        A recurrent node of one direction and full lengths.
    units : int
        Its H.
    batch_first : bool
        Its layout.
    """
    return _Finder(reader, node, units, batch_first).head()


def find_heads(reader: DenseReader, behind: Callable[[str], bool], taken: Container[str]) -> list[Head]:
    """All other chains of dense layers behind recurrent nodes, whatever rows they read.

    Parameters
    ----------
    reader : DenseReader
    behind : callable
        Whether a value depends on a recurrent node.
    taken : container of str
        Values inside of the heads that there are.
    """
    found: list[Head] = []
    inner = set[str]()
    for product in reader.products():
        if product.product not in taken and product.product not in inner and behind(product.reads):
            chain = reader.chain(product)
            inner |= set(chain.inner)
            found.append(_judged(reader, chain, _leads(reader.scope, chain)))
    return found


def _judged(reader: DenseReader, chain: DenseChain, leads: Sequence[tuple[int, ...]]) -> Head:
    """The chain with the verdict of its last layer; ``leads`` are shapes to try of all axes but that of a row."""
    *others, last = chain.layers
    verdict, refused = find_verdict(reader.model, reader.scope, chain.writes[-1], chain.axis, last.units, leads)
    if verdict is not None:
        last = replace(last, verdict=verdict.verdict, threshold=verdict.threshold)
    return Head(chain.reads, chain.axis, (*others, last), chain.writes, chain.inner, verdict, refused)


def _leads(scope: Scope, chain: DenseChain) -> list[tuple[int, ...]]:
    """Shapes that rows may have, without the axis along which they lie."""
    known = scope.shape_of(chain.writes[-1])
    shapes = [known] if known is not None else [(None,) * rank for rank in ((chain.rank,) if chain.rank else (2, 3))]
    found = []
    for shape in shapes:
        lead = [size for index, size in enumerate(shape) if index != chain.axis % len(shape)]
        sizes = itertools.cycle(_SIZES)
        found += [tuple(next(sizes) if size is None else size for size in lead), tuple(size or 1 for size in lead)]
    return list(dict.fromkeys(found))


class _Finder:
    def __init__(self, reader: DenseReader, node: NodeProto, units: int, batch_first: bool) -> None:
        self._reader, self._model, self._scope = reader, reader.model, reader.scope
        self._node, self._units, self._batch_first = node, units, batch_first

    def head(self) -> Head | None:
        found = [(product, rows) for product in self._reader.products(self._units) if (rows := self._rows(product))]
        if len(found) != 1:
            return None
        [(product, rows)] = found
        chain = self._reader.chain(product)
        if rows[0].rectified:
            first, *others = chain.layers
            chain = replace(chain, layers=(replace(first, rectified=True), *others))
            _, before = self._scope.find(chain.reads)
            if isinstance(before, NodeProto) and before.op_type == "Relu":
                chain.inner[chain.reads] = chain.writes[0]
        return _judged(self._reader, chain, [each.lead for each in rows])

    def _rows(self, product: Product) -> list[_Rows]:
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
        self, piece: Piece, product: Product, source: str, probe: tuple[int, int], given: dict[str, Array]
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
