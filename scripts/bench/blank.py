"""Networks without numbers in them, for benches that only need sizes and cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

_GRID = Grid(8, -128, 127, 0)


def blank_network(shapes: Sequence[tuple[int, int]], precision: int = 8, planes: int = 1) -> QuantNetwork:
    """A stack of layers whose weights are all zero, and take no memory here.

    Parameters
    ----------
    shapes : sequence of (units, inputs)
    precision : int
        Bits of a weight.
    planes : int
        Digit planes of the engine.
    """
    # Four bits are one digit.
    layers, held = [], planes if precision > 4 else 1
    for units, inputs in shapes:
        rows = np.broadcast_to(np.zeros(1, dtype=np.int64), (4 * units,))
        weights = np.broadcast_to(np.zeros(1, dtype=np.int64), (4 * units, units + inputs))
        layers.append(QuantLayer(precision, weights, rows, rows, rows, _GRID, _GRID, 8, 1.0, planes=held))
    return QuantNetwork(tuple(layers))
