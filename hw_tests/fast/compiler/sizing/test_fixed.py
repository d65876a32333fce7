"""Fixed engines: numbers are as wide as the network's own."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.fixed import LEAST_OPERAND, for_fixed
from lstmith.compiler.sizing.size import size_engine


@pytest.mark.parametrize("activation_bits", [8, 16])
def test_operands_hold_every_difference_and_no_more(activation_bits: int, rng: np.random.Generator) -> None:
    network = random_network(rng, 4, 3)
    data = random_calibration(rng, network)
    integer = quantise(network, data, precision=[8], activation_bits=activation_bits).network
    engine, _ = for_fixed(integer, *size_engine(integer, None), None)
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in integer.layers)
    assert span < 1 << (engine.operand_width - 1)
    assert engine.operand_width == LEAST_OPERAND or span >= 1 << (engine.operand_width - 2)
