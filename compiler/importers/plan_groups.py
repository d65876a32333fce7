"""What of a graph runs on an engine between two host parts: recurrent nodes, or dense layers alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onnx import NodeProto

from lstmith.compiler.importers.onnx_head import Head
from lstmith.compiler.importers.onnx_import import OnnxNetwork
from lstmith.compiler.importers.onnx_rows import RowsOfH, Written
from lstmith.compiler.importers.onnx_site import INITIAL_C, INITIAL_H, SEQUENCE_LENS, Y_C, X, Y, full_length
from lstmith.compiler.importers.onnx_symbols import SymbolInput
from lstmith.compiler.importers.plan import DENSE, Stage
from lstmith.golden.network import FloatNetwork
from lstmith.spec.codes import Squash, Verdict

#: The name of a value that is computed; empty of a constant or of nothing.
ValueOf = Callable[[NodeProto, int], str]


@dataclass
class RecurrentGroup:
    """A chosen network: its nodes in the flat graph, and where it stands among the groups.

    Parameters
    ----------
    network : OnnxNetwork
    nodes : list of NodeProto
    index : int
        Its place in the order of groups.
    symbols : SymbolInput or None
        Symbols that it reads.
    head : Head or None
        Dense layers at the end of its chain.
    """

    network: OnnxNetwork
    nodes: list[NodeProto]
    index: int = 0
    symbols: SymbolInput | None = None
    head: Head | None = None

    @property
    def networks(self) -> tuple[FloatNetwork, ...]:
        """What it runs, for each direction."""
        found = self.network.networks
        if self.symbols is not None:
            found = tuple(map(self.symbols.folded, found))
        dense = () if self.head is None else self.head.layers
        return tuple(FloatNetwork((*network.layers, *dense)) for network in found)

    @property
    def where(self) -> str:
        """Its first node, for messages."""
        return self.network.sites[0].where

    @property
    def ready(self) -> str:
        """A value of the node at whose place everything that it reads is known."""
        return next(name for name in self.nodes[-1].output if name)

    @property
    def writes(self) -> list[str]:
        """Every value that it gives the graph."""
        own = [name for node in self.nodes for name in node.output if name]
        return [*own, *(self.head.values if self.head else ())]

    @property
    def units(self) -> int:
        """H of its last recurrent layer."""
        return self.network.networks[0].layers[-1].units

    @property
    def one_direction(self) -> bool:
        """Whether every step of a sequence has a whole row of h in one direction."""
        return len(self.network.sites[0].directions) == 1 and full_length(self.network.sites[0])

    @property
    def written(self) -> dict[str, Written | None]:
        """Its values; those that are h within -1..1 with their shape."""
        found: dict[str, Written | None] = dict.fromkeys(self.writes)
        for node, site, layer in zip(self.nodes, self.network.sites, self.network.networks[0].layers, strict=True):
            if layer.squash is Squash.TANH:
                for position in range(Y, Y_C):
                    if name := _output(node, position):
                        found[name] = Written(len(site.directions), layer.units, position > Y, site.batch_first)
        return found

    def stage(self, direction: int, network: FloatNetwork, program: int, state: ValueOf) -> Stage:
        """One direction of it; ``state`` tells which initial states are computed."""
        sites, nodes, dense = self.network.sites, self.nodes, self.head.layers if self.head else ()
        directions = sites[0].directions
        return Stage(
            name=network.layers[0].name,
            program=program,
            layers=(*(site.name for site in sites), *(layer.name for layer in dense)),
            kind=sites[0].node.op_type,
            units=network.layers[-1].units,
            x=nodes[0].input[X] if self.symbols is None else self.symbols.name,
            reverse=directions[direction],
            direction=direction,
            directions=len(directions),
            lengths="" if full_length(sites[0]) else nodes[0].input[SEQUENCE_LENS],
            states=(
                *((state(node, INITIAL_H), state(node, INITIAL_C)) for node in nodes),
                *[("", "")] * len(dense),
            ),
            outputs=(
                *((_output(node, Y), _output(node, Y + 1), _output(node, Y_C)) for node in nodes),
                *_written(self.head),
            ),
            batch_first=sites[0].batch_first,
            symbols=network.symbols,
            swapped=self.symbols is not None and self.symbols.swapped,
            **_of_head(self.head),
        )


@dataclass
class DenseGroup:
    """Dense layers behind recurrent ones that are a program of their own: each row that they read is a step.

    Parameters
    ----------
    head : Head
    source : str
        The file, for messages.
    rows : RowsOfH
        What the first layer reads.
    index : int
        Its place in the order of groups.
    """

    head: Head
    source: str
    rows: RowsOfH
    index: int = 0

    @property
    def networks(self) -> tuple[FloatNetwork, ...]:
        """The one chain that it runs."""
        return (FloatNetwork(self.head.layers),)

    @property
    def where(self) -> str:
        """Its first node, for messages."""
        return f"{self.source}: dense layer {self.head.layers[0].name!r}"

    @property
    def ready(self) -> str:
        """A value of the node at whose place everything that it reads is known."""
        return next(iter(self.head.inner))

    @property
    def writes(self) -> list[str]:
        """Every value that it gives the graph."""
        return list(self.head.values)

    def stage(self, direction: int, network: FloatNetwork, program: int, state: ValueOf) -> Stage:
        """The only one; it has no states."""
        names = tuple(layer.name for layer in self.head.layers)
        return Stage(
            name=names[0],
            program=program,
            layers=names,
            kind=DENSE,
            units=network.layers[-1].units,
            x=self.head.reads,
            reverse=False,
            direction=direction,
            directions=1,
            lengths="",
            states=(("", ""),) * len(names),
            outputs=_written(self.head),
            batch_first=False,
            moved=self.rows.moved,
            time=self.rows.time,
            **_of_head(self.head),
        )


Group = RecurrentGroup | DenseGroup


def _written(head: Head | None) -> tuple[tuple[str, str, str], ...]:
    return tuple((name, "", "") for name in (head.writes if head else ()))


def _of_head(head: Head | None) -> dict[str, Any]:
    """Fields of a stage that tell of its dense layers."""
    if head is None:
        return {}
    verdict = head.verdict
    found: dict[str, Any] = {"dense": len(head.layers), "head": head.reads, "head_axis": head.axis}
    if verdict is not None:
        found |= {
            "verdict": verdict.writes,
            "judged": verdict.reads,
            "judged_axis": verdict.axis,
            "picks": verdict.verdict is Verdict.ARGMAX,
            "keeps": verdict.keeps,
        }
    return found


def _output(node: NodeProto, position: int) -> str:
    return str(node.output[position]) if position < len(node.output) else ""
