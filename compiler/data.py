"""Input sequences: ``X.npz`` that users give, and the same in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lstmith.compiler.archive import read_archive
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.golden.network import FloatArray, FloatNetwork, initial_state
from lstmith.spec.errors import UserError

#: What sequences may be given as: a file; one array, which is ``x``; or arrays by the names that a file has.
SequenceSource: TypeAlias = "str | Path | npt.ArrayLike | Mapping[str, npt.ArrayLike] | Sequences"


@dataclass(frozen=True)
class Sequences:
    """Input sequences of a network.

    Parameters
    ----------
    x : float32 [N, T, I]
        Padding after each sequence's end is zero.
    lengths : int64 [N]
    single : bool
        Whether the file held one sequence as [T, I]; results then have no leading N.
    state : list of (h0, c0) or None
        Per layer, float64 [N, H] each, if the file gives any initial state.
    source : str
        File name for messages.
    hint : bool [N, T] or None
        Steps that a policy may skip; never after a sequence's end.
    active : int64 [N, T] or None
        Units of the first layer to compute; 0 after a sequence's end.
    moved : bool
        Whether x are h of other layers, within -1..1 and on their grid.
    """

    x: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    single: bool
    state: list[tuple[FloatArray, FloatArray]] | None
    source: str
    hint: npt.NDArray[np.bool_] | None = None
    active: npt.NDArray[np.int64] | None = None
    moved: bool = False

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Steps that exist, bool [N, T]."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]

    def calibration(self) -> Calibration:
        """The same sequences as calibration data."""
        return Calibration(self.x, self.lengths, self.source, self.state, self.moved)


def load_sequences(path: Path, network: FloatNetwork) -> Sequences:
    """Read ``x`` [T, I] or [N, T, I], and optionally ``lengths`` [N], initial states, ``hint`` and ``active``.

    ``hint`` marks steps that may be skipped: bool [T], or [N, T] beside [N, T, I]. ``active`` is the number
    of units of the first layer to compute: integers of the same shape, or one for each sequence.

    Initial states are ``h0`` and ``c0`` for a network of one layer, ``h0_l0``, ``c0_l0``, ``h0_l1``, ...
    for stacked layers, each [H] or [N, H]; what is absent is the network's own.

    Raises
    ------
    UserError
        If the file cannot be read or a field has a wrong shape, type or value.
    """
    return sequences_of(read_archive(path, "give an .npz file that numpy.savez wrote"), network, str(path))


def read_sequences(given: SequenceSource, network: FloatNetwork, name: str) -> Sequences:
    """Sequences from a file or from memory; see :func:`load_sequences`.

    Parameters
    ----------
    given : str or Path, array [T, I] or [N, T, I], mapping, or Sequences
    network : FloatNetwork
    name : str
        What messages call sequences in memory.

    Raises
    ------
    UserError
        As :func:`load_sequences`.
    """
    if isinstance(given, Sequences):
        return given
    if isinstance(given, str | Path):
        return load_sequences(Path(given), network)
    return sequences_of(arrays_of(given, name), network, name)


def arrays_of(given: npt.ArrayLike | Mapping[str, npt.ArrayLike], name: str) -> dict[str, npt.NDArray[Any]]:
    """Arrays in memory by the names that a file has; one alone is ``x``.

    Raises
    ------
    UserError
        If a value is no array.
    """
    named: Mapping[str, npt.ArrayLike] = given if isinstance(given, Mapping) else {"x": given}
    arrays = {}
    for key, value in named.items():
        try:
            arrays[key] = np.asarray(value)
        except ValueError:  # lists of several lengths
            raise UserError(f"{name} field {key}", "is no array", "give sequences of equal length, padded") from None
    return arrays


def sequences_of(arrays: Mapping[str, npt.NDArray[Any]], network: FloatNetwork, source: str) -> Sequences:
    """Check arrays by the names that a file has; see :func:`load_sequences`.

    Parameters
    ----------
    arrays : mapping
    network : FloatNetwork
    source : str
        File name for messages.

    Raises
    ------
    UserError
        If a field has a wrong shape, type or value.
    """
    if "x" not in arrays:
        raise UserError(f"{source} field x", "is missing", "give float32 [T, I] or [N, T, I]")
    x = _real(source, "x", arrays["x"])
    if x.ndim not in (2, 3):
        raise UserError(f"{source} field x", f"has shape {x.shape}", "give [T, I] or [N, T, I]")
    single = x.ndim == 2
    batch = x[None] if single else x
    lengths = None
    if "lengths" in arrays:
        lengths = arrays["lengths"]
        if single or lengths.dtype.kind not in "iu":
            raise UserError(
                f"{source} field lengths",
                f"is {lengths.dtype} beside x {x.shape}",
                "give integers [N] beside [N, T, I]",
            )
        lengths = lengths.astype(np.int64)
    checked, lengths = Calibration(batch, lengths, source).checked(network)
    if (peak := np.abs(checked).max()) > np.finfo(np.float32).max:
        raise UserError(f"{source} field x", f"reaches {peak:g}", "give values that float32 can hold")
    return Sequences(
        checked.astype(np.float32),
        lengths,
        single,
        _states(source, arrays, network, len(checked)),
        source,
        _hint(source, arrays, lengths, x.shape[:-1]),
        _active(source, arrays, lengths, x.shape[:-1]),
    )


def _real(source: str, name: str, array: npt.NDArray[Any]) -> FloatArray:
    if array.dtype.kind not in "fiu":
        raise UserError(f"{source} field {name}", f"has type {array.dtype}", "give float32")
    return array.astype(np.float64)


def _hint(
    source: str, arrays: Mapping[str, npt.NDArray[Any]], lengths: npt.NDArray[np.int64], shape: tuple[int, ...]
) -> npt.NDArray[np.bool_] | None:
    if "hint" not in arrays:
        return None
    hint = arrays["hint"]
    if hint.dtype != np.bool_ or hint.shape != shape:
        raise UserError(f"{source} field hint", f"is {hint.dtype} {hint.shape}", f"give bool {shape}")
    steps = shape[-1]
    return hint.reshape(len(lengths), steps) & (np.arange(steps) < lengths[:, None])


def _active(
    source: str, arrays: Mapping[str, npt.NDArray[Any]], lengths: npt.NDArray[np.int64], shape: tuple[int, ...]
) -> npt.NDArray[np.int64] | None:
    if "active" not in arrays:
        return None
    active = arrays["active"]
    if active.dtype.kind not in "iu" or active.shape not in (shape, shape[:-1]):
        raise UserError(
            f"{source} field active", f"is {active.dtype} {active.shape}", f"give integers {shape[:-1]} or {shape}"
        )
    by_step = active.astype(np.int64).reshape(len(lengths), -1)
    return by_step * (np.arange(shape[-1]) < lengths[:, None])


def _states(
    source: str, arrays: Mapping[str, npt.NDArray[Any]], network: FloatNetwork, sequences: int
) -> list[tuple[FloatArray, FloatArray]] | None:
    stacked = len(network.layers) > 1
    names = {f"{kind}{f'_l{k}' if stacked else ''}" for k in range(len(network.layers)) for kind in ("h0", "c0")}
    given = {name for name in arrays if name.startswith(("h0", "c0"))}
    if unknown := sorted(given - names):
        raise UserError(f"{source} field {unknown[0]}", "names no layer", f"use {', '.join(sorted(names))}")
    if not given:
        return None
    states = []
    for index, layer in enumerate(network.layers):
        pair = []
        for kind, own in zip(("h0", "c0"), initial_state(layer, sequences), strict=True):
            name = f"{kind}_l{index}" if stacked else kind
            pair.append(_state(source, name, arrays[name], own.shape) if name in arrays else own)
        states.append((pair[0], pair[1]))
    return states


def _state(source: str, name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> FloatArray:
    where = f"{source} field {name}"
    values = _real(source, name, array)
    if values.shape not in (shape, shape[1:]):
        raise UserError(where, f"has shape {values.shape}", f"give {shape[1:]} or {shape}")
    if not np.isfinite(values).all():
        raise UserError(where, "holds NaN or infinity", "give finite values")
    if name.startswith("h0") and np.abs(values).max(initial=0.0) > 1.0:
        raise UserError(where, f"reaches {np.abs(values).max():.4g}", "keep h within -1..1")
    return np.broadcast_to(values, shape).copy()
