"""Units in the order of their importance, and active counts: a network that also runs with its first units alone.

After dynamic state reduction in AxLSTM (Sen and Raghunathan, TCAD 2018).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.encode import RESULT_FRAC, encode_h, row_scale
from lstmith.golden.encoder import BoolArray
from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork, run_float
from lstmith.spec.codes import Kind
from lstmith.spec.config import ACTIVE_COUNTS, BIAS_BITS
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

Permutations = list[npt.NDArray[np.intp]]


def parse_counts(text: str, network: FloatNetwork, *, skims: bool = False) -> list[tuple[int, ...]]:
    """Active counts per layer from ``96,64`` (all layers) or ``96,64/48,32`` (each); a network that skims has one.

    Raises
    ------
    UserError
        If a layer is no LSTM, a count is no number, not below the layer's units, not descending, or there are too many.
    """
    if other := next((layer for layer in network.layers if layer.kind is not Kind.LSTM), None):
        problem = f"is {text!r}, but layer {other.name!r} is of kind {other.kind.name}"
        raise UserError("option --active", problem, "leave it out; only networks of LSTM layers have active counts")
    parts = text.split("/")
    if len(parts) not in (1, len(network.layers)):
        raise UserError("option --active", f"is {text!r}", f"give counts once or for all {len(network.layers)} layers")
    parts = parts * (len(network.layers) // len(parts))
    found = []
    for part, layer in zip(parts, network.layers, strict=True):
        try:
            counts = tuple(int(count) for count in part.split(","))
        except ValueError:
            raise UserError("option --active", f"is {text!r}", "give numbers such as 96,64") from None
        if list(counts) != sorted(set(counts), reverse=True) or not 0 < counts[-1] <= counts[0] < layer.units:
            fix = f"give descending counts between 1 and {layer.units - 1} for layer {layer.name!r}"
            raise UserError("option --active", f"is {text!r}", fix)
        found.append(counts)
    if len({len(counts) for counts in found}) != 1 or len(found[0]) >= ACTIVE_COUNTS:
        raise UserError(
            "option --active", f"is {text!r}", f"give each layer the same number of counts, at most {ACTIVE_COUNTS - 1}"
        )
    if skims and len(found[0]) > 1:
        raise UserError("option --active", f"is {text!r} with --skim", "give the one count of a step that skims")
    return found


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
    layers, before = [], np.arange(network.layers[0].inputs)
    for layer, order in zip(network.layers, permutations, strict=True):
        layers.append(_permuted(layer, before, order))
        before = order
    return FloatNetwork(tuple(layers)), permutations


def order_on(network: FloatNetwork, calibration: Calibration) -> tuple[FloatNetwork, Permutations]:
    """:func:`ordered` by importance on calibration data."""
    return ordered(network, importance(network, *_checked(network, calibration)))


def mean_h(network: FloatNetwork, calibration: Calibration) -> list[FloatArray]:
    """Mean of every layer's h on calibration data: per layer float64 [H]."""
    x, valid = _checked(network, calibration)
    trace = run_float(network, x)
    return [h[valid].mean(axis=0) for h in trace.h]


def with_counts(
    network: QuantNetwork,
    requant_width: int,
    counts: list[tuple[int, ...]],
    means: list[FloatArray],
    permutations: Permutations | None = None,
) -> QuantNetwork:
    """The network with active counts, whose dropped units count as their means.

    Parameters
    ----------
    network : QuantNetwork
        Units in the order of their importance.
    requant_width : int
        Width of the requantiser's multiplier operand.
    counts : list of tuple of int
        Per layer, descending, each below H; as many for every layer.
    means : list of float64 [H]
        Of each layer's h.
    permutations : list of int [H] or None
        The units' places in the source network.

    Notes
    -----
    At a count, what the rows of a layer would read from dropped units, its own and those of the layer before, is
    constant and moves into the bias.
    """
    idle = [encode_h(mean) for mean in means]
    layers: list[QuantLayer] = []
    for index, (layer, active) in enumerate(zip(network.layers, counts, strict=True)):
        biases = []
        for place, count in enumerate(active):
            operands = np.zeros(layer.inputs + layer.units)
            operands[layer.inputs + count :] = idle[index][count:] * 2.0**-layer.h_grid.shift
            if index:
                first = counts[index - 1][place]
                step = 2.0 ** (layer.x_grid.exponent - layer.x_grid.shift)
                operands[first : layer.inputs] = idle[index - 1][first:] * step
            biases.append(_moved(layer, requant_width, operands))
        layers.append(
            replace(
                layer,
                counts=active,
                reduced_bias=np.array(biases, dtype=np.int64).reshape(len(active), -1),
                idle_h=idle[index],
                order=None if permutations is None else permutations[index].astype(np.int64),
            )
        )
    return replace(network, layers=tuple(layers))


def with_skim(network: QuantNetwork, counts: list[tuple[int, ...]], permutations: Permutations) -> QuantNetwork:
    """The network with steps that skim: they compute so many units, and leave the others as they are.

    Parameters
    ----------
    network : QuantNetwork
        Units in the order of their importance.
    counts : list of (int,)
        Per layer, below H.
    permutations : list of int [H]
        The units' places in the source network.
    """
    layers = zip(network.layers, counts, permutations, strict=True)
    return replace(
        network,
        layers=tuple(
            replace(layer, counts=count, skims=True, order=order.astype(np.int64)) for layer, count, order in layers
        ),
    )


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


def _moved(layer: QuantLayer, requant_width: int, operands: FloatArray) -> IntArray:
    """Bias with a constant part of the sums in it, int64 [4H]."""
    added = (layer.weights @ operands) * row_scale(layer, requant_width) * (1 << RESULT_FRAC)
    limit = 1 << (BIAS_BITS - 1)
    return np.clip(layer.bias + np.rint(added).astype(np.int64), -limit, limit - 1)


def _checked(network: FloatNetwork, calibration: Calibration) -> tuple[FloatArray, BoolArray]:
    """Inputs, float64 [N, T, I], and the steps that exist, bool [N, T]."""
    x, lengths = calibration.checked(network)
    return x, np.arange(x.shape[1]) < lengths[:, None]
