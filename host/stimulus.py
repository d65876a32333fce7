"""The input that cores and devices are verified with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.spec.quantised import QuantNetwork

#: Most elements and steps.
ELEMENTS, STEPS = 512, 16
_SEED = 1


def random_steps(rng: np.random.Generator, network: QuantNetwork, steps: int) -> npt.NDArray[np.int16]:
    """Inputs from all that a stream may hold, int16 [steps, I]: any values, or any of the network's symbols."""
    low, high = (0, network.symbols) if network.symbols else (-(1 << 15), 1 << 15)
    return rng.integers(low, high, (steps, network.inputs)).astype(np.int16)


def changing_steps(rng: np.random.Generator, network: QuantNetwork, steps: int) -> npt.NDArray[np.int16]:
    """Inputs over the grid's whole range, int16 [steps, I], of which about half change per step; or any symbols."""
    if network.symbols:
        return random_steps(rng, network, steps)
    grid = network.layers[0].x_grid
    span = np.iinfo(np.int16)
    low, high = max(grid.low << grid.shift, span.min), min(grid.high << grid.shift, span.max)
    x = rng.integers(low, high + 1, (steps, network.inputs))
    for t in range(1, steps):
        x[t] = np.where(rng.random(network.inputs) < 0.5, x[t - 1], x[t])
    x[rng.random(x.shape) < 0.25] = 0
    return x.astype(np.int16)


def record(network: QuantNetwork) -> npt.NDArray[np.int16]:
    """The sequence that a device is verified with, int16 [T, I]: the same every time."""
    steps = min(STEPS, max(2, ELEMENTS // network.inputs))
    return changing_steps(np.random.default_rng(_SEED), network, steps)
