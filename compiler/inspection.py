"""What is in a model, what of it would run where, and which boards could hold it, before anything is compiled."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lstmith.boards.board import Board
from lstmith.boards.catalogue import BOARDS
from lstmith.compiler.importers.importer import Model, ModelSource, read_model
from lstmith.compiler.sizing.early import refuse_early
from lstmith.compiler.sizing.estimate import weight_granule, weight_memories
from lstmith.compiler.symbols import chosen_columns
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.codes import Kind
from lstmith.spec.config import PRECISIONS
from lstmith.spec.errors import UserError


def inspect_model(model: ModelSource, layer: str | None = None, *, head: bool = False) -> dict[str, Any]:
    """Describe a model: what ``lstmith inspect`` prints.

    Parameters
    ----------
    model : str, Path, mapping or ModelProto
        See :func:`.importer.read_model`.
    layer : str, optional
        Of several recurrent layers, the only one to run on the core.
    head : bool
        Whether dense layers of a graph behind recurrent ones run on the core too.

    Returns
    -------
    dict
        JSON values: ``source``; ``inputs``, ``state_inputs`` (name to shape) and ``outputs`` of the graph;
        ``placement`` of every node; ``stages`` in the order they run; ``programs`` with their layers, ``parameters``
        and ``weight_bits`` by precision; ``boards``, for each precision whether the weights fit, or why not;
        ``remarks``.

    Raises
    ------
    UserError
        If the model cannot be read, or core and host could not run it.
    """
    read = read_model(model, layer, head=head)
    graph = read.plan
    symbols = [] if graph is None else chosen_columns(read, read_model(model, layer, symbols=True))
    return {
        "source": read.source,
        "inputs": {} if graph is None else {name: graph.shape_of(name) for name in graph.inputs},
        "state_inputs": {} if graph is None else {name: graph.shape_of(name) for name in graph.state_inputs},
        "outputs": [] if graph is None else list(graph.outputs),
        "placement": _placement(read),
        "stages": [] if graph is None else [asdict(stage) for stage in graph.stages],
        "programs": [_program(network) for network in read.networks],
        "boards": {board.name: _fit(read, board) for board in BOARDS},
        "remarks": [*read.remarks, *(f"given the graph's inputs by name, {text}" for text in symbols)],
    }


def _placement(read: Model) -> list[dict[str, str]]:
    if read.plan is not None:
        return read.plan.placement_figures
    return [
        {"node": layer.name, "op": layer.kind.name, "where": "core", "why": f"layer {index} of program 0"}
        for index, layer in enumerate(read.network.layers)
    ]


def _program(network: FloatNetwork) -> dict[str, Any]:
    layers = [
        {
            "name": layer.name,
            "kind": layer.kind.name,
            "inputs": layer.inputs,
            "units": layer.units,
            "parameters": _parameters(layer),
        }
        for layer in network.layers
    ]
    weights = _weights(network)
    return {
        "layers": layers,
        "parameters": sum(_parameters(layer) for layer in network.layers),
        "weight_bits": {str(bits): weights * bits for bits in PRECISIONS},
    }


def _weights(network: FloatNetwork) -> int:
    """Weights that the core holds."""
    return sum(layer.w_ih.size + layer.w_hh.size for layer in network.layers)


def _parameters(layer: FloatLayer) -> int:
    """Trained values: weights, one bias per row, peepholes; of a GRU without the rows that are zero by its form."""
    zeros = layer.units * (layer.inputs + layer.units) if layer.kind is Kind.GRU else 0
    peep = 0 if layer.peep is None else layer.peep.size
    return layer.w_ih.size + layer.w_hh.size + layer.bias.size + peep - zeros


def _fit(read: Model, board: Board) -> dict[str, str]:
    """For each precision ``fits``, or why not: all programs lie in one memory."""
    layers = [layer for network in read.networks for layer in network.layers]
    # Only sizes count here; the widest input is the engine's.
    every = FloatNetwork(tuple(sorted(layers, key=lambda layer: -layer.inputs)))
    weights, found = sum(_weights(network) for network in read.networks), {}
    for bits in PRECISIONS:
        found[str(bits)] = "fits"
        if bits not in board.precisions:
            found[str(bits)] = "not supported"
            continue
        memory = weight_memories(board) * weight_granule(board) * 16
        if weights * bits > memory:  # told at once: sizing a large network takes long
            found[str(bits)] = f"{board.name} has {memory} bits for weights and the network needs {weights * bits}"
            continue
        try:
            # One lane wastes least of the memory, so what it cannot hold, no engine can.
            refuse_early(every, board, precision=bits, mac="auto", lanes=1)
        except UserError as error:
            found[str(bits)] = error.problem
        except ValueError as error:
            found[str(bits)] = str(error)
    return found
