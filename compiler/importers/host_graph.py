"""Running the parts of a model around its LSTM on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.onnx_graph import Array, session
from lstmith.compiler.importers.split_graph import SplitGraph
from lstmith.spec.errors import UserError

Float32 = npt.NDArray[np.float32]

_NUMPY_TYPES = {"float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Carried:
    """What goes past the LSTM from `HostGraph.before` to `HostGraph.after`: one set of values per call of the graph."""

    calls: tuple[dict[str, Array], ...]


class HostGraph:
    """The halves of a split model in onnxruntime, one thread each.

    A graph that runs one step per call (``split.one_step``) takes the frames of one sequence along the first axis of
    its inputs, as if they were a batch, and gives them back along T. If each call runs several sequences
    (``split.sequences``), its inputs have a leading axis of calls instead: ``[calls, *shape]``, or ``[calls, *rest]``
    where the shape is ``[1, *rest]``. Calls are time. Any other graph takes its inputs as they are.
    """

    def __init__(self, split: SplitGraph) -> None:
        self.split = split
        self._before = session(split.before)
        self._after = session(split.after) if split.outputs else None
        self._before_types = {value.name: _dtype(value.type) for value in self._before.get_inputs()}
        self._after_types = (
            {value.name: _dtype(value.type) for value in self._after.get_inputs()} if self._after else {}
        )
        # A graph exported for batch size 1 cannot take the frames at once.
        self._side_by_side = split.one_step and (split.sequences or 1) > 1
        self._framewise = self._side_by_side or (
            split.one_step and any(value.shape and value.shape[0] == 1 for value in self._before.get_inputs())
        )
        halves = [half for half in (self._before, self._after) if half]
        self._shapes = {value.name: value.shape for half in halves for value in half.get_inputs()}

    def before(self, feeds: Mapping[str, Array]) -> tuple[Float32, Carried]:
        """Run everything before the LSTM.

        Parameters
        ----------
        feeds : mapping
            An array for each of ``split.inputs``.

        Returns
        -------
        x : float32 [N, T, I]
            For a graph that runs one step per call, T is its number of frames, and N is 1 or ``split.sequences``.
        carried : Carried
            To be handed to `after`.
        """
        for name in self.split.inputs:
            if name not in feeds:
                raise UserError(f"input {name!r}", "is missing", f"the model needs {', '.join(self.split.inputs)}")
        calls = [self._call(feeds) for feeds in self._frames(feeds)] if self._framewise else [self._call(feeds)]
        batch_is_time = self.split.one_step and not self._framewise
        parts = [x.swapaxes(0, 1) if batch_is_time else x for x, _ in calls]
        return np.concatenate(parts, axis=1), Carried(tuple(values for _, values in calls))

    def after(self, h: npt.NDArray[Any], carried: Carried, c: npt.NDArray[Any] | None = None) -> dict[str, Array]:
        """Run everything after the LSTM.

        Parameters
        ----------
        h : float [N, T, H]
            The last layer's output for the ``x`` of `before`.
        carried : Carried
            From the same call of `before`.
        c : float [N, T, H], optional
            The last layer's cell state; needed if a graph output depends on it.

        Returns
        -------
        dict
            ``split.outputs`` and ``split.direct_outputs`` by name. Of a graph for batch size 1 that ran frame by
            frame, the frames are joined along the first axis; of one with several sequences per call, they are
            stacked along a new first axis.
        """
        if c is None and self.split.lstm_outputs[2] in self._after_types:
            raise UserError("the part after the LSTM", "reads the cell state", "give c as well as h")
        if self.split.one_step and not self._side_by_side and len(carried.calls) == 1:
            h, c = h.swapaxes(0, 1), None if c is None else c.swapaxes(0, 1)
        pieces = np.split(h, len(carried.calls), axis=1)
        cells = [None] * len(pieces) if c is None else np.split(c, len(pieces), axis=1)
        results = [self._finish(*call) for call in zip(pieces, cells, carried.calls, strict=True)]
        if self._side_by_side:
            return {name: np.stack([result[name] for result in results]) for name in results[0]}
        if len(results) == 1:
            return results[0]
        return {name: np.concatenate([np.atleast_1d(result[name]) for result in results]) for name in results[0]}

    def _frames(self, feeds: Mapping[str, Array]) -> list[dict[str, Array]]:
        """The feeds of each call; scalars are the same for all."""
        arrays = {name: self._by_call(name, np.asarray(feeds[name])) for name in self.split.inputs}
        counts = {array.shape[0] for array in arrays.values() if array.ndim}
        if len(counts) != 1:
            raise UserError(
                f"inputs {', '.join(arrays)}",
                f"have {sorted(counts)} frames",
                "give all of them the same number of frames, along the first axis",
            )
        return [
            {name: array[i] if array.ndim else array for name, array in arrays.items()} for i in range(counts.pop())
        ]

    def _by_call(self, name: str, array: Array) -> Array:
        """An input with a leading axis of calls; scalars as they are."""
        shape = self._shapes.get(name, array.shape)
        if not self._side_by_side:
            return array[:, None] if array.ndim else array
        if array.ndim == len(shape) and array.ndim and shape[0] == 1:
            return array[:, None]
        if array.ndim not in (0, len(shape) + 1):
            raise UserError(f"input {name!r}", f"has shape {list(array.shape)}", f"give [calls, {_list(shape)}]")
        return array

    def _call(self, feeds: Mapping[str, Array]) -> tuple[Float32, dict[str, Array]]:
        given = {name: np.asarray(feeds[name], dtype) for name, dtype in self._before_types.items()}
        values = _run(self._before, given)
        for condition in self.split.conditions:
            if bool(values[condition.name].all()) is not condition.value:
                raise UserError(
                    f"inputs {', '.join(self.split.inputs)}",
                    f"lead the graph past the compiled LSTM ({condition.node!r} takes its other branch)",
                    "choose the LSTM of that branch with --layer",
                )
        x = values.pop(self.split.x_name)
        carried = {name: values[name] if name in values else np.asarray(feeds[name]) for name in self.split.carried}
        direct = {name: values[name] for name in self.split.direct_outputs}
        return np.asarray(x if self.split.batch_first else x.swapaxes(0, 1), np.float32), {**carried, **direct}

    def _finish(
        self, h: npt.NDArray[Any], c: npt.NDArray[Any] | None, carried: Mapping[str, Array]
    ) -> dict[str, Array]:
        """One call: h and c are [N, T, H]."""
        direct = {name: carried[name] for name in self.split.direct_outputs}
        if self._after is None:
            return direct
        last_h, last_c = h[:, -1:], None if c is None else c[:, -1:]
        sequence = h[:, :, None]
        outputs = (sequence, last_h, last_c)
        if not self.split.batch_first:
            outputs = (sequence.transpose(1, 2, 0, 3), last_h.swapaxes(0, 1), None if c is None else c[:, -1][None])
        values = {**dict(zip(self.split.lstm_outputs, outputs, strict=True)), **carried}
        given = {name: np.asarray(values[name], dtype) for name, dtype in self._after_types.items()}
        return {**_run(self._after, given), **direct}


def _list(shape: Sequence[int | str | None]) -> str:
    return ", ".join("?" if size is None else str(size) for size in shape)


def _dtype(kind: str) -> str:
    """NumPy's name of onnxruntime's ``tensor(...)``."""
    inner = kind.removeprefix("tensor(").removesuffix(")")
    return _NUMPY_TYPES.get(inner, inner)


def _run(graph: Any, feeds: dict[str, Array]) -> dict[str, Array]:
    names = [value.name for value in graph.get_outputs()]
    try:
        return dict(zip(names, graph.run(names, feeds), strict=True))
    except Exception as error:  # onnxruntime has no common exception class
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in feeds.items())
        reason = " ".join(str(error).split())
        raise UserError(
            f"inputs {shapes}", f"do not suit the model ({reason})", "give the shapes the model was exported for"
        ) from error
