"""Calibration sequences: checks, and the windows on which formats are chosen and judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.network import FloatArray, FloatNetwork, FloatTrace, initial_state, run_float
from lstmith.spec.errors import UserError
from lstmith.spec.symbols import check_symbols

#: Steps of one window: long enough for errors of the cell state to build up, short enough that
#: many windows run side by side.
WINDOW = 512
#: About how many steps formats are fitted on, and how many are held back to judge them, however short the windows are.
FIT_STEPS, HELD_STEPS = 24 * WINDOW, 8 * WINDOW
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
    state : list of (h0, c0) or None
        Per layer, float64 [N, H] each: what the sequences start in; the network's own initial state if None.
    moved : bool
        Whether x are h of other layers, within -1..1 and on their grid.
    """

    x: npt.NDArray[np.floating]
    lengths: npt.NDArray[np.int64] | None = None
    source: str = "calibration data"
    state: list[tuple[FloatArray, FloatArray]] | None = None
    moved: bool = False

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
                f"give the {network.inputs} inputs that layer {network.layers[0].name!r} takes; or, of an ONNX model,"
                " the graph's own inputs by their names",
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
        if network.symbols:
            check_symbols(x, valid, network.symbols, f"{self.source} field x")
        return np.where(valid[:, :, None], x, 0.0), lengths.astype(np.int64)


@dataclass(frozen=True)
class Windows:
    """Pieces of the calibration data, each of which starts in the float network's state.

    Attributes
    ----------
    valid : bool [M, W]
        Steps that exist.
    x : tuple of float64 [M, W, I_k]
        Input of each layer; of symbols [M, W, 1].
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
    moved : bool
        Whether the first layer's input are h of other layers, within -1..1 and on their grid.
    x_low, x_high, c_peak : tuple of float
        Per layer: extremes of the input, largest magnitude of the cell state.
    fit, held : Windows
        Disjoint unless the data has a single step.
    """

    moved: bool
    x_low: tuple[float, ...]
    x_high: tuple[float, ...]
    c_peak: tuple[float, ...]
    fit: Windows
    held: Windows


def profile(network: FloatNetwork, calibration: Calibration) -> Profile:
    """Run the float network over the calibration data and cut it into windows."""
    x, lengths = calibration.checked(network)
    state = calibration.state or [initial_state(layer, len(x)) for layer in network.layers]
    trace = run_float(network, x, state)
    valid = np.arange(x.shape[1]) < lengths[:, None]
    inputs = (x, *trace.h[:-1])
    starts = _starts(lengths)
    held = _held(starts) or starts
    fit = [start for index, start in enumerate(starts) if index % HOLD_EVERY != HOLD_EVERY - 1]
    ranges = [(float(values[valid].min()), float(values[valid].max())) for values in inputs]
    if network.symbols:
        ranges[0] = (0.0, 1.0)  # a symbol's column counts once
    return Profile(
        calibration.moved,
        tuple(low for low, _ in ranges),
        tuple(high for _, high in ranges),
        tuple(
            float(max(np.abs(values[valid]).max(), np.abs(c0[lengths > 0]).max()))
            for values, (_, c0) in zip(trace.c, state, strict=True)
        ),
        _cut(inputs, trace, state, _spread(fit, FIT_STEPS)),
        _cut(inputs, trace, state, _spread(held, HELD_STEPS)),
    )


def held_steps(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Steps of sequences of such lengths that no format is fitted on, bool [N, T]; none if the data is too short."""
    held = np.zeros((len(lengths), int(lengths.max())), dtype=bool)
    for sequence, start, steps in _held(_starts(lengths)):
        held[sequence, start : start + steps] = True
    return held


def _held(starts: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    return starts[HOLD_EVERY - 1 :: HOLD_EVERY]


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


def _spread(starts: list[tuple[int, int, int]], steps: int) -> list[tuple[int, int, int]]:
    """Windows from all over the data, about so many steps together."""
    mean = sum(steps for _, _, steps in starts) / len(starts)
    most = max(1, round(steps / mean))
    return [starts[index] for index in np.unique(np.linspace(0, len(starts) - 1, most).astype(int))]


def _cut(
    inputs: tuple[FloatArray, ...],
    trace: FloatTrace,
    state: list[tuple[FloatArray, FloatArray]],
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
    for (h0, c0), h_trace, c_trace in zip(state, trace.h, trace.c, strict=True):
        h.append(cut(np.concatenate([h0[:, None], h_trace], axis=1), 1))
        c.append(cut(np.concatenate([c0[:, None], c_trace], axis=1), 1))
    return Windows(inside, tuple(cut(values, 0) for values in inputs), tuple(h), tuple(c))
