"""Rows that a stage of dense layers alone runs over, as sequences of an engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.plan import DENSE, Stage
from lstmith.compiler.importers.stage_run import StageCalls, StageInput, StageResult, check_row_count, read_call
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError


class DenseCalls:
    """The calls of a stage without recurrent layers: every row that it reads is a step.

    Rows that the graph has by time and sequence are sequences of the engine too, since neighbours in time change less.
    Otherwise, or with ``joined``, all rows of a call, or of all calls, are one sequence: no step depends on another.

    Parameters
    ----------
    stage : Stage
    calls : list of array
        What the first layer reads in each call; a row lies along ``stage.head_axis``.
    where : str
        The inputs, for messages.
    joined : bool

    Raises
    ------
    UserError
        If a value has no rows, too many, or one of them is not finite.
    """

    def __init__(self, stage: Stage, calls: list[npt.NDArray[Any]], where: str, *, joined: bool) -> None:
        self._stage, self._calls, self._joined = stage, calls, joined
        spot = f"{where} value {stage.x!r}"
        for value in calls:
            if not value.size:
                raise UserError(spot, f"has shape {list(value.shape)}, without a row", "give at least one step")
            if not np.isfinite(value).all():
                raise UserError(spot, "holds NaN or infinity", "give finite inputs")
            check_row_count(value.size // value.shape[stage.head_axis] + 1, value.dtype, spot)

    def input(self) -> StageInput:
        """All rows, padded."""
        rows = [self._arranged(value).astype(np.float64) for value in self._calls]
        if self._joined:
            rows = [np.concatenate(rows, axis=1)]
        lengths = np.repeat([each.shape[1] for each in rows], [len(each) for each in rows])
        longest = int(lengths.max())
        x = [np.pad(each, ((0, 0), (0, longest - each.shape[1]), (0, 0))) for each in rows]
        return StageInput(np.concatenate(x), lengths, None)

    def values(self, result: StageResult) -> list[dict[str, npt.NDArray[Any]]]:
        """What recurrent nodes write in each call: nothing."""
        return [{} for _ in self._calls]

    @property
    def kinds(self) -> list[np.dtype[Any]]:
        """Type of what the stage reads, and writes, in each call."""
        return [value.dtype for value in self._calls]

    def places(self) -> list[tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.int64]]]:
        """What the first layer reads in each call, with a number of each row in its place.

        Beside them the place of each number among all rows of the engine, int64.
        """
        shapes = [self._arranged(value).shape[:2] for value in self._calls]
        longest = sum(steps for _, steps in shapes) if self._joined else max(steps for _, steps in shapes)
        found, start = [], 0
        for value, (sequences, steps) in zip(self._calls, shapes, strict=True):
            rows = np.moveaxis(value, self._stage.head_axis, -1)
            order = np.broadcast_to(np.arange(rows[..., 0].size).reshape(*rows.shape[:-1], 1), rows.shape)
            engine = start + np.arange(sequences)[:, None] * longest + np.arange(steps)
            places = np.empty(sequences * steps, dtype=np.int64)
            places[self._arranged(np.moveaxis(order, -1, self._stage.head_axis))[..., 0]] = engine
            numbered = np.moveaxis(order.astype(value.dtype), -1, self._stage.head_axis)
            found.append(({self._stage.head: numbered}, places))
            start += steps if self._joined else sequences * longest
        return found

    def _arranged(self, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Rows as sequences, [N, T, K]."""
        rows = np.moveaxis(value, self._stage.head_axis, -1)
        if self._joined or self._stage.time < 0:
            return rows.reshape(1, -1, rows.shape[-1])
        return rows.swapaxes(0, 1) if self._stage.time == 0 else rows


def stage_calls(
    stage: Stage, network: FloatNetwork, calls: list[dict[str, npt.NDArray[Any]]], where: str, *, joined: bool
) -> StageCalls | DenseCalls:
    """What a stage runs over in these calls.

    Parameters
    ----------
    stage : Stage
    network : FloatNetwork
        Its program.
    calls : list of dict
        For each call of the graph, the values that are known.
    where : str
        The inputs, for messages.
    joined : bool
        Whether a call goes on where the one before ended.

    Raises
    ------
    UserError
        If a value does not suit the stage.
    """
    if stage.kind == DENSE:
        return DenseCalls(stage, [np.asarray(call[stage.x]) for call in calls], where, joined=joined)
    return StageCalls(stage, network, [read_call(stage, call, where) for call in calls], where, joined=joined)
