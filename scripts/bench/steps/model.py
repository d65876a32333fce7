"""The golden model with the low digits of its weights left out, or served later, where somebody chooses."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.cell import cell_step
from lstmith.golden.encoder import BoolArray
from lstmith.golden.layer_run import Matrices
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork


class Form(enum.StrEnum):
    """What becomes of the low digits that a step does not read."""

    #: They are lost: the step has weights of half the bits, as in the papers.
    VALUES = "values"
    #: Their references stay, and what they miss is added when they are served again, as in an engine of two planes.
    DEFERRED = "deferred"


Ints = npt.NDArray[np.signedinteger]


@dataclass
class LayerState:
    """State of one layer after a step.

    Parameters
    ----------
    h, c : int64 or int32 [N, H]
    low : int64 or int32 [N, I + H]
        Values that the sums of the low plane hold, on the operand grids.
    served : int64 or int32 [N]
        Columns of the low plane that the step read.
    """

    h: Ints
    c: Ints
    low: Ints
    served: Ints

    def part(self, sequences: int) -> LayerState:
        """The first sequences."""
        return LayerState(*(value[:sequences] for value in (self.h, self.c, self.low, self.served)))

    def packed(self) -> LayerState:
        """The same in half the memory."""
        return LayerState(*(value.astype(np.int32) for value in (self.h, self.c, self.low, self.served)))


#: Columns whose low digits a step does not read, bool [N, 1] or [N, I + H], from the layer's index and from how far
#: the low plane's values are behind, int64 [N, I + H].
Choose = Callable[[int, IntArray], BoolArray]


class StepModel:
    """A network of two digit planes, step by step.

    Parameters
    ----------
    network : QuantNetwork
        Of LSTM layers that read values.
    config : EngineConfig
    form : Form

    Notes
    -----
    Where nothing is left out, h and c are those of :class:`lstmith.golden.model.GoldenModel` without thresholds.
    """

    def __init__(self, network: QuantNetwork, config: EngineConfig, form: Form):
        self.network, self.config, self.form = network, config, form
        self._digits = [_digits(layer) for layer in network.layers]

    def begin(self, sequences: int, state: list[tuple[IntArray, IntArray]] | None = None) -> list[LayerState]:
        """States before the first step: zero, or h and c per layer as given, int64 [N, H] each."""
        found = []
        for index, layer in enumerate(self.network.layers):
            zero = np.zeros((sequences, layer.units), dtype=np.int64)
            h, c = (zero, zero) if state is None else state[index]
            held = np.zeros((sequences, layer.inputs + layer.units), dtype=np.int64)
            found.append(LayerState(h, c, held, np.zeros(sequences, dtype=np.int64)))
        return found

    def step(self, x: Ints, states: list[LayerState], choose: Choose) -> list[LayerState]:
        """States after one step of all sequences.

        Parameters
        ----------
        x : int16 [N, I]
        states : list of LayerState
            Left as they are.
        choose : callable
        """
        found = []
        for index, (layer, state) in enumerate(zip(self.network.layers, states, strict=True)):
            top = np.concatenate([layer.x_grid.apply(x), layer.h_grid.apply(state.h)], axis=1)
            left_out = np.broadcast_to(choose(index, top - state.low), top.shape)
            deferred = self.form is Form.DEFERRED
            low = np.where(left_out, state.low if deferred else 0, top)
            of_top, of_low = self._digits[index]
            total = (top @ of_top + low @ of_low).astype(np.int64)
            h, c = cell_step(total, state.c.astype(np.int64), layer, self.config)
            served = (low != state.low) if deferred else ~left_out
            found.append(LayerState(h, c, low, served.sum(axis=1)))
            x = h
        return found


def nothing(index: int, gap: IntArray) -> BoolArray:
    """A :data:`Choose` that leaves nothing out."""
    return np.zeros((len(gap), 1), dtype=bool)


def _digits(layer: QuantLayer) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Digits of the top and of the low plane with their place values, transposed: [I + H, 4H] each."""
    matrices, inputs, units = Matrices.of(layer), layer.inputs, layer.units
    of_top = np.concatenate([matrices.x[:inputs], matrices.h[:units]])
    return of_top, np.concatenate([matrices.x[inputs:], matrices.h[units:]])
