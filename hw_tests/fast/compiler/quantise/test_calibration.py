"""What a profile says of a first layer that reads symbols."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw_tests.unit.networks import random_network
from lstmith.compiler.quantise.calibration import Calibration, profile
from lstmith.golden.network import FloatNetwork


def test_a_symbol_is_one_column_that_counts_once(rng: np.random.Generator) -> None:
    network = random_network(rng, 4, 7)
    symbols = FloatNetwork((replace(network.layers[0], symbols=True),))
    found = profile(symbols, Calibration(rng.integers(3, 6, (2, 30, 1)).astype(np.float64)))
    assert (found.x_low[0], found.x_high[0]) == (0.0, 1.0)
