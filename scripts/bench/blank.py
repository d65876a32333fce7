"""Networks and dense runs without numbers in them, for benches that only need sizes and cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmith.golden.activity import MAIN, LayerTrace
from lstmith.golden.breakdown import CycleBreakdown
from lstmith.golden.cycles import CycleModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

_GRID = Grid(8, -128, 127, 0)


def blank_network(shapes: Sequence[tuple[int, int]], precision: int = 8) -> QuantNetwork:
    """A stack of layers whose weights are all zero, and take no memory here.

    Parameters
    ----------
    shapes : sequence of (units, inputs)
    precision : int
        Bits of a weight.
    """
    layers = []
    for units, inputs in shapes:
        rows = np.broadcast_to(np.zeros(1, dtype=np.int64), (4 * units,))
        weights = np.broadcast_to(np.zeros(1, dtype=np.int64), (4 * units, units + inputs))
        layers.append(QuantLayer(precision, weights, rows, rows, rows, _GRID, _GRID, 8, 1.0))
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
    Account
        From the third step on all steps are the same, but the last ones of two sequences.
    """
    traces = [_dense_trace(layer, config, steps, sequences) for layer in network.layers]
    return CycleModel(network, config).breakdown(traces)


def _dense_trace(layer: QuantLayer, config: EngineConfig, steps: int, sequences: int) -> LayerTrace:
    trace = LayerTrace.empty(layer, sequences, steps, config.folds(layer.units))
    trace.x_class[:] = MAIN
    # At a sequence's start h is zero, and not listed.
    trace.h_class[:, 1:] = MAIN
    trace.fold_precisions[:] = layer.precision
    trace.restart[:] = True
    return trace
