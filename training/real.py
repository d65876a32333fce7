"""Back from integers to real weights: what a quantised network stands for."""

from __future__ import annotations

import numpy as np

from lstmith.compiler.quantise.encode import RESULT_FRAC, row_scale
from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork
from lstmith.spec.config import H_FRAC, EngineConfig
from lstmith.spec.quantised import QuantLayer, QuantNetwork


def real_network(network: QuantNetwork, config: EngineConfig, names: list[str]) -> FloatNetwork:
    """The float network whose quantisation with the same scales is ``network``.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
        The requantiser's width counts.
    names : list of str
        Of the layers.

    Notes
    -----
    The initial state is zero. Compiling the result anew chooses scales and formats afresh and rounds again.
    """
    layers = zip(network.layers, names, strict=True)
    return FloatNetwork(tuple(real_layer(layer, config, name) for layer, name in layers))


def real_layer(layer: QuantLayer, config: EngineConfig, name: str) -> FloatLayer:
    """One layer of :func:`real_network`."""
    weights = layer.weights * weight_steps(layer, config)
    peep: FloatArray | None = None
    if layer.peep is not None:
        peep = layer.peep.astype(np.float64) * 2.0 ** float(layer.c_frac - layer.peep_shift - RESULT_FRAC)
    return FloatLayer(
        name=name,
        w_ih=np.ascontiguousarray(weights[:, : layer.inputs]),
        w_hh=np.ascontiguousarray(weights[:, layer.inputs :]),
        bias=((layer.bias - 1) * 2.0**-RESULT_FRAC).astype(np.float64),
        peep=peep,
    )


def real_weights(layer: FloatLayer) -> FloatArray:
    """All weights of a layer as the engine has them beside each other, float64 [4H, I + H]."""
    return np.concatenate([layer.w_ih, layer.w_hh], axis=1).astype(np.float64)


def weight_steps(layer: QuantLayer, config: EngineConfig) -> FloatArray:
    """Real value of one LSB of each weight, float64 [4H, I + H]."""
    steps: FloatArray = row_scale(layer, config.requant_width)[:, None] / operand_steps(layer)
    return steps


def operand_steps(layer: QuantLayer) -> FloatArray:
    """Real value of one LSB of each column's operand, float64 [I + H]."""
    x_step = layer.x_lsb * 2.0 ** (layer.x_grid.shift - layer.x_grid.exponent)
    h_step = 2.0 ** (layer.h_grid.shift - H_FRAC)
    return np.repeat([x_step, h_step], [layer.inputs, layer.units])
