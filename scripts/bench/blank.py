"""Networks and dense runs without numbers in them, for benches that only need sizes and cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmith.golden.activity import LayerTrace
from lstmith.golden.breakdown import CycleBreakdown
from lstmith.golden.cycles import CycleModel
from lstmith.spec.config import EngineConfig
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


def dense_breakdown(network: QuantNetwork, config: EngineConfig, steps: int, sequences: int = 1) -> CycleBreakdown:
    """What dense steps with waiting inputs spend their cycles on.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
        With one active count.
    steps : int
    sequences : int
        Sequences that the engine takes in turn.

    Returns
    -------
    CycleBreakdown
        From the third step on all steps are the same, but the last ones of two sequences.
    """
    traces = [_dense_trace(layer, config, steps, sequences) for layer in network.layers]
    return CycleModel(network, config).breakdown(traces)


def _dense_trace(layer: QuantLayer, config: EngineConfig, steps: int, sequences: int) -> LayerTrace:
    trace = LayerTrace.empty(layer, sequences, steps, config.folds(layer.units))
    every_plane = (1 << layer.planes) - 1
    trace.x_planes[:] = every_plane
    # At a sequence's start h is zero, and not listed.
    trace.h_planes[:, 1:] = every_plane
    trace.restart[:] = True
    return trace
