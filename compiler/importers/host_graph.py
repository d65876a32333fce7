"""Running what stands around the only stage of a plan, frame by frame, on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.onnx_flatten import prune
from lstmith.compiler.importers.onnx_graph import Array, Scope, cut, model_like
from lstmith.compiler.importers.parts import HostParts, dtype_of
from lstmith.compiler.importers.plan import Plan
from lstmith.compiler.importers.plan_run import check_condition
from lstmith.spec.errors import UserError

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Carried:
    """What goes past the LSTM from `HostGraph.before` to `HostGraph.after`: one set of values per call of the graph."""

    calls: tuple[dict[str, Array], ...]


class HostGraph:
    """What stands around the only stage of a plan, in onnxruntime, one thread each: before and after it.

    A graph that runs one step per call (``plan.one_step``) takes the frames of one sequence along the first axis of
    its inputs, as if they were a batch, and gives them back along T. If each call runs several sequences
    (``plan.sequences``), its inputs have a leading axis of calls instead: ``[calls, *shape]``, or ``[calls, *rest]``
    where the shape is ``[1, *rest]``. Calls are time. Any other graph takes its inputs as they are. The caller's state
    takes no part: the engine keeps it.

    Attributes
    ----------
    outputs : tuple of str
        Graph outputs that depend on the stage and are more than its final state.
    direct_outputs : tuple of str
        Graph outputs that do not depend on it.
    carried : tuple of str
        Values that go past the stage to `after`.

    Raises
    ------
    UserError
        If the plan has several stages, or its stage has a head, runs in reverse, over lengths or from states that the
        graph computes; `PlanRun` runs those.
    """

    def __init__(self, plan: Plan) -> None:
        [stage, *others] = plan.stages
        computed = {name for pair in stage.states for name in pair if name} and not plan.state_inputs
        if others or stage.reverse or stage.lengths or computed or stage.dense:
            raise UserError(
                f"graph {plan.model.graph.name!r}",
                "has more to its stages than a part before and a part after one",
                "run it whole, with 'lstmith run' or PlanRun",
            )
        self.plan, self._stage = plan, stage
        made, constants = plan.stage_values, {tensor.name for tensor in plan.model.graph.initializer}
        self.direct_outputs = tuple(
            name for name in plan.outputs if name in {*plan.parts[0], *plan.inputs, *constants} and name not in made
        )
        self.outputs = tuple(name for name in plan.outputs if name not in {*self.direct_outputs, *plan.state_outputs})
        # Exporters let one If return h and c together; pruned, what reads h alone does not read c.
        graph = prune(plan.model.graph, list(self.outputs))
        needed = cut(Scope(graph), self.outputs, lambda _, name: name in made or name in plan.parts[0]).inputs
        self.carried = tuple(name for name in needed if name not in made)
        self._needed = set(needed)
        self._before = HostParts(plan.model)
        self._after = HostParts(model_like(plan.model, graph))
        self._types = {name: dtype_of(kind.elem_type) for name, kind in plan.graph_types.items()}
        self._wanted = tuple(dict.fromkeys((stage.x, *plan.parts[0])))
        shapes = {name: plan.shape_of(name) for name in plan.inputs}
        self._shapes = shapes
        # A graph exported for batch size 1 cannot take the frames at once.
        self._side_by_side = plan.one_step and (plan.sequences or 1) > 1
        self._framewise = self._side_by_side or (
            plan.one_step and any(shape and shape[0] == 1 for shape in shapes.values())
        )

    @property
    def reads_cell(self) -> bool:
        """Whether `after` needs c."""
        return self._stage.outputs[-1][2] in self._needed

    def element_type(self, name: str) -> int:
        """ONNX element type of a value of the graph; 0 if it is not known."""
        value = Scope(self.plan.model.graph).type_of(name)
        return 0 if value is None else int(value.type.tensor_type.elem_type)

    def before(self, feeds: Mapping[str, Array]) -> tuple[Float32, Carried]:
        """Run everything before the LSTM.

        Parameters
        ----------
        feeds : mapping
            An array for each of ``plan.inputs``.

        Returns
        -------
        x : float32 [N, T, I]
            For a graph that runs one step per call, T is its number of frames, and N is 1 or ``plan.sequences``.
        carried : Carried
            To be handed to `after`.
        """
        for name in self.plan.inputs:
            if name not in feeds:
                raise UserError(f"input {name!r}", "is missing", f"the model needs {', '.join(self.plan.inputs)}")
        calls = [self._call(feeds) for feeds in self._frames(feeds)] if self._framewise else [self._call(feeds)]
        batch_is_time = self.plan.one_step and not self._framewise
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
            ``outputs`` and ``direct_outputs`` by name. Of a graph for batch size 1 that ran frame by
            frame, the frames are joined along the first axis; of one with several sequences per call, they are
            stacked along a new first axis.
        """
        if c is None and self.reads_cell:
            raise UserError("the part after the LSTM", "reads the cell state", "give c as well as h")
        if self.plan.one_step and not self._side_by_side and len(carried.calls) == 1:
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
        arrays = {name: self._by_call(name, np.asarray(feeds[name])) for name in self.plan.inputs}
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
        given = {name: np.asarray(feeds[name], self._types[name]) for name in self.plan.inputs}
        values = {**given, **self._before.run(self._wanted, given)}
        for condition in self.plan.conditions:
            if condition.name in values:
                check_condition(condition.node, values[condition.name], condition.value, self.plan)
        x = values[self._stage.x]
        past = {name: values[name] for name in (*self.carried, *self.direct_outputs) if name in values}
        return np.asarray(x if self._stage.batch_first else x.swapaxes(0, 1), np.float32), past

    def _finish(
        self, h: npt.NDArray[Any], c: npt.NDArray[Any] | None, carried: Mapping[str, Array]
    ) -> dict[str, Array]:
        """One call: h and c are [N, T, H]."""
        last_h, last_c = h[:, -1:], None if c is None else c[:, -1:]
        sequence = h[:, :, None]
        outputs = (sequence, last_h, last_c)
        if not self._stage.batch_first:
            outputs = (sequence.transpose(1, 2, 0, 3), last_h.swapaxes(0, 1), None if c is None else c[:, -1][None])
        made = zip(self._stage.outputs[-1], outputs, strict=True)
        values = {name: np.asarray(value, np.float32) for name, value in made if name and value is not None}
        values |= carried
        values |= self._after.run(self.outputs, values)
        return {name: values[name] for name in (*self.outputs, *self.direct_outputs)}


def _list(shape: Sequence[int | str | None]) -> str:
    return ", ".join("?" if size is None else str(size) for size in shape)
