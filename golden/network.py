"""A trained network in floating point: the canonical form that every importer produces.

Row ``r * units + unit`` of a layer is the unit's row r. A unit of an LSTM has the rows i, f, g, o, one of a GRU r, z,
nx, nh, any other a single row. Both biases are summed where their rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.spec.codes import Gate, Kind, Squash, Verdict

FloatArray = npt.NDArray[np.float64]

GATES = ("i", "f", "g", "o")

#: Functions that a kind of layer may have behind its rows.
SQUASHES = {
    Kind.LSTM: (Squash.TANH,),
    Kind.GRU: (Squash.TANH,),
    Kind.RNN: (Squash.TANH, Squash.RELU),
    Kind.DENSE: tuple(Squash),
}


@dataclass(frozen=True)
class FloatLayer:
    """One layer that runs forward, with R rows per unit: 4 of an LSTM or a GRU, else 1.

    Parameters
    ----------
    name : str
        The layer's name in its source, for messages.
    w_ih : float64 [R * H, I]
        Input weights; the nh rows of a GRU are zero.
    w_hh : float64 [R * H, H]
        Recurrent weights; the nx rows of a GRU are zero, a dense layer has [H, 0].
    bias : float64 [R * H]
        Sum of input and recurrent bias; of a GRU's nx rows the input one, of its nh rows the recurrent one.
    peep : float64 [3, H] or None
        Peephole weights of an LSTM, order i, f, o; i and f see c(t-1), o sees c(t).
    h0, c0 : float64 [H] or None
        Constant initial state; zero if None. Only an LSTM has ``c0``, a dense layer has neither.
    kind : Kind
        What the layer computes.
    squash : Squash
        Function of a plain or dense layer's rows; tanh for an LSTM or a GRU.
    symbols : bool
        Whether x names a column of ``w_ih`` by its number, and that column alone is added: a product with a one-hot x.
    rectified : bool
        Whether x that are negative count as zero: a ReLU in front of the product.
    verdict : Verdict
        What is made of the h of a last layer.
    threshold : float
        What its h are compared with for that.

    Raises
    ------
    ValueError
        If a shape, a state or the function does not belong to the kind, or a GRU's rows are not as above.

    Notes
    -----
    A GRU resets after the product (Keras' ``reset_after``, as PyTorch and cuDNN do): with sigma(r) and sigma(z),
    ``n = tanh(nx + r * nh)`` and ``h = (1 - z) * n + z * h_old``.
    """

    name: str
    w_ih: FloatArray
    w_hh: FloatArray
    bias: FloatArray
    peep: FloatArray | None = None
    h0: FloatArray | None = None
    c0: FloatArray | None = None
    kind: Kind = Kind.LSTM
    squash: Squash = Squash.TANH
    symbols: bool = False
    rectified: bool = False
    verdict: Verdict = Verdict.NONE
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.w_ih.ndim != 2 or not self.units or not self.inputs:
            raise ValueError(
                f"Layer {self.name!r} field w_ih must have shape [{self.kind.rows}H, I], not {self.w_ih.shape!r}"
            )
        units, rows = self.units, self.kind.rows * self.units
        recurrent = 0 if self.kind is Kind.DENSE else units
        wanted = {"w_ih": (rows, self.w_ih.shape[1]), "w_hh": (rows, recurrent), "bias": (rows,)}
        states = {"peep": (3, units), "h0": (units,), "c0": (units,)}
        wanted |= {field: shape for field, shape in states.items() if getattr(self, field) is not None}
        for field, shape in wanted.items():
            if (have := getattr(self, field).shape) != shape:
                raise ValueError(f"Layer {self.name!r} field {field} must have shape {shape!r}, not {have!r}")
        kind = self.kind.name
        if self.squash not in SQUASHES[self.kind]:
            allowed = ", ".join(squash.name for squash in SQUASHES[self.kind])
            raise ValueError(f"Layer {self.name!r} of kind {kind} must have squash {allowed}, not {self.squash.name}")
        foreign = {"peep": self.kind is not Kind.LSTM, "c0": self.kind is not Kind.LSTM, "h0": recurrent == 0}
        for field, refused in foreign.items():
            if refused and getattr(self, field) is not None:
                raise ValueError(f"Layer {self.name!r} of kind {kind} has no field {field}")
        if self.kind is Kind.GRU and (self.w_hh[2 * units : 3 * units].any() or self.w_ih[3 * units :].any()):
            raise ValueError(f"Layer {self.name!r} must have zeros in its nx rows of w_hh and its nh rows of w_ih")

    @property
    def inputs(self) -> int:
        """Width of the layer's input, I."""
        return int(self.w_ih.shape[1])

    @property
    def units(self) -> int:
        """Number of units, H."""
        return int(self.w_ih.shape[0]) // self.kind.rows

    def from_x(self, x: FloatArray) -> FloatArray:
        """What x adds to the pre-activations: float64 [..., I], or [..., 1] of symbols, to [..., R * H]."""
        if self.symbols:
            return self.w_ih.T[x[..., 0].astype(np.int64)]
        counts: FloatArray = np.maximum(x, 0.0) if self.rectified else x
        return counts @ self.w_ih.T


@dataclass(frozen=True)
class FloatNetwork:
    """Stacked layers; layer k+1 reads the h of layer k."""

    layers: tuple[FloatLayer, ...]

    @property
    def inputs(self) -> int:
        """Width of x: the first layer's input, or 1 of symbols."""
        return 1 if self.layers[0].symbols else self.layers[0].inputs

    @property
    def symbols(self) -> int:
        """Symbols that x may name; 0 where x are values."""
        return self.layers[0].inputs if self.layers[0].symbols else 0


@dataclass(frozen=True)
class FloatTrace:
    """Per layer: h and c, float64 [N, T, H]; c of a layer other than an LSTM is its h."""

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
    x : float64 [N, T, I], or [N, T, 1] of symbols
    state : per layer (h0, c0), each float64 [N, H]; default the network's own, else zero.
    """
    hs, cs = [], []
    sequences, steps = x.shape[:2]
    for index, layer in enumerate(network.layers):
        h, c = initial_state(layer, sequences) if state is None else state[index]
        h_trace = np.empty((sequences, steps, layer.units))
        c_trace = np.empty_like(h_trace)
        from_x = layer.from_x(x) + layer.bias
        for t in range(steps):
            z = from_x[:, t] if layer.kind is Kind.DENSE else from_x[:, t] + h @ layer.w_hh.T
            h, c = _unit_step(layer, z.reshape(sequences, layer.kind.rows, layer.units), h, c)
            h_trace[:, t], c_trace[:, t] = h, c
        hs.append(h_trace)
        cs.append(c_trace)
        x = h_trace
    return FloatTrace(tuple(hs), tuple(cs))


def squashed(z: FloatArray, squash: Squash) -> FloatArray:
    """A function of pre-activations, in their shape."""
    match squash:
        case Squash.LINEAR:
            return z
        case Squash.RELU:
            return np.maximum(z, 0.0)
        case Squash.SIGMOID:
            return sigmoid(z)
        case Squash.TANH:
            tanh: FloatArray = np.tanh(z)
            return tanh


def float_verdicts(layer: FloatLayer, h: FloatArray) -> npt.NDArray[np.int64] | None:
    """What a layer says of its h, float64 [..., H], as int64 [...]; None if it has no verdict.

    See :func:`.golden.verdict.verdicts`, which does the same with integers.
    """
    if layer.verdict is Verdict.NONE:
        return None
    if layer.verdict is Verdict.ARGMAX:
        return h.argmax(axis=-1)
    told = h > layer.threshold if layer.verdict is Verdict.THRESHOLD else h <= layer.threshold
    return (told << np.arange(layer.units, dtype=np.int64)).sum(axis=-1)


def _unit_step(layer: FloatLayer, z: FloatArray, h: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """New h and c from pre-activations, float64 [N, R, H], and the old ones."""
    if layer.kind is Kind.LSTM:
        z_i, z_f, z_g, z_o = (z[:, gate] for gate in Gate)
        if layer.peep is not None:
            z_i, z_f = z_i + layer.peep[0] * c, z_f + layer.peep[1] * c
        c = sigmoid(z_f) * c + sigmoid(z_i) * np.tanh(z_g)
        if layer.peep is not None:
            z_o = z_o + layer.peep[2] * c
        return sigmoid(z_o) * np.tanh(c), c
    if layer.kind is Kind.GRU:
        reset, update = sigmoid(z[:, 0]), sigmoid(z[:, 1])
        h = (1.0 - update) * np.tanh(z[:, 2] + reset * z[:, 3]) + update * h
    else:
        h = squashed(z[:, 0], layer.squash)
    return h, h


def initial_state(layer: FloatLayer, sequences: int) -> tuple[FloatArray, FloatArray]:
    """The layer's own initial state for a batch: (h0, c0), each float64 [N, H]; c0 is h0 but for an LSTM."""
    zero = np.zeros(layer.units)
    h0 = zero if layer.h0 is None else layer.h0
    c0 = h0 if layer.kind is not Kind.LSTM else zero if layer.c0 is None else layer.c0
    return np.tile(h0, (sequences, 1)), np.tile(c0, (sequences, 1))
