"""What `inspect` tells of a network's size, and of boards."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from hw_tests.unit.networks import random_layer
from lstmith.boards.catalogue import find_board
from lstmith.compiler.importers.importer import Model
from lstmith.compiler.inspection import _fit, _parameters, _program
from lstmith.golden.network import FloatNetwork
from lstmith.spec.codes import Kind

INPUTS, UNITS = 3, 5
#: Trained values of a layer: weights of x and h, and a bias per row; a GRU has two biases in its last rows.
TRAINED = {
    Kind.LSTM: 4 * UNITS * (INPUTS + UNITS + 1),
    Kind.GRU: 3 * UNITS * (INPUTS + UNITS) + 4 * UNITS,
    Kind.RNN: UNITS * (INPUTS + UNITS + 1),
    Kind.DENSE: UNITS * (INPUTS + 1),
}


@pytest.mark.parametrize("kind", Kind)
def test_parameters_are_what_was_trained(kind: Kind, rng: np.random.Generator) -> None:
    layer = random_layer(rng, kind, INPUTS, UNITS)
    assert _parameters(layer) == TRAINED[kind]
    weights = layer.w_ih.size + layer.w_hh.size
    told = _program(FloatNetwork((layer,)))
    assert told["weight_bits"] == {"4": 4 * weights, "8": 8 * weights, "16": 16 * weights}


def _network(rng: np.random.Generator, *sizes: int) -> FloatNetwork:
    return FloatNetwork(tuple(random_layer(rng, Kind.LSTM, inputs, units) for inputs, units in pairwise(sizes)))


@pytest.mark.parametrize("units", [128, 200])
def test_weights_beyond_a_boards_memory_are_told(units: int, rng: np.random.Generator) -> None:
    """An UP5K has four blocks of 256 kbit; 8 bits of 4 H (I + H) weights."""
    board, have, need = find_board("icebreaker"), 4 * 256 * 1024, 8 * 4 * units * 2 * units
    told = _fit(Model("m", (_network(rng, units, units),)), board)
    too_much = f"icebreaker has {have} bits for weights and the network needs {need}"
    assert told == {"4": "not supported", "8": "fits" if need <= have else too_much, "16": "not supported"}


def test_the_widest_input_is_the_engines(rng: np.random.Generator) -> None:
    """Whatever the order of the programs: its lists of x take more block memories than an UP5K has."""
    board = find_board("icebreaker")
    networks = (_network(rng, 2, 4), _network(rng, 3800, 4))
    told = [_fit(Model("m", order), board)["8"] for order in (networks, networks[::-1])]
    assert told[0] == told[1]
    assert re.fullmatch(r"icebreaker has 30 block memories, and lists and states of 3800 inputs need \d+", told[0])
