"""Units in the order of their importance, and active counts: a network that also runs with its first units alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lstmith.golden.config import BIAS_BITS, EngineConfig
from lstmith.golden.encoder import BoolArray
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork, run_float
from lstmith.golden.policy import Mode, Policy
from lstmith.golden.quantised import IntArray, QuantLayer, QuantNetwork

from .cell import RESULT_FRAC, row_scale
from .data import Sequences

Permutations = list[npt.NDArray[np.intp]]


def importance(
    network: FloatNetwork, x: FloatArray, valid: BoolArray, head: FloatArray | None = None
) -> list[FloatArray]:
    """What is lost, to first order, if a unit's h is replaced by its mean.

    Parameters
    ----------
    network : FloatNetwork
    x : float64 [N, T, I]
    valid : bool [N, T]
        Steps that exist.
    head : float64 [K, H] or None
        Weights that read the last layer's h.

    Returns
    -------
    list of float64 [H], one per layer
        Standard deviation of h times the length of all weights that read it (recurrent, next layer's, head's):
        the root mean square of what the sums after it would miss.
    """
    trace, found = run_float(network, x), []
    for index, layer in enumerate(network.layers):
        readers = [layer.w_hh]
        if index + 1 < len(network.layers):
            readers.append(network.layers[index + 1].w_ih)
        elif head is not None:
            readers.append(head)
        spread = trace.h[index][valid].std(axis=0)
        found.append(spread * np.sqrt(sum((weights**2).sum(axis=0) for weights in readers)))
    return found


def ordered(network: FloatNetwork, values: list[FloatArray]) -> tuple[FloatNetwork, Permutations]:
    """The same network with the most important units first.

    Parameters
    ----------
    network : FloatNetwork
    values : list of float64 [H]
        Importance of each layer's units.

    Returns
    -------
    network : FloatNetwork
    permutations : list of int [H]
        Old index of each new unit, per layer; a head [K, H] that reads the last layer becomes
        ``head[:, permutations[-1]]``.
    """
    permutations = [np.argsort(-each, kind="stable") for each in values]
    layers, before = [], np.arange(network.inputs)
    for layer, order in zip(network.layers, permutations, strict=True):
        layers.append(_permuted(layer, before, order))
        before = order
    return FloatNetwork(tuple(layers)), permutations


def _permuted(layer: FloatLayer, inputs: npt.NDArray[np.intp], order: npt.NDArray[np.intp]) -> FloatLayer:
    rows = np.concatenate([gate * layer.units + order for gate in range(4)])
    return replace(
        layer,
        w_ih=layer.w_ih[np.ix_(rows, inputs)],
        w_hh=layer.w_hh[np.ix_(rows, order)],
        bias=layer.bias[rows],
        peep=None if layer.peep is None else layer.peep[:, order],
        h0=None if layer.h0 is None else layer.h0[order],
        c0=None if layer.c0 is None else layer.c0[order],
    )


def mean_h(network: QuantNetwork, config: EngineConfig, data: Sequences) -> list[FloatArray]:
    """Mean of every layer's h over the steps that exist, with all units: per layer float64 [H], Q1.15."""
    traces = GoldenModel(network, config).run(data.x, [Policy(Mode.DENSE)] * len(network.layers))
    return [trace.h[data.valid].mean(axis=0) for trace in traces]


def with_counts(
    network: QuantNetwork, config: EngineConfig, counts: list[tuple[int, ...]], means: list[FloatArray]
) -> QuantNetwork:
    """The network with active counts, whose dropped units count as their means.

    Parameters
    ----------
    network : QuantNetwork
        Units in the order of their importance.
    config : EngineConfig
    counts : list of tuple of int
        Per layer, descending, each below H; as many for every layer.
    means : list of float64 [H]
        Of each layer's h, Q1.15, as :func:`mean_h` gives them.

    Notes
    -----
    At a count, what the rows of a layer would read from dropped units, its own and those of the layer before, is
    constant and moves into the bias.
    """
    layers: list[QuantLayer] = []
    for index, (layer, active) in enumerate(zip(network.layers, counts, strict=True)):
        biases = []
        for place, count in enumerate(active):
            operands = np.zeros(layer.inputs + layer.units)
            operands[layer.inputs + count :] = means[index][count:] * 2.0**-layer.h_grid.shift
            if index:
                first = counts[index - 1][place]
                step = 2.0 ** (layer.x_grid.exponent - layer.x_grid.shift)
                operands[first : layer.inputs] = means[index - 1][first:] * step
            biases.append(_moved(layer, config, operands))
        layers.append(
            replace(
                layer,
                counts=active,
                reduced_bias=np.array(biases, dtype=np.int64).reshape(len(active), -1),
                idle_h=np.rint(means[index]).astype(np.int64),
            )
        )
    return replace(network, layers=tuple(layers))


def _moved(layer: QuantLayer, config: EngineConfig, operands: FloatArray) -> IntArray:
    """Bias with a constant part of the sums in it, int64 [4H]."""
    added = (layer.weights @ operands) * row_scale(layer, config) * (1 << RESULT_FRAC)
    limit = 1 << (BIAS_BITS - 1)
    return np.clip(layer.bias + np.rint(added).astype(np.int64), -limit, limit - 1)
