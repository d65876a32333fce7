"""Models that cannot be computed exactly, and are refused by name. Each function writes a file and returns its path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lstmith.test_support.graphs.exporters import UNITS, WIDTH, Rng, normal
from lstmith.test_support.graphs.nodes import const, lstm, save, save_lstm, weights


def clipped(path: Path, rng: Rng) -> Path:
    """An LSTM whose cell input is clipped."""
    return save_lstm(path, weights(rng, WIDTH, UNITS), clip=0.5)


def relu_cell(path: Path, rng: Rng) -> Path:
    """Keras activation="relu": an LSTM whose h has no bound."""
    return save_lstm(path, weights(rng, WIDTH, UNITS), activations=["Sigmoid", "Relu", "Relu"])


def reset_before(path: Path, rng: Rng) -> Path:
    """A GRU that resets h before the product, as Keras with reset_after=False."""
    node, constants = lstm(weights(rng, WIDTH, UNITS, op="GRU"), name="gru", op="GRU", linear_before_reset=0)
    return save(path, [node], constants, {"x": ["T", "N", WIDTH]}, ["gru_y"])


def coupled(path: Path, rng: Rng) -> Path:
    """An LSTM whose input gate is one less the forget gate."""
    return save_lstm(path, weights(rng, WIDTH, UNITS), input_forget=1)


def far_state(path: Path, rng: Rng) -> Path:
    """A constant initial h of 2, which no h of an LSTM reaches."""
    node, constants = lstm(weights(rng, WIDTH, UNITS), inputs={"initial_h": "h0"})
    constants.append(const("h0", np.full((1, 1, UNITS), 2.0), np.float32))
    return save(path, [node], constants, {"x": ["T", 1, WIDTH]}, ["lstm_y"])


def projected(path: Path, rng: Rng) -> Path:
    """torch's nn.LSTM with proj_size, as a state dict."""
    shapes = {"weight_ih_l0": (4 * UNITS, WIDTH), "weight_hh_l0": (4 * UNITS, 2), "weight_hr_l0": (2, UNITS)}
    found = path.with_suffix(".safetensors")
    save_file({f"rnn.{name}": normal(rng, *shape) for name, shape in shapes.items()}, found)
    return found


REFUSED = (clipped, relu_cell, reset_before, coupled, far_state, projected)
