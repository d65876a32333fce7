"""What a model makes of h: the part of its graph after the LSTM, for metrics that need it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from lstmith.compiler.importers.host_graph import Carried, HostGraph
from lstmith.compiler.importers.plan import Plan
from lstmith.spec.errors import UserError

Float32 = npt.NDArray[np.float32]

_OTHER = "use --metric h_error, or module:function for one of your own"


class Head:
    """The first output that depends on the LSTM, as a function of h.

    Truth values may go past the LSTM: they only tell an exported squeeze what shape it has, so the first ones that
    give an output are right. Anything else that goes past it would have to come from the graph's own inputs.

    Parameters
    ----------
    plan : Plan or None
    where : str
        The design, for messages.

    Raises
    ------
    UserError
        If there is no plan, its graph has several stages, or it needs more than h.
    """

    def __init__(self, plan: Plan | None, where: str):
        if plan is None:
            raise UserError(where, "holds no graph after the LSTM, which the metric needs", _OTHER)
        self._graph, self._where = HostGraph(plan), where
        if not self._graph.outputs:
            raise UserError(where, "holds no graph after the LSTM, which the metric needs", _OTHER)
        self._carried: Carried | None = None
        if self._graph.reads_cell:
            raise UserError(where, f"has a graph that needs {plan.stages[0].outputs[-1][2]!r} beside h", _OTHER)
        for name in self._graph.carried:
            if self._graph.element_type(name) != TensorProto.BOOL:
                raise UserError(where, f"has a graph that needs {name!r} beside h", _OTHER)
        self._flags = self._graph.carried

    def __call__(self, h: Float32) -> Float32:
        """Output of one sequence: h [T, H] to [T, C], or to [1, C] if the graph judges whole sequences."""
        if self._carried is not None:
            return self._output(h, self._carried)
        refusal = ""
        for carried in self._guesses(len(h)):
            try:
                output = self._output(h, carried)
            except UserError as error:
                refusal = error.problem
                continue
            if len(output) in (1, len(h)):
                if len(carried.calls) == 1:
                    self._carried = carried
                return output
        raise UserError(self._where, f"has a graph that cannot be run on h alone ({refusal or 'shape'})", _OTHER)

    def _guesses(self, steps: int) -> Iterator[Carried]:
        for values in itertools.product((False, True), repeat=len(self._flags)):
            flags = {name: np.array(value) for name, value in zip(self._flags, values, strict=True)}
            yield Carried((flags,))
            if self._graph.plan.one_step:
                yield Carried((flags,) * steps)

    def _output(self, h: Float32, carried: Carried) -> Float32:
        found = np.asarray(self._graph.after(h[None], carried)[self._graph.outputs[0]], dtype=np.float32)
        if found.ndim and found.shape[0] == 1 and found.ndim > 2:
            found = found[0]
        return found.reshape(len(found) if found.ndim else 1, -1)
