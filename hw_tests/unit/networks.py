"""Random float networks and calibration data for the compiler's tests."""

from __future__ import annotations

import numpy as np

from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatLayer, FloatNetwork, run_float
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.policy import Mode, Policy

#: Mean absolute error of h that random networks stay below, by weight bits.
TOLERANCE = {4: 0.05, 8: 0.01, 16: 0.001}


def random_network(
    rng: np.random.Generator, units: int, inputs: int, *, layers: int = 1, peepholes: bool = False
) -> FloatNetwork:
    """A network whose gates neither saturate nor idle."""
    stack = []
    for index in range(layers):
        width = inputs if index == 0 else units
        stack.append(
            FloatLayer(
                name=f"layer{index}",
                w_ih=rng.normal(0, 1 / np.sqrt(width), (4 * units, width)),
                w_hh=rng.normal(0, 1 / np.sqrt(units), (4 * units, units)),
                bias=rng.normal(0, 0.5, 4 * units),
                peep=rng.normal(0, 0.3, (3, units)) if peepholes else None,
            )
        )
    return FloatNetwork(tuple(stack))


def random_layer(
    rng: np.random.Generator, kind: Kind, inputs: int, units: int, squash: Squash = Squash.TANH
) -> FloatLayer:
    """A layer of any kind; a recurrent ReLU stays bounded."""
    rows, recurrent = kind.rows * units, 0 if kind is Kind.DENSE else units
    w_ih = rng.normal(0, 1 / np.sqrt(inputs), (rows, inputs))
    w_hh = rng.normal(0, 0.5 / np.sqrt(units), (rows, recurrent))
    if kind is Kind.GRU:
        w_ih[3 * units :] = 0
        w_hh[2 * units : 3 * units] = 0
    return FloatLayer(kind.name, w_ih, w_hh, rng.normal(0, 0.3, rows), kind=kind, squash=squash)


def random_calibration(
    rng: np.random.Generator, network: FloatNetwork, sequences: int = 4, steps: int = 60, *, positive: bool = False
) -> Calibration:
    """Smooth inputs of about unit size."""
    x = np.cumsum(rng.normal(0, 0.3, (sequences, steps, network.inputs)), axis=1)
    x -= x.mean(axis=1, keepdims=True)
    return Calibration(np.abs(x) if positive else x)


def h_error(network: FloatNetwork, data: Calibration, precision: int, limits: EngineLimits) -> float:
    """Mean error of the last layer's h in golden against float, as a part of its range."""
    quantised = quantise(network, data, precision=[precision], limits=limits).network
    policies = [Policy(Mode.DENSE)] * len(network.layers)
    traces = GoldenModel(quantised, limits.model_config()).run(quantised.quantise_input(data.x), policies)
    exact = run_float(network, np.asarray(data.x, dtype=np.float64))
    last = quantised.layers[-1]
    return float(np.abs(traces[-1].h * last.h_lsb - exact.h[-1]).mean()) / last.h_range
