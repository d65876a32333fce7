"""Running a plan: host parts in onnxruntime, stages on any engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.dense_run import DenseCalls, stage_calls
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.onnx_graph import Array, session
from lstmith.compiler.importers.parts import HostParts, dtype_of, run_session
from lstmith.compiler.importers.plan import Plan, Stage
from lstmith.compiler.importers.stage_run import (
    StageCalls,
    StageInput,
    StageResult,
    head_values,
    joined_values,
    row_numbers,
    verdict_value,
)
from lstmith.golden.network import FloatNetwork, float_verdicts, run_float
from lstmith.spec.errors import UserError

#: Runs a stage, by its index, over sequences.
StageEngine = Callable[[int, StageInput], StageResult]


class PlanRun:
    """A plan that can be run many times."""

    def __init__(self, plan: Plan, networks: tuple[FloatNetwork, ...]) -> None:
        self.plan, self._networks = plan, networks
        self._host = HostParts(plan.model)
        self._whole: Any = None

    def run(self, feeds: Feeds, engine: StageEngine | None = None) -> list[dict[str, Array]]:
        """The graph's outputs of every call, by name; none if not all inputs are there.

        Parameters
        ----------
        feeds : Feeds
        engine : callable or None
            None is float64.

        Raises
        ------
        UserError
            If the values do not suit the graph, or an output depends on an input that was not given.
        """
        plan, calls = self.plan, [dict(values) for values in feeds.values]
        for index, group in enumerate(plan.groups):
            self._run_part(index, calls)
            stages = [plan.stages[member] for member in group]
            if missing := sorted(name for call in calls for name in (stages[0].x,) if name not in call):
                raise UserError(
                    feeds.source,
                    f"does not lead to {missing[0]!r}, which {stages[0].name!r} reads",
                    f"give the graph's inputs {', '.join(plan.inputs)}",
                )
            results = []
            for member, stage in zip(group, stages, strict=True):
                network = self._networks[stage.program]
                sequences = stage_calls(stage, network, calls, feeds.source, joined=feeds.stateful)
                given = sequences.input()
                if given.x.shape[2] != network.inputs:
                    raise UserError(
                        f"{feeds.source} value {stage.x!r}",
                        f"has width {given.x.shape[2]}",
                        f"give the {network.inputs} inputs that {stage.name!r} takes",
                    )
                result = run_in_float(network, given) if engine is None else engine(member, given)
                results.append(sequences.values(result))
                if stage.dense:
                    heads = self._head(stage, sequences, result, calls, feeds.source)
            for call, *parts in zip(calls, *results, strict=True):
                call.update(joined_values(stages, parts))
            if stages[0].dense:
                for call, values in zip(calls, heads, strict=True):
                    call.update(values)
        if not feeds.whole:
            return [{} for _ in calls]
        self._run_part(len(plan.groups), calls)
        return [self._outputs(call, feeds) for call in calls]

    def _head(
        self,
        stage: Stage,
        sequences: StageCalls | DenseCalls,
        result: StageResult,
        calls: list[dict[str, Array]],
        where: str,
    ) -> list[dict[str, Array]]:
        """What a stage's head writes in each call; where the graph moves the rows of h is found with their numbers."""
        found = []
        for call, kind, (numbered, places) in zip(calls, sequences.kinds, sequences.places(), strict=True):
            given = {**call, **numbered}
            order = {**given, **self._host.run((stage.head,), given)}[stage.head]
            values = head_values(stage, places[row_numbers(order, stage.head_axis)], result, where, kind)
            if stage.verdict and result.verdict is not None:
                # Its own rows come from those that the last layer writes.
                first = np.moveaxis(np.moveaxis(order, stage.head_axis, -1)[..., :1], -1, stage.head_axis)
                numbers = {**given, stage.head_outputs[-1]: np.repeat(first, stage.units, stage.head_axis)}
                judged = {**numbers, **self._host.run((stage.judged,), numbers)}[stage.judged]
                rows = row_numbers(judged, stage.judged_axis)
                width = judged.shape[stage.judged_axis]
                values[stage.verdict] = verdict_value(stage, places[rows], result.verdict, width)
            found.append(values)
        return found

    def reference(self, feeds: Feeds) -> list[dict[str, Array]] | None:
        """The same by onnxruntime alone; None where it cannot.

        It cannot run graphs that it refuses (some exporters write states of other shapes), nor a graph that keeps
        its state but does not return all of it. State inputs that are not given start at zero.
        """
        if not feeds.whole or (feeds.stateful and len(self.plan.state_pairs) < len(self.plan.state_inputs)):
            return None
        if self._whole is None:
            self._whole = session(self.plan.model)  # what it cannot run at all was refused when the plan was made
        names = [value.name for value in self._whole.get_outputs()]
        found: list[dict[str, Array]] = []
        for values in feeds.values:
            given = dict(values)
            for name in self.plan.state_inputs:
                given.setdefault(name, self._zero(name, values))
            if feeds.stateful and found:
                given |= {name: found[-1][output] for output, name in self.plan.state_pairs}
            try:
                found.append(run_session(self._whole, given, names))
            except UserError:
                return None
        return [{name: values[name] for name in self.plan.outputs} for values in found]

    def _run_part(self, index: int, calls: list[dict[str, Array]]) -> None:
        for call in calls:
            call.update(self._host.run(self.plan.parts[index], call))
            for condition in self.plan.conditions:
                if condition.name in self.plan.parts[index] and condition.name in call:
                    check_condition(condition.node, call[condition.name], condition.value, self.plan)

    def _outputs(self, call: dict[str, Array], feeds: Feeds) -> dict[str, Array]:
        if missing := [name for name in self.plan.outputs if name not in call]:
            raise UserError(
                f"{feeds.source}: output {missing[0]!r}",
                "depends on an initial state that was not given",
                f"give {', '.join(self.plan.state_inputs)}",
            )
        return {name: call[name] for name in self.plan.outputs}

    def _zero(self, name: str, values: dict[str, Array]) -> Array:
        """A zero state; sizes that vary are the number of sequences."""
        count = self.plan.sequences or self._count(values)
        shape = [size if isinstance(size, int) else count for size in self.plan.shape_of(name)]
        return np.zeros(shape, dtype_of(self.plan.graph_types[name].elem_type))

    def _count(self, values: dict[str, Array]) -> int:
        stage = self.plan.stages[0]
        found = {**values, **self._host.run((stage.x,), values)}
        return int(found[stage.x].shape[stage.batch_axis]) if stage.x in found else 1


def run_in_float(network: FloatNetwork, given: StageInput) -> StageResult:
    """A stage in float64."""
    trace = run_float(network, given.x, given.state)
    return StageResult(list(zip(trace.h, trace.c, strict=True)), float_verdicts(network.layers[-1], trace.h[-1]))


def check_condition(node: str, found: npt.NDArray[Any], wanted: bool, plan: Plan) -> None:
    """Refuse inputs that lead to a branch that was not planned."""
    if bool(found.all()) is not wanted:
        raise UserError(
            f"inputs {', '.join(plan.inputs)}",
            f"lead the graph past the compiled layers ({node!r} takes its other branch)",
            "choose the layers of that branch with --layer",
        )
