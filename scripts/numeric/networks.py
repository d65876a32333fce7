"""Random networks with inputs to calibrate on and others to judge by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_tests.unit.wild_networks import wild
from lstmith.compiler.importers.npz_import import from_arrays
from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork

#: Groups of networks: one scale of at most 3 and inputs of about unit size; anything; three layers with peepholes
#: whose cell states reach beyond 100.
GROUPS = ("ordinary", "wild", "deep peepholes")
_UNITS, _INPUTS, _LAYERS, _SEQUENCES, _STEPS = 16, 6, 3, 4, 200


@dataclass(frozen=True)
class Case:
    """A network with inputs.

    Attributes
    ----------
    name : str
    group : str
        One of ``GROUPS``.
    network : FloatNetwork
    calibration, x : float64 [N, T, I]
    """

    name: str
    group: str
    network: FloatNetwork
    calibration: FloatArray
    x: FloatArray


def wild_case(seed: int) -> Case:
    """A network of the tests of numbers, with fresh inputs of the same kind."""
    found, rng = wild(seed), np.random.default_rng([seed, 302])
    group = "ordinary" if found.ordinary else "wild"
    network = from_arrays(f"network {seed}", found.arrays)
    return Case(f"{seed}, {found.kind}", group, network, found.x(rng), found.x(rng))


def deep_case(seed: int) -> Case:
    """Forget gates that are nearly open, so that cell states add up what 200 steps bring."""
    rng = np.random.default_rng([seed, 303])
    layers = []
    for index in range(_LAYERS):
        width = _INPUTS if index == 0 else _UNITS
        bias = rng.normal(0, 0.5, 4 * _UNITS)
        bias[:_UNITS] += 2
        bias[_UNITS : 2 * _UNITS] += 8
        peep = rng.normal(0, 0.3, (3, _UNITS))
        peep[1] = np.abs(peep[1]) / 10
        w_ih = rng.normal(0, 1 / np.sqrt(width), (4 * _UNITS, width))
        w_hh = rng.normal(0, 1 / np.sqrt(_UNITS), (4 * _UNITS, _UNITS))
        layers.append(FloatLayer(f"layer{index}", w_ih, w_hh, bias, peep=peep))

    def x() -> FloatArray:
        return 0.3 * np.cumsum(rng.normal(0, 0.3, (_SEQUENCES, _STEPS, _INPUTS)), axis=1)

    return Case(f"{seed}", GROUPS[2], FloatNetwork(tuple(layers)), x(), x())
