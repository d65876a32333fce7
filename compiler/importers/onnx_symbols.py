"""Embeddings in front of a recurrent node: which integers of the graph choose its X, and what each of them chooses.

Nothing is interpreted: the nodes between the integers and X are run on numbers. They may be anything that treats every
step alike: a Gather, a OneHot, products, normalisations, transposes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from onnx import ModelProto, TensorProto

from lstmith.compiler.importers.onnx_graph import Array, Piece, Scope, cut, fold, run_piece
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import SYMBOLS

#: Runs of the nodes that it may take to see every symbol.
RUNS = 64
#: Sequences that they are run on side by side, where the graph leaves that open.
SIDE_BY_SIDE = 3


@dataclass(frozen=True)
class SymbolInput:
    """What stands in for a recurrent node's X.

    Parameters
    ----------
    name : str
        The value that holds the numbers of the symbols.
    swapped : bool
        Whether its axes are X's first two in the other order.
    table : float64 [K, I]
        X of each symbol.
    """

    name: str
    swapped: bool
    table: Array

    def folded(self, network: FloatNetwork) -> FloatNetwork:
        """The network with a column per symbol in place of the table and of the columns of X."""
        first, *others = network.layers
        return FloatNetwork((replace(first, w_ih=first.w_ih @ self.table.T, symbols=True), *others))


def find_symbols(model: ModelProto, scope: Scope, x: str) -> SymbolInput | None:
    """The integers that alone choose X, [T, N, I] or [N, T, I]; None if there are none.

    Parameters
    ----------
    model : ModelProto
    scope : Scope
        The graph around the node.
    x : str
    """
    for name, count in _candidates(model, scope, x):
        piece = _between(scope, name, x)
        if set(piece.inputs) != {name} or not 1 < count <= SYMBOLS:
            continue
        declared = scope.shape_of(name)
        for shape in _shapes(declared, count):
            found = _table(_Probe(model, piece, x, name, _type(scope, name)), shape, count)
            if found is not None:
                return found
    return None


def _between(scope: Scope, name: str, x: str) -> Piece:
    """Everything that X takes beside a value."""
    return cut(scope, [x], lambda _, value: value == name)


def _candidates(model: ModelProto, scope: Scope, x: str) -> Iterator[tuple[str, int]]:
    """Values that choose rows of constant tables on the way to X, and how many rows there are."""
    for node in cut(scope, [x]).nodes:
        if node.op_type == "Gather":
            table = fold(model, scope, node.input[0])
            if table is not None and table.ndim == 2:
                yield node.input[1], len(table)
        elif node.op_type == "OneHot":
            depth = fold(model, scope, node.input[1])
            if depth is not None and depth.size == 1:
                yield node.input[0], int(depth.ravel()[0])


def _type(scope: Scope, name: str) -> type:
    known = scope.type_of(name)
    return np.int32 if known is not None and known.type.tensor_type.elem_type == TensorProto.INT32 else np.int64


def _shapes(declared: tuple[int | None, ...] | None, count: int) -> Iterator[tuple[int, int]]:
    """Shapes to try: one that holds all symbols, and the graph's own where it fixes both sizes."""
    if declared is not None and len(declared) != 2:
        return
    first, second = declared or (None, None)
    yield first or SIDE_BY_SIDE, second or max(2, -(-count // (first or SIDE_BY_SIDE)) + 1)
    if first is not None and second is None:
        yield SIDE_BY_SIDE, -(-count // SIDE_BY_SIDE) + 1


@dataclass(frozen=True)
class _Probe:
    """The nodes between the numbers and X, to be run."""

    model: ModelProto
    piece: Piece
    x: str
    name: str
    kind: type

    def run(self, numbers: Array) -> Array | None:
        found = run_piece(self.model, self.piece, [self.x], {self.name: numbers.astype(self.kind)})
        return None if found is None or found[0].ndim != 3 else found[0]


def _table(probe: _Probe, shape: tuple[int, int], count: int) -> SymbolInput | None:
    """X of each symbol, if X of every step is that of its symbol, wherever it stands and whatever the others are."""
    size = shape[0] * shape[1]
    if -(-count // size) > RUNS:
        return None
    numbers = np.resize(np.arange(count), -(-count // size) * size).reshape(-1, *shape)
    mixed = np.random.default_rng(0).integers(0, count, shape)
    runs = [(each, probe.run(each)) for each in (*numbers, mixed)]
    for swapped in (False, True):
        table: Array | None = None
        for given, found in runs:
            order = given.T if swapped else given
            if found is None or found.shape[:2] != order.shape or not np.isfinite(found).all():
                break
            if table is None:
                table = np.zeros((count, found.shape[2]))
            if given is mixed:
                if np.array_equal(table[order], found):
                    return SymbolInput(probe.name, swapped, table)
            else:
                table[order] = found
    return None
