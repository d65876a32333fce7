"""Active counts: what rows read of dropped units moves into their bias, layer by layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.quantise.encode import encode_h
from lstmith.compiler.quantise.order import with_counts
from lstmith.compiler.quantise.quantise import quantise

#: Units of three layers with different counts.
COUNTS: list[tuple[int, ...]] = [(5, 2), (4, 3), (3, 1)]
WIDTH = 18


def test_each_layer_reads_the_dropped_units_of_the_one_before(rng: np.random.Generator) -> None:
    """Only weights of dropped units change a bias: without them it stays what it was."""
    network = random_network(rng, 6, 3, layers=3)
    plain = quantise(network, random_calibration(rng, network), precision=[8]).network
    means = [rng.uniform(0.3, 0.9, 6) for _ in plain.layers]
    assert all(encode_h(mean).all() for mean in means)
    for place in range(2):
        layers = []
        for index, layer in enumerate(plain.layers):
            weights = layer.weights.copy()
            weights[:, layer.inputs + COUNTS[index][place] :] = 0
            if index:
                weights[:, COUNTS[index - 1][place] : layer.inputs] = 0
            layers.append(replace(layer, weights=weights))
        kept = with_counts(replace(plain, layers=tuple(layers)), WIDTH, COUNTS, means)
        moved = with_counts(plain, WIDTH, COUNTS, means)
        for layer, without, dropped in zip(plain.layers, kept.layers, moved.layers, strict=True):
            assert without.reduced_bias is not None
            assert dropped.reduced_bias is not None
            assert (without.reduced_bias[place] == layer.bias).all()
            assert (dropped.reduced_bias[place] != layer.bias).any()


def test_a_dropped_unit_counts_as_its_own_mean(rng: np.random.Generator) -> None:
    """Those of the layer before are zero here, so that nothing of theirs moves, whatever the others are."""
    network = random_network(rng, 6, 3, layers=3)
    plain = quantise(network, random_calibration(rng, network), precision=[8]).network
    for index in (1, 2):
        means = [np.full(6, 0.0 if at == index - 1 else 0.7) for at in range(3)]
        layer = plain.layers[index]
        weights = layer.weights.copy()
        weights[:, layer.inputs :] = 0
        layers = [replace(layer, weights=weights) if at == index else other for at, other in enumerate(plain.layers)]
        found = with_counts(replace(plain, layers=tuple(layers)), WIDTH, COUNTS, means).layers[index].reduced_bias
        assert found is not None
        assert (found == layer.bias).all()
