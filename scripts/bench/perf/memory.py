"""How well weight memory is used: bits of weights, of the words that hold them, and of the memory there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.compiler.sizing.size import held_bits, most_planes, size_engine
from lstmith.scripts.bench.blank import blank_network
from lstmith.spec.errors import UserError
from lstmith.workloads.catalogue import NAMES, load

PRECISION = 8
BOARDS = (DEFAULT, "icebreaker")


def run_memory() -> dict[str, Any]:
    """Figures of every workload's networks at 8 bit, with the lanes the compiler chooses, as JSON values by title.

    Networks of the same shape count once, and boards that a network does not fit are left out.
    """
    found: dict[str, Any] = {}
    for workload in NAMES:
        shapes = {
            tuple((layer.units, layer.inputs) for layer in network.layers): name
            for name, network in reversed(load(workload).networks.items())
        }
        for shape, name in reversed(shapes.items()):
            title = workload if len(shapes) == 1 else f"{workload}, {name}"
            for board in BOARDS:
                figures = memory_figures(shape, board)
                if figures is not None:
                    found[f"{title}, {find_board(board).title}"] = figures
    return found


def memory_figures(shapes: Sequence[tuple[int, int]], board: str) -> dict[str, Any] | None:
    """Weight memory of a stack of layers, each (units, inputs), on a board; None if it does not fit."""
    found = find_board(board)
    network = blank_network(shapes, PRECISION, most_planes(found, delta=True))
    try:
        config, report = size_engine(network, found)
    except UserError:
        return None
    weights = held_bits(network)
    return {
        "lanes": config.lanes,
        "weight_bits": weights,
        "word_bits": report.weight_bits,
        "waste": 1 - weights / report.weight_bits,
        "memory_bits": report.memory_bits,
        "used": report.weight_bits / report.memory_bits,
    }
