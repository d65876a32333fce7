"""Calibration sequences: checks, and the windows on which formats are chosen and judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.errors import UserError
from lstmith.golden.network import FloatArray, FloatNetwork, FloatTrace, initial_state, run_float

#: Steps of one window: long enough for errors of the cell state to build up, short enough that
#: many windows run side by side.
WINDOW = 512
#: Largest number of windows that formats are fitted on, and that are held back to judge them.
FIT_WINDOWS, HELD_WINDOWS = 24, 8
#: Every so many windows one is held back.
HOLD_EVERY = 4


@dataclass(frozen=True)
class Calibration:
    """Input sequences that resemble those the network will see.

    Parameters
    ----------
    x : float [N, T, I]
        Sequences, padded at the end.
    lengths : int64 [N] or None
        Valid steps of each sequence; T if None.
    source : str
        File name for messages.
    """

    x: npt.NDArray[np.floating]
    lengths: npt.NDArray[np.int64] | None = None
    source: str = "calibration data"

    def checked(self, network: FloatNetwork) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """The sequences (float64 [N, T, I], padding zero) and lengths (int64 [N]).

        Raises
        ------
        UserError
            If there is no step, the width differs from the network's or a value is not finite.
        """
        x = np.asarray(self.x, dtype=np.float64)
        if x.ndim != 3:
            raise UserError(f"{self.source} field x", f"has shape {x.shape}", "give [N, T, I]")
        if x.shape[2] != network.inputs:
            raise UserError(
                f"{self.source} field x",
                f"has width {x.shape[2]}",
                f"give the {network.inputs} inputs that layer {network.layers[0].name!r} takes",
            )
        lengths = np.full(len(x), x.shape[1]) if self.lengths is None else np.asarray(self.lengths)
        if lengths.shape != (len(x),) or (lengths.size and (lengths.min() < 0 or lengths.max() > x.shape[1])):
            raise UserError(
                f"{self.source} field lengths", f"is {lengths.tolist()}", f"give {len(x)} values in 0..{x.shape[1]}"
            )
        if not lengths.sum():
            raise UserError(f"{self.source} field x", "has length 0", "give at least one step")
        valid = np.arange(x.shape[1]) < lengths[:, None]
        if bad := np.argwhere(~np.isfinite(x) & valid[:, :, None]).tolist():
            where = tuple(bad[0])
            raise UserError(f"{self.source} field x", f"is {x[where]} at {where}", "give finite values")
        return np.where(valid[:, :, None], x, 0.0), lengths.astype(np.int64)


@dataclass(frozen=True)
class Windows:
    """Pieces of the calibration data, each of which starts in the float network's state.

    Attributes
    ----------
    valid : bool [M, W]
        Steps that exist.
    x : tuple of float64 [M, W, I_k]
        Input of each layer.
    h, c : tuple of float64 [M, W + 1, H_k]
        States of each layer; entry t is the state before step t.
    """

    valid: npt.NDArray[np.bool_]
    x: tuple[FloatArray, ...]
    h: tuple[FloatArray, ...]
    c: tuple[FloatArray, ...]


@dataclass(frozen=True)
class Profile:
    """What calibration tells: ranges over all data, and windows to fit and to judge on.

    Attributes
    ----------
    x_low, x_high, c_peak : tuple of float
        Per layer: extremes of the input, largest magnitude of the cell state.
    fit, held : Windows
        Disjoint unless the data has a single step.
    """

    x_low: tuple[float, ...]
    x_high: tuple[float, ...]
    c_peak: tuple[float, ...]
    fit: Windows
    held: Windows


def profile(network: FloatNetwork, calibration: Calibration) -> Profile:
    """Run the float network over the calibration data and cut it into windows."""
    x, lengths = calibration.checked(network)
    trace = run_float(network, x)
    valid = np.arange(x.shape[1]) < lengths[:, None]
    inputs = (x, *trace.h[:-1])
    starts = _starts(lengths)
    held = starts[HOLD_EVERY - 1 :: HOLD_EVERY] or starts
    fit = [start for index, start in enumerate(starts) if index % HOLD_EVERY != HOLD_EVERY - 1]
    return Profile(
        tuple(float(values[valid].min()) for values in inputs),
        tuple(float(values[valid].max()) for values in inputs),
        tuple(float(np.abs(values[valid]).max()) for values in trace.c),
        _cut(network, inputs, trace, valid, _spread(fit, FIT_WINDOWS)),
        _cut(network, inputs, trace, valid, _spread(held, HELD_WINDOWS)),
    )


def _window(lengths: npt.NDArray[np.int64]) -> int:
    # Short data is cut finer, so that a part of it can be held back.
    return max(1, min(WINDOW, -(-int(lengths.sum()) // HOLD_EVERY)))


def _starts(lengths: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """(sequence, first step, steps) of every window."""
    size = _window(lengths)
    return [
        (sequence, start, min(size, int(length) - start))
        for sequence, length in enumerate(lengths)
        for start in range(0, int(length), size)
    ]


def _spread(starts: list[tuple[int, int, int]], most: int) -> list[tuple[int, int, int]]:
    return [starts[index] for index in np.unique(np.linspace(0, len(starts) - 1, most).astype(int))]


def _cut(
    network: FloatNetwork,
    inputs: tuple[FloatArray, ...],
    trace: FloatTrace,
    valid: npt.NDArray[np.bool_],
    starts: list[tuple[int, int, int]],
) -> Windows:
    size = max(steps for _, _, steps in starts)
    inside = np.zeros((len(starts), size), dtype=bool)
    for index, (_, _, steps) in enumerate(starts):
        inside[index, :steps] = True

    def cut(values: FloatArray, extra: int) -> FloatArray:
        result = np.zeros((len(starts), size + extra, values.shape[2]))
        for index, (sequence, start, steps) in enumerate(starts):
            piece = values[sequence, start : start + steps + extra]
            result[index, : len(piece)] = piece
        return result

    h, c = [], []
    for layer, h_trace, c_trace in zip(network.layers, trace.h, trace.c, strict=True):
        h0, c0 = initial_state(layer, len(valid))
        h.append(cut(np.concatenate([h0[:, None], h_trace], axis=1), 1))
        c.append(cut(np.concatenate([c0[:, None], c_trace], axis=1), 1))
    return Windows(inside, tuple(cut(values, 0) for values in inputs), tuple(h), tuple(c))
