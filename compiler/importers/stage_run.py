"""Sequences that a stage runs over, from the values of a graph's calls, and its results put back into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.plan import Stage
from lstmith.golden.network import FloatArray, FloatNetwork, initial_state
from lstmith.spec.codes import Kind
from lstmith.spec.errors import UserError
from lstmith.spec.symbols import check_symbols


@dataclass(frozen=True)
class StageResult:
    """What came of a stage, steps in the order that they are run in.

    Parameters
    ----------
    layers : sequence of (h, c)
        Per layer, of every step, float64 [N, T, H] each.
    verdict : int64 [N, T] or None
        Of every step, if the program has one.
    """

    layers: Sequence[tuple[FloatArray, FloatArray]]
    verdict: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class StageInput:
    """What an engine is given.

    Parameters
    ----------
    x : float64 [N, T, I]
        Steps in the order that they are run in, zero behind a sequence's end.
    lengths : int64 [N]
    state : list of (h, c), or None
        Per layer, float64 [N, H] each; None is the network's own.
    """

    x: FloatArray
    lengths: npt.NDArray[np.int64]
    state: list[tuple[FloatArray, FloatArray]] | None


@dataclass(frozen=True)
class StageCall:
    """Values that one call of the graph gives a stage.

    Parameters
    ----------
    x : float [T, N, I], or [T, N, 1] of symbols
    lengths : int64 [N]
    state : per layer, h and c [N, H] or None
    """

    x: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64]
    state: tuple[tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None], ...]

    @property
    def given(self) -> bool:
        """Whether any initial state is."""
        return any(value is not None for pair in self.state for value in pair)


def read_call(stage: Stage, values: dict[str, npt.NDArray[Any]], where: str) -> StageCall:
    """What a stage reads of a call's values.

    Raises
    ------
    UserError
        If X, the lengths or a state have another shape or are out of range.
    """
    x, spot = np.asarray(values[stage.x]), f"{where} value {stage.x!r}"
    if stage.symbols and x.ndim == 2:
        x = x[..., None].astype(np.float32)
    if x.ndim != 3:
        raise UserError(spot, f"has shape {list(x.shape)}", "the recurrent layer reads [T, N, I]")
    x = x.swapaxes(0, 1) if stage.batch_axis == 0 else x
    steps, count = x.shape[:2]
    if not np.isfinite(x).all():
        raise UserError(spot, "holds NaN or infinity", "give finite inputs")
    lengths = np.full(count, steps, dtype=np.int64)
    if stage.lengths and stage.lengths in values:
        lengths = np.asarray(values[stage.lengths]).astype(np.int64).reshape(-1)
        if lengths.shape != (count,) or lengths.min(initial=0) < 0 or lengths.max(initial=0) > steps:
            raise UserError(
                f"{where} value {stage.lengths!r}",
                f"is {lengths.tolist()}",
                f"give {count} lengths of at most {steps} steps",
            )
    if stage.symbols:
        check_symbols(x, np.arange(steps)[:, None] < lengths, stage.symbols, spot)
    state = tuple(
        (_state(stage, values, h, count, where, bounded=True), _state(stage, values, c, count, where, bounded=False))
        for h, c in stage.states
    )
    return StageCall(x, lengths, state)


def _state(
    stage: Stage, values: dict[str, npt.NDArray[Any]], name: str, count: int, where: str, *, bounded: bool
) -> npt.NDArray[Any] | None:
    if not name or name not in values:
        return None
    value = np.asarray(values[name], dtype=np.float64)
    spot = f"{where} value {name!r}"
    value = value.swapaxes(0, 1) if stage.batch_first and value.ndim == 3 else value
    if value.ndim != 3 or value.shape[:2] != (stage.directions, count):
        raise UserError(spot, f"has shape {list(value.shape)}", f"give [{stage.directions}, {count}, units]")
    if not np.isfinite(value).all():
        raise UserError(spot, "holds NaN or infinity", "give finite values")
    if bounded and stage.kind != "RNN" and np.abs(value).max(initial=0.0) > 1.0:
        raise UserError(spot, f"reaches {np.abs(value).max():.4g}", "keep h within -1..1")
    return value[stage.direction]


class StageCalls:
    """The calls of one stage as sequences of an engine.

    Without ``joined`` every sequence of every call is one. With it, calls are time: a sequence goes on where the call
    before ended.
    """

    def __init__(self, stage: Stage, network: FloatNetwork, calls: list[StageCall], where: str, *, joined: bool):
        self._stage, self._network, self._calls, self._where = stage, network, calls, where
        counts = {call.x.shape[1] for call in calls}
        if joined and stage.reverse:
            raise UserError(
                f"{where}: {stage.name!r}", "runs in reverse, so no call goes on where the one before ended",
                "leave --stateful out",
            )  # fmt: skip
        if joined and len(counts) > 1:
            raise UserError(f"{where} value {stage.x!r}", f"has {sorted(counts)} sequences", "keep their number")
        #: For each call and each of its sequences: row, first step, steps.
        self._spots: list[list[tuple[int, int, int]]] = []
        ends: list[int] = [0] * counts.pop() if joined else []
        for call in calls:
            spots = []
            for sequence, length in enumerate(call.lengths.tolist()):
                if joined:
                    spots.append((sequence, ends[sequence], length))
                    ends[sequence] += length
                else:
                    spots.append((len(ends), 0, length))
                    ends.append(length)
            self._spots.append(spots)
        self._ends = np.array(ends, dtype=np.int64)
        self._states = calls[:1] if joined else calls

    def input(self) -> StageInput:
        """All sequences, padded."""
        x = np.zeros((len(self._ends), int(self._ends.max(initial=0)), self._calls[0].x.shape[2]))
        for call, spots in zip(self._calls, self._spots, strict=True):
            for sequence, (row, start, length) in enumerate(spots):
                x[row, start : start + length] = self._ordered(call.x[:length, sequence])
        state = None
        if any(call.given for call in self._states):
            state = [self._state(index) for index in range(len(self._network.layers))]
        return StageInput(x, self._ends, state)

    def values(self, result: StageResult, kind: type[np.floating] | None = None) -> list[dict[str, npt.NDArray[Any]]]:
        """What the stage wrote in each call, by the graph's names: this direction's part, [T, N, H] and [N, H].

        In the type of x, or in another ``kind``.
        """
        initial = self.input().state
        found = []
        for call, spots in zip(self._calls, self._spots, strict=True):
            values: dict[str, npt.NDArray[Any]] = {}
            steps, count = call.x.shape[:2]
            for index, (names, (h, c)) in enumerate(zip(self._stage.recurrent_outputs, result.layers, strict=False)):
                units = h.shape[2]
                y = np.zeros((steps, count, units), kind or call.x.dtype)
                last = [np.zeros((count, units), kind or call.x.dtype) for _ in range(2)]
                for sequence, (row, start, length) in enumerate(spots):
                    y[:length, sequence] = self._ordered(h[row, start : start + length])
                    for end, trace, which in zip(last, (h, c), (0, 1), strict=True):
                        if start + length:
                            end[sequence] = trace[row, start + length - 1]
                        elif initial is not None:
                            end[sequence] = initial[index][which][row]
                values |= {name: value for name, value in zip(names, (y, *last), strict=True) if name}
            found.append(values)
        return found

    @property
    def kinds(self) -> list[np.dtype[Any]]:
        """Type of each call's x, and of what the stage writes there."""
        return [call.x.dtype for call in self._calls]

    def places(self) -> list[tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.int64]]]:
        """What the last recurrent node writes in each call, with a number of each row in the place of its units.

        Beside them the place of each number among all rows of the engine, int64; 0 is the number of none, which is -1.

        Raises
        ------
        UserError
            If the type of x does not hold as many numbers as a call has rows.
        """
        steps = int(self._ends.max(initial=0))
        names, recurrent = self._stage.recurrent_outputs[-1], len(self._stage.recurrent_outputs)
        units = self._network.layers[recurrent - 1].units
        rows = np.arange(1, len(self._ends) * steps + 1, dtype=np.float64).reshape(len(self._ends), steps, 1)
        given = np.broadcast_to(rows, (len(self._ends), steps, units))
        found = []
        for values, kind in zip(
            self.values(StageResult([(given, given)] * recurrent), np.float64), self.kinds, strict=True
        ):
            written = {name: values[name][..., :1] for name in names if name}
            numbered = np.unique(np.concatenate([[0.0], *(value.ravel() for value in written.values())]))
            check_row_count(len(numbered), kind, f"{self._where} value {self._stage.x!r}")
            own = {name: np.searchsorted(numbered, value).astype(kind) for name, value in written.items()}
            wide = {name: np.repeat(value, units, axis=-1) for name, value in own.items()}
            found.append((joined_values([self._stage], [wide]), numbered.astype(np.int64) - 1))
        return found

    def _ordered(self, steps: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return steps[::-1] if self._stage.reverse else steps

    def _state(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Initial h and c of a layer, float64 [N, H] each."""
        layer = self._network.layers[index]
        rows: list[tuple[FloatArray, FloatArray]] = []
        for call in self._states:
            own = initial_state(layer, call.x.shape[1])
            h, c = (
                mine if given is None else np.asarray(given, dtype=np.float64)
                for given, mine in zip(call.state[index], own, strict=True)
            )
            rows.append((h, c if layer.kind is Kind.LSTM else h))
        return np.concatenate([h for h, _ in rows]), np.concatenate([c for _, c in rows])


def joined_values(stages: Sequence[Stage], parts: Sequence[dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Those of Y, Y_h and Y_c that the parts of one or both directions have, as the nodes write them."""
    values = {}
    for names in stages[0].recurrent_outputs:
        for position, name in enumerate(names):
            if name not in parts[0]:
                continue
            stacked = np.stack([part[name] for part in parts], axis=-3 if position == 0 else 0)
            if stages[0].batch_first:
                stacked = stacked.transpose(2, 0, 1, 3) if position == 0 else stacked.swapaxes(0, 1)
            values[name] = stacked
    return values


def head_values(
    stage: Stage, places: npt.NDArray[np.int64], result: StageResult, where: str, kind: np.dtype[Any]
) -> dict[str, npt.NDArray[Any]]:
    """What the layers of a head write, put where the graph has the rows that they read.

    Parameters
    ----------
    stage : Stage
        With a head.
    places : int64 array
        Of the rows in ``stage.head``, among all rows of the engine.
    result : StageResult
    where : str
        The inputs, for messages.
    kind : dtype
        Of the values.
    """
    if places.min(initial=0) < 0:
        raise UserError(f"{where} value {stage.x!r}", "has no step", "give at least one")
    found = {}
    for name, (h, _) in zip(stage.head_outputs, result.layers[-stage.dense :], strict=True):
        rows = h.reshape(-1, h.shape[2])
        found[name] = np.moveaxis(rows[places], -1, stage.head_axis).astype(kind)
    return found


def check_row_count(count: int, kind: np.dtype[Any], where: str) -> None:
    """Refuse more rows than a type can number.

    Parameters
    ----------
    count : int
        With the number of no row.
    kind : dtype
        Of real numbers.
    where : str
        The value, for messages.

    Raises
    ------
    UserError
    """
    if count > 2 << np.finfo(kind).nmant:
        raise UserError(where, f"has {count - 1} rows in a call, more than {kind} numbers", "give shorter calls")


def row_numbers(order: npt.NDArray[Any], axis: int) -> npt.NDArray[np.int64]:
    """Numbers of rows from values that hold the number of their row along an axis."""
    return np.moveaxis(order, axis, -1)[..., 0].astype(np.int64)


def verdict_value(
    stage: Stage, places: npt.NDArray[np.int64], verdict: npt.NDArray[np.int64], bits: int
) -> npt.NDArray[Any]:
    """The value that a stage's verdict has in the graph: indices, int64, or whether each value is above the threshold.

    Parameters
    ----------
    stage : Stage
        With a verdict.
    places : int64 array
        Of the rows in ``stage.judged``, among all rows of the engine.
    verdict : int64 [N, T]
    bits : int
        Values of a row.
    """
    found: npt.NDArray[np.int64] = verdict.ravel()[places]
    if stage.picks:
        return np.expand_dims(found, stage.judged_axis) if stage.keeps else found
    above = found[..., None] >> np.arange(bits, dtype=np.int64) & 1
    return np.moveaxis(above.astype(np.bool_), -1, stage.judged_axis)
