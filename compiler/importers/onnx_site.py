"""Recurrent nodes of an ONNX graph and the scopes they stand in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.onnx_graph import STANDARD_DOMAINS, Scope, attribute, fold, fresh, label

#: Positions of a node's inputs and outputs; a GRU and an RNN have those up to INITIAL_H and Y_H.
X, W, R, B, SEQUENCE_LENS, INITIAL_H, INITIAL_C, P = range(8)
Y, Y_H, Y_C = range(3)

#: Two sizes that stand for every dimension that varies: what comes out the same for both depends on neither.
PROBES = (2, 3)

#: Operators of the recurrent nodes.
RECURRENT = ("LSTM", "GRU", "RNN")


@dataclass(frozen=True, eq=False)
class Site:
    """An LSTM, GRU or RNN node and the scope it stands in."""

    model: ModelProto
    scope: Scope
    node: NodeProto
    name: str
    source: str

    @property
    def where(self) -> str:
        """The node, for messages."""
        return f"{self.source}: {self.node.op_type} {self.name!r}"

    @property
    def directions(self) -> tuple[bool, ...]:
        """Whether each direction runs backwards in time, in the order of Y's axis of directions."""
        named = attribute(self.node, "direction", b"forward").decode()
        return {"reverse": (True,), "bidirectional": (False, True)}.get(named, (False,))

    @property
    def batch_first(self) -> bool:
        """Whether X and Y are [N, T, ..] instead of [T, N, ..]."""
        return bool(attribute(self.node, "layout", 0))

    def input(self, position: int) -> str:
        """Name of an input; empty if absent."""
        return self.node.input[position] if position < len(self.node.input) else ""

    def output(self, position: int) -> str:
        """Name of an output; empty if absent."""
        return self.node.output[position] if position < len(self.node.output) else ""

    def branches(self) -> list[Scope]:
        """The nested graphs the node stands in, innermost first, without the main graph."""
        return [scope for scope in self.scope.outwards() if scope.parent is not None]

    def one_step(self) -> bool:
        """Whether the graph shows that X holds exactly one time step."""
        axis = 1 if self.batch_first else 0
        shape = self.scope.shape_of(self.input(X))
        if shape is not None and len(shape) == 3:
            return shape[axis] == 1
        home, producer = self.scope.find(self.input(X))
        if not isinstance(producer, NodeProto) or producer.op_type != "Unsqueeze":
            return False
        axes = attribute(producer, "axes")
        if axes is None:
            folded = fold(self.model, home, producer.input[1])
            axes = [] if folded is None else folded.ravel().tolist()
        return list(axes) == [axis]


def find_sites(model: ModelProto, source: str) -> list[Site]:
    """Every LSTM, GRU and RNN node of the graph and all its branches, with unique names."""
    found = [
        (scope, node)
        for scope in Scope(model.graph).inwards()
        for node in scope.nodes
        if node.op_type in RECURRENT and node.domain in STANDARD_DOMAINS
    ]
    plain = [label(node) for _, node in found]
    names = [
        name if plain.count(name) == 1 else _path_name(scope, name)
        for (scope, _), name in zip(found, plain, strict=True)
    ]
    # Nodes of one graph may share a name; what they write does not.
    told = [
        name if names.count(name) == 1 else _path_name(scope, next(filter(None, node.output), name))
        for (scope, node), name in zip(found, names, strict=True)
    ]
    taken: set[str] = set()
    return [
        Site(model, scope, node, fresh(name, taken), source) for (scope, node), name in zip(found, told, strict=True)
    ]


def _path_name(scope: Scope, name: str) -> str:
    """A name that says in which branches the node stands."""
    steps = [f"{label(s.owner)}:{s.branch}" for s in scope.outwards() if s.owner is not None]
    return "/".join([*reversed(steps), name])


def sizes(site: Site) -> tuple[int | None, int | None]:
    """Input width I and units H for listing; None where W or R cannot be read."""
    w, r = (fold(site.model, site.scope, site.input(position)) for position in (W, R))
    return (w.shape[-1] if w is not None and w.ndim else None, r.shape[-1] if r is not None and r.ndim else None)


def full_length(site: Site) -> bool:
    """Whether sequence_lens is absent or the whole of X, whatever X's size."""
    if not site.input(SEQUENCE_LENS):
        return True
    shape = site.scope.shape_of(site.input(X))
    if shape is None or len(shape) != 3:
        return False
    for probe in PROBES:
        lengths = fold(site.model, site.scope, site.input(SEQUENCE_LENS), probe)
        steps = shape[1 if site.batch_first else 0]
        if lengths is None or not np.all(lengths == (probe if steps is None else steps)):
            return False
    return True
