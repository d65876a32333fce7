"""A whole graph on an engine: its stages one after the other, the rest on the host; results and figures of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.calls import stage_sequences
from lstmith.compiler.design import Design
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.plan import Plan, Stage
from lstmith.compiler.importers.plan_run import PlanRun, run_in_float
from lstmith.compiler.importers.stage_run import StageInput, StageResult
from lstmith.compiler.remarks import TOLERANCE
from lstmith.compiler.run_result import RESULTS, VERDICTS, RunResult
from lstmith.golden.network import FloatArray
from lstmith.host.request import RunRequest, make_request
from lstmith.host.results import EngineRun, cycle_figures
from lstmith.spec.codes import Verdict
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import QuantLayer

Outputs = dict[str, npt.NDArray[Any]]
#: Runs a request on an engine: the request as it was run, what came of it, its figures, and what a board verified.
RunStage = Callable[[RunRequest], tuple[RunRequest, EngineRun, dict[str, Any], str]]

#: Figures of stages that add up, and those of which the largest counts.
_SUMS = (
    *("cycles", "predicted_cycles", "mismatches", "cycle_mismatches", "seconds"),
    *("clipped_inputs", "saturated", "weight_bits", "skipped_steps", "restarts"),
)
_LARGEST = ("max_abs_error", "mean_abs_error", "clipped_input_fraction", "saturated_fraction")


@dataclass(frozen=True)
class _StageRun:
    stage: Stage
    request: RunRequest
    run: EngineRun
    figures: dict[str, Any]
    verified: str

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of Y.npz, [N, T, ...], in the order of time."""
        found = self.run.arrays()
        if not self.stage.reverse:
            return found
        turned = {}
        for name, array in found.items():
            turned[name] = np.zeros_like(array)
            for row, length in enumerate(self.request.lengths.tolist()):
                turned[name][row, :length] = array[row, :length][::-1]
        return turned


def run_graph(
    design: Design, feeds: Feeds, engine: str, policies: Callable[[Design], list[Policy]], run_stage: RunStage
) -> RunResult:
    """Run calls of a design's graph.

    Parameters
    ----------
    design : Design
        With a graph.
    feeds : Feeds
    engine : str
    policies : callable
        The policies of a program, selected in the design.
    run_stage : callable
        Runs a request on the engine.

    Returns
    -------
    RunResult
        ``arrays`` holds one array per graph output too, [calls, ...]; ``figures`` has ``outputs`` and ``placement``,
        and ``stages`` if there are several.

    Raises
    ------
    UserError
        If the values do not suit the graph.
    """
    plan = design.graph
    assert plan is not None
    networks = tuple(program.source for program in design.programs)
    runs: dict[int, _StageRun] = {}

    def on_engine(index: int, given: StageInput) -> StageResult:
        stage = plan.stages[index]
        network, chosen = networks[stage.program], design.select(stage.program)
        request = make_request(chosen, stage_sequences([given], network, feeds.source), policies(chosen))
        request, run, figures, verified = run_stage(request)
        runs[index] = _StageRun(stage, request, run, figures, verified)
        if engine == "float":
            return run_in_float(network, given)
        pairs = zip(run.network.layers, run.layers, strict=True)
        states = [(_real(layer, found.h, layer.h_lsb), _real(layer, found.c, layer.c_lsb)) for layer, found in pairs]
        judged = run.network.layers[-1].verdict is not Verdict.NONE
        return StageResult(states, run.layers[-1].verdict if judged else None)

    planned = PlanRun(plan, networks)
    outputs = _stacked(planned.run(feeds, on_engine), feeds.source)
    wanted = planned.reference(feeds) if outputs else None
    reference = _stacked(planned.run(feeds) if wanted is None else wanted, feeds.source)
    ordered = [runs[index] for index in sorted(runs)]
    result = RunResult.of(_joined(ordered, plan), _figures(ordered), single=len(ordered[-1].request.x) == 1)
    figures = {
        **result.figures,
        "outputs": {name: _error(outputs[name], reference[name]) for name in outputs if name in reference},
        "reference": "float" if wanted is None else "onnxruntime",
        "placement": plan.placement_figures,
    }
    figures["remarks"] = [*figures["remarks"], *_saturated_outputs(plan, ordered, figures["outputs"], feeds.source)]
    verified = "; ".join(dict.fromkeys(run.verified for run in ordered if run.verified))
    named = {f"output {name}" if name in {**RESULTS, **VERDICTS} else name: value for name, value in outputs.items()}
    return replace(result, arrays={**result.arrays, **named}, figures=figures, verified=verified)


def _real(layer: QuantLayer, values: npt.NDArray[np.int64], lsb: float) -> FloatArray:
    """States as real numbers, units in the source's order."""
    return layer.to_source(values).astype(np.float64) * lsb


def _stacked(calls: Sequence[Outputs], source: str) -> Outputs:
    """Outputs of all calls with a leading axis of calls; text as fixed-width strings."""
    found = {}
    for name in calls[0]:
        values = [call[name] for call in calls]
        shapes = {value.shape for value in values}
        if len(shapes) > 1:
            told = " and ".join(str(list(shape)) for shape in sorted(shapes)[:2])
            raise UserError(f"{source}: output {name!r}", f"has shapes {told}", "run calls of one shape at a time")
        stacked = np.stack(values)
        found[name] = stacked.astype(str) if stacked.dtype == object else stacked
    return found


def _error(found: npt.NDArray[Any], reference: npt.NDArray[Any]) -> dict[str, Any]:
    """How far an output is from the reference; of integers and text also how many values differ."""
    if found.dtype.kind == "U":
        return {
            "max_abs_error": None,
            "mean_abs_error": None,
            "range": None,
            "differing": int((found != reference).sum()),
        }
    ours, theirs = found.astype(np.float64), reference.astype(np.float64)
    error = np.abs(ours - theirs)
    span = [float(theirs.min(initial=np.inf)), float(theirs.max(initial=-np.inf))] if theirs.size else [0.0, 0.0]
    figures: dict[str, Any] = {
        "max_abs_error": float(error.max(initial=0.0)),
        "mean_abs_error": float(error.mean()) if error.size else 0.0,
        "range": span,
    }
    return figures if found.dtype.kind == "f" else {**figures, "differing": int(np.count_nonzero(error))}


def _saturated_outputs(plan: Plan, runs: list[_StageRun], errors: dict[str, Any], source: str) -> list[str]:
    """Outputs that are off because cell states, which they are made of, stand at the limit of their format."""
    found = []
    for run in runs:
        count, cells = run.figures["saturated"], {cells for _, _, cells in run.stage.recurrent_outputs if cells}
        real = [name for name in _made_of(plan, cells) if "differing" not in errors.get(name, {"differing": 0})]
        for name in real if count else []:
            largest, (low, high) = errors[name]["max_abs_error"], errors[name]["range"]
            if largest > TOLERANCE * (high - low):
                found.append(
                    f"{source}: output {name!r} is off by up to {largest:.2g}, of a range of {low:.4g} to {high:.4g}, "
                    f"since {count} cell states of {run.stage.name!r} stand at the limit of their format; h hardly "
                    "changes there, but what reads the cell state itself should not rely on it"
                )
    return found


def _made_of(plan: Plan, values: set[str]) -> list[str]:
    """The graph's outputs that are computed from some values, in order of the graph."""
    known = set(values)
    for node in plan.model.graph.node:
        if known.intersection(node.input):
            known.update(node.output)
    return [name for name in plan.outputs if name in known]


def _joined(runs: list[_StageRun], plan: Plan) -> dict[str, npt.NDArray[Any]]:
    """The arrays of all stages: layers side by side, cycles added, h of the last node in each of its directions."""
    shape = tuple(max(run.request.x.shape[axis] for run in runs) for axis in (0, 1))
    by_stage = [{name: _padded(array, shape) for name, array in run.arrays().items()} for run in runs]
    last = [by_stage[index] for index in plan.groups[-1]]
    joined: dict[str, npt.NDArray[Any]] = {}
    for name in by_stage[-1]:
        found = [arrays[name] for arrays in by_stage if name in arrays]
        if name == "cycles":
            joined[name] = np.sum(found, axis=0)
        elif name == "verdict":
            joined[name] = last[-1][name]
        elif name in ("h", "h_int", "c_int"):
            joined[name] = np.concatenate([arrays[name] for arrays in last], axis=2)
        else:
            joined[name] = np.concatenate(found, axis=2)
    return joined


def _padded(array: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    missing = [(0, size - have) for size, have in zip(shape, array.shape, strict=False)]
    return np.pad(array, missing + [(0, 0)] * (array.ndim - len(missing)))


def _figures(runs: list[_StageRun]) -> dict[str, Any]:
    """Figures of all stages together; of a single one its own."""
    first, *others = [run.figures for run in runs]
    if not others:
        return first
    every = [first, *others]
    figures = dict(runs[-1].figures)
    counters = [name for name in first if name.startswith(("words_", "macs_"))]
    for name in (name for name in (*_SUMS, *counters) if name in first):
        values = [each[name] for each in every]
        figures[name] = None if None in values else sum(values)
    figures |= {name: max(each[name] for each in every) for name in _LARGEST}
    figures["remarks"] = [f"{run.stage.name}: {text}" for run in runs for text in run.figures["remarks"]]
    if figures["cycles"] is not None:
        shape = tuple(max(run.request.x.shape[axis] for run in runs) for axis in (0, 1))
        cycles = np.sum([_padded(run.arrays()["cycles"], shape) for run in runs], axis=0)
        figures |= cycle_figures(cycles[cycles > 0])
        figures["utilisation"] = sum(each["utilisation"] * each["cycles"] for each in every) / figures["cycles"]
        figures["cycles_per_second"] = figures["cycles"] / figures["seconds"]
        spent = {name for each in every for name in each["spent"]}
        figures["spent"] = {name: sum(each["spent"].get(name, 0) for each in every) for name in sorted(spent)}
    figures["energy"] = None
    figures["stages"] = [
        {"name": run.stage.name, "program": run.stage.program, "reverse": run.stage.reverse, **run.figures}
        for run in runs
    ]
    return figures
