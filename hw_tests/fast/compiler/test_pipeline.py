"""Compiling a network: the kind of multiplier that was asked for is taken."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.pipeline import compile_model


@pytest.mark.parametrize(("mac", "taken"), [("dsp", "dsp"), ("digit", "digit"), ("auto", "dsp")])
def test_without_a_board_nothing_tells_the_kinds_apart(mac: str, taken: str, rng: np.random.Generator) -> None:
    network = random_network(rng, 4, 3)
    [layer] = network.layers
    arrays = {"W_ih": layer.w_ih, "W_hh": layer.w_hh, "b_ih": layer.bias, "b_hh": np.zeros_like(layer.bias)}
    x = np.asarray(random_calibration(rng, network).x, np.float32)
    assert compile_model(arrays, x, target="generic", mac=mac).engine.mac == taken
