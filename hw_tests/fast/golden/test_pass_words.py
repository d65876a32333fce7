"""Weight words of passes, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw_tests.cocotb.random_networks import random_network
from lstmith.golden.activity import LOW, MAIN, LayerTrace
from lstmith.golden.pass_words import entry_words, pass_words
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import QuantNetwork

CONFIG = EngineConfig(lanes=2, precisions=(4, 8, 16), mixed=True, units=3, inputs=3)


def _network(rng: np.random.Generator) -> QuantNetwork:
    (layer,) = random_network(rng, [3, 3], (16,), peepholes=False, requant_width=18).layers
    return QuantNetwork((replace(layer, variants=(8,)),))


def test_words_of_an_entry_by_class(rng: np.random.Generator) -> None:
    (layer,) = _network(rng).layers
    # At its own 16 bits a main entry has 4 words, one on the 8-bit variant 2; on a lowered fold both have the fold's.
    assert entry_words(layer, np.array([16, 8, 4])).tolist() == [[4, 2], [2, 2], [1, 1]]


def test_first_last_and_body(rng: np.random.Generator) -> None:
    network = _network(rng)
    trace = LayerTrace.empty(network.layers[0], 1, 3, folds=2)
    trace.fold_precisions[:] = 16
    trace.x_class[0, 0] = [0, LOW, MAIN]
    trace.h_class[0, 0] = [MAIN, 0, LOW]
    trace.x_class[0, 1] = [MAIN, 0, 0]
    (words,) = pass_words(network, CONFIG, [trace])
    # Step 2 lists nothing: one empty entry at the fold's own words.
    assert words.first[0].tolist() == [[2, 2], [4, 4], [4, 4]]
    assert words.last[0].tolist() == [[2, 2], [4, 4], [4, 4]]
    assert words.body[0].tolist() == [[2 + 4 + 4] * 2, [0, 0], [0, 0]]
    assert words.entries[0].tolist() == [4, 1, 1]
    assert words.active[0].tolist() == [3, 3, 3]
