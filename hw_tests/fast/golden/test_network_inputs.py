"""What float layers make of x: columns by number, counts without a sign, sequences side by side."""

from __future__ import annotations

import numpy as np

from lstmith.golden.network import FloatLayer, padded


def _layer(rng: np.random.Generator, *, symbols: bool = False, rectified: bool = False) -> FloatLayer:
    weights = rng.normal(size=(8, 5)), rng.normal(size=(8, 2))
    return FloatLayer("a", *weights, np.zeros(8), symbols=symbols, rectified=rectified)


def test_a_symbol_adds_its_column(rng: np.random.Generator) -> None:
    """As a product with one at its place and zero elsewhere."""
    layer = _layer(rng, symbols=True)
    numbers = rng.integers(0, 5, (3, 4))
    assert (layer.from_x(numbers[..., None].astype(np.float64)) == np.eye(5)[numbers] @ layer.w_ih.T).all()


def test_what_is_rectified_has_no_negative_part(rng: np.random.Generator) -> None:
    layer, x = _layer(rng, rectified=True), rng.normal(size=(3, 5))
    assert (layer.from_x(x) == np.where(x < 0, 0, x) @ layer.w_ih.T).all()
    assert (_layer(rng).from_x(x) != layer.from_x(x)).any()


def test_one_sequence_needs_no_padding(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 3))
    batch, lengths = padded([x])
    assert (batch == x[None]).all()
    assert lengths.tolist() == [4]
