"""Weight words of passes, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_network
from lstmith.golden.activity import LayerTrace
from lstmith.golden.pass_words import NEVER, column_words, pass_words
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


@pytest.mark.parametrize("precision", [8, 16])
def test_late(precision: int, rng: np.random.Generator) -> None:
    """A unit of h holds the last entry up by its place in its fold's drain, and by all words from the entry before."""
    network = random_network(rng, [2, 5], (precision,), peepholes=False, requant_width=18)
    config = EngineConfig(lanes=2, precisions=(precision,), units=5, inputs=2, rows_per_cycle=1)
    (layer,) = network.layers
    digit, drained = precision // 4, [0, 4]
    trace = LayerTrace.empty(layer, 1, 4)
    # Step 0 lists x0, h0, h1 and h3; step 1 h2 alone, which has none before; step 2 all of h; step 3 x0 and h0.
    trace.x_planes[0, 0] = [TOP, 0]
    trace.h_planes[0, 0] = [TOP, TOP, 0, TOP, 0]
    trace.h_planes[0, 1] = [0, 0, TOP, 0, 0]
    trace.h_planes[0, 2] = TOP
    trace.x_planes[0, 3, 0] = trace.h_planes[0, 3, 0] = TOP
    (words,) = pass_words(network, config, [trace])
    for late, one in ((words.late, digit), (words.late_entries, 1)):
        assert late is not None
        assert late[0, 0].tolist() == [max(3 * one + drained[0], 2 * one + drained[1]), one + drained[1], NEVER]
        assert late[0, 1].tolist() == [NEVER] * 3
        assert late[0, 2].tolist() == [4 * one + drained[1], max(3 * one, 2 * one + drained[1]), one]
        assert late[0, 3].tolist() == [one, NEVER, NEVER]


def test_never_is_before_everything() -> None:
    """Sums of all that a run of a day takes stay below zero."""
    assert NEVER + 86_400 * 10**6 < 0
