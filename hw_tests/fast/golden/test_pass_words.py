"""Weight words of passes, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_network
from lstmith.golden.activity import LayerTrace
from lstmith.golden.pass_words import column_words, pass_words
from lstmith.spec.config import EngineConfig

CONFIG = EngineConfig(lanes=2, precisions=(4, 8, 16), planes=2, units=3, inputs=3)
TOP, LOW, BOTH = 1, 2, 3
#: Words of an entry in one plane, by the layer's precision.
DIGIT = {4: 1, 8: 1, 16: 2}


@pytest.mark.parametrize("precision", [4, 8, 16])
def test_first_last_and_body(precision: int, rng: np.random.Generator) -> None:
    network = random_network(rng, [3, 3], (precision,), peepholes=False, requant_width=18, planes=2)
    (layer,) = network.layers
    one, low, both = DIGIT[precision], LOW if layer.planes == 2 else TOP, BOTH if layer.planes == 2 else TOP
    two = one * layer.planes
    assert column_words(layer, np.array([0, TOP, low, both], dtype=np.int8)).tolist() == [0, one, one, two]
    trace = LayerTrace.empty(layer, 1, 3)
    trace.x_planes[0, 0] = [0, low, both]
    trace.h_planes[0, 0] = [TOP, 0, both]
    trace.x_planes[0, 1] = [both, 0, 0]
    (words,) = pass_words(network, CONFIG, [trace])
    # Step 2 lists nothing: one empty entry with the words of a digit.
    assert words.last[0].tolist() == [two, two, one]
    assert words.body[0].tolist() == [one + two + one, 0, 0]
    assert words.entries[0].tolist() == [4, 1, 1]
    assert words.active[0].tolist() == [3, 3, 3]
    assert words.width == layer.plane_bits
