"""The recording that a self-test plays, and what the golden model makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmith.golden.config import EngineConfig
from lstmith.golden.model import GoldenModel
from lstmith.golden.policy import Policy
from lstmith.golden.quantised import QuantNetwork
from lstmith.rtl.selftest import Recording, digest

#: Input elements that fit two block memories of an iCE40.
ELEMENTS = 512
#: Most steps of a recording.
STEPS = 16
_SEED = 1


def record(network: QuantNetwork, config: EngineConfig, policies: Sequence[Policy]) -> Recording:
    """A recording over the whole input range, in which about half of the values change per step.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    policies : sequence of Policy, one per layer
    """
    rng = np.random.default_rng(_SEED)
    steps = min(STEPS, max(2, ELEMENTS // network.inputs))
    grid = network.layers[0].x_grid
    span = np.iinfo(np.int16)
    low, high = max(grid.low << grid.shift, span.min), min(grid.high << grid.shift, span.max)
    x = rng.integers(low, high + 1, (steps, network.inputs))
    for t in range(1, steps):
        x[t] = np.where(rng.random(network.inputs) < 0.5, x[t - 1], x[t])
    x[rng.random(x.shape) < 0.25] = 0
    stream = x.astype(np.int16)
    last = GoldenModel(network, config).run(stream[None], list(policies))[-1]
    return Recording(stream, last.h[0].size, digest(last.h[0], last.c[0]))
