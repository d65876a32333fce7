"""A trained LSTM in floating point: the canonical form that every importer produces.

Gate order is i, f, g, o everywhere; row ``gate * units + unit``. Both biases are summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.spec.codes import Gate

FloatArray = npt.NDArray[np.float64]

GATES = ("i", "f", "g", "o")


@dataclass(frozen=True)
class FloatLayer:
    """One unidirectional LSTM layer.

    Parameters
    ----------
    name : str
        The layer's name in its source, for messages.
    w_ih : float64 [4H, I]
        Input weights.
    w_hh : float64 [4H, H]
        Recurrent weights.
    bias : float64 [4H]
        Sum of input and recurrent bias.
    peep : float64 [3, H] or None
        Peephole weights, order i, f, o; i and f see c(t-1), o sees c(t).
    h0, c0 : float64 [H] or None
        Constant initial state; zero if None.
    """

    name: str
    w_ih: FloatArray
    w_hh: FloatArray
    bias: FloatArray
    peep: FloatArray | None = None
    h0: FloatArray | None = None
    c0: FloatArray | None = None

    def __post_init__(self) -> None:
        units = self.w_hh.shape[1]
        wanted = {"w_ih": (4 * units, self.w_ih.shape[1]), "w_hh": (4 * units, units), "bias": (4 * units,)}
        if self.peep is not None:
            wanted["peep"] = (3, units)
        for field, shape in wanted.items():
            if (have := getattr(self, field).shape) != shape:
                raise ValueError(f"Layer {self.name!r} field {field} must have shape {shape!r}, not {have!r}")

    @property
    def inputs(self) -> int:
        """Width of the layer's input, I."""
        return int(self.w_ih.shape[1])

    @property
    def units(self) -> int:
        """Number of hidden units, H."""
        return int(self.w_hh.shape[1])


@dataclass(frozen=True)
class FloatNetwork:
    """Stacked layers; layer k+1 reads the h of layer k."""

    layers: tuple[FloatLayer, ...]

    @property
    def inputs(self) -> int:
        """Width of the first layer's input."""
        return self.layers[0].inputs


@dataclass(frozen=True)
class FloatTrace:
    """Per layer: h and c, float64 [N, T, H]."""

    h: tuple[FloatArray, ...]
    c: tuple[FloatArray, ...]


def sigmoid(z: FloatArray) -> FloatArray:
    """Logistic function without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def padded(sequences: Sequence[npt.NDArray[np.floating]]) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Sequences [T_n, I] side by side, float64 [N, T, I] with zeros behind their ends, and their lengths, int64 [N]."""
    lengths = np.array([len(x) for x in sequences], dtype=np.int64)
    batch = np.zeros((len(sequences), int(lengths.max()), sequences[0].shape[1]))
    for row, x in zip(batch, sequences, strict=True):
        row[: len(x)] = x
    return batch, lengths


def run_float(
    network: FloatNetwork, x: FloatArray, state: list[tuple[FloatArray, FloatArray]] | None = None
) -> FloatTrace:
    """Run in float64.

    Parameters
    ----------
    x : float64 [N, T, I]
    state : per layer (h0, c0), each float64 [N, H]; default the network's own, else zero.
    """
    hs, cs = [], []
    sequences, steps = x.shape[:2]
    for index, layer in enumerate(network.layers):
        h, c = initial_state(layer, sequences) if state is None else state[index]
        h_trace = np.empty((sequences, steps, layer.units))
        c_trace = np.empty_like(h_trace)
        from_x = x @ layer.w_ih.T + layer.bias
        for t in range(steps):
            z = (from_x[:, t] + h @ layer.w_hh.T).reshape(sequences, len(Gate), layer.units)
            z_i, z_f, z_g, z_o = (z[:, gate] for gate in Gate)
            if layer.peep is not None:
                z_i, z_f = z_i + layer.peep[0] * c, z_f + layer.peep[1] * c
            c = sigmoid(z_f) * c + sigmoid(z_i) * np.tanh(z_g)
            if layer.peep is not None:
                z_o = z_o + layer.peep[2] * c
            h = sigmoid(z_o) * np.tanh(c)
            h_trace[:, t], c_trace[:, t] = h, c
        hs.append(h_trace)
        cs.append(c_trace)
        x = h_trace
    return FloatTrace(tuple(hs), tuple(cs))


def initial_state(layer: FloatLayer, sequences: int) -> tuple[FloatArray, FloatArray]:
    """The layer's own initial state for a batch: (h0, c0), each float64 [N, H]."""
    zero = np.zeros(layer.units)
    h0 = zero if layer.h0 is None else layer.h0
    c0 = zero if layer.c0 is None else layer.c0
    return np.tile(h0, (sequences, 1)), np.tile(c0, (sequences, 1))
