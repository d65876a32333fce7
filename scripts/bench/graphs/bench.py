"""One whole graph at 16-bit weights and operands against onnxruntime, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from lstmith.compiler.design import Design
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.plan import Plan
from lstmith.compiler.importers.plan_run import PlanRun
from lstmith.compiler.pipeline import compile_model
from lstmith.host.runner import read_input
from lstmith.scripts.bench.graphs.cases import Case, about
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.refused import REFUSED

SEED = 17
#: Mean error of an output, of its range, that counts as right.
LIMIT = 1e-3
#: What users decide by an output that such a node writes.
_DECIDES = {"Softmax": "argmax", "LogSoftmax": "argmax", "Sigmoid": "threshold"}
_HALF = 0.5


def measure(case: Case, path: Path) -> dict[str, Any]:
    """A case as JSON values.

    Parameters
    ----------
    case : Case
    path : Path
        Where the graph is written.

    Returns
    -------
    dict
        ``about``, ``layers`` and ``programs`` on the core, ``nodes`` by place, ``steps`` and ``cycles`` of the golden
        model, ``reference``, ``mean_error`` and ``largest_error`` of the worst output, of its range, ``state_error``,
        the mean one of outputs that the next call reads, how many cell states are ``saturated``, ``decisions`` and how
        many of them ``differ``, ``right``.
    """
    known, asked = case.write(path, np.random.default_rng(SEED))
    design = compile_model(
        path, known, precision=16, target="generic", lanes=case.lanes, head=case.head, stateful=case.stateful
    )
    assert design.graph is not None
    feeds = read_input(design, asked, stateful=case.stateful)
    assert isinstance(feeds, Feeds)
    result = design.run(feeds, "golden")
    errors = {
        name: error_of_range(error) for name, error in result.figures["outputs"].items() if "differing" not in error
    }
    carried = {output for output, _ in design.graph.state_pairs} if case.stateful else set()
    states = [errors.pop(name)[0] for name in carried & errors.keys()]
    decided, differ = decisions(case, path, result.arrays, wanted_outputs(design, design.graph, feeds))
    mean = max((each[0] for each in errors.values()), default=None)
    return {
        "about": case.about,
        "layers": kinds(design),
        "programs": len(design.programs),
        "nodes": dict(Counter(item.where for item in design.graph.placement)),
        "steps": int((result.cycles > 0).sum()),
        "cycles": result.figures["cycles"],
        "reference": result.figures["reference"],
        "mean_error": mean,
        "largest_error": max((each[1] for each in errors.values()), default=None),
        "state_error": max(states, default=None),
        "saturated": result.figures["saturated"],
        "decisions": decided,
        "differ": differ,
        "right": (mean is None or mean <= LIMIT) and not differ,
    }


def kinds(design: Design) -> str:
    """Layers on the core by kind, such as ``2 LSTM, 1 dense``."""
    found = Counter(layer.kind.name for program in design.programs for layer in program.network.layers)
    return ", ".join(f"{count} {name if name != 'DENSE' else 'dense'}" for name, count in found.items())


def error_of_range(error: dict[str, Any]) -> tuple[float, float]:
    """Mean and largest error of an output, of its range."""
    low, high = error["range"]
    return error["mean_abs_error"] / (high - low), error["max_abs_error"] / (high - low)


def wanted_outputs(design: Design, plan: Plan, feeds: Feeds) -> dict[str, npt.NDArray[Any]]:
    """The outputs as onnxruntime gives them, or the float model where it cannot run the graph."""
    whole = PlanRun(plan, tuple(program.source for program in design.programs))
    calls = whole.reference(feeds)
    calls = whole.run(feeds) if calls is None else calls
    return {name: np.stack([call[name] for call in calls]) for name in calls[0]}


def decisions(
    case: Case, path: Path, found: dict[str, npt.NDArray[Any]], wanted: dict[str, npt.NDArray[Any]]
) -> tuple[int, int]:
    """How many decisions the outputs make, and how many differ."""
    ways = output_decisions(path) if case.decisions is None else case.decisions
    total = differing = 0
    for name, value in wanted.items():
        pair = [each if value.dtype.kind != "f" else decided(each, ways.get(name)) for each in (found[name], value)]
        if pair[1] is not None:
            total += pair[1].size
            differing += int(np.count_nonzero(pair[0] != pair[1]))
    return total, differing


def decided(values: npt.NDArray[Any], way: str | None) -> npt.NDArray[Any] | None:
    """Decisions by real values, see ``Case.decisions``."""
    if way is None:
        return None
    return values.argmax(axis=-1) if way == "argmax" else values > _HALF


def output_decisions(path: Path) -> dict[str, str]:
    """What is decided by each output of a graph, by the node that writes it."""
    graph = onnx.load(path).graph
    writers = {name: node.op_type for node in graph.node for name in node.output}
    outputs = (output.name for output in graph.output)
    return {name: _DECIDES[writers[name]] for name in outputs if writers.get(name) in _DECIDES}


def refusals(path: Path) -> list[dict[str, str]]:
    """What each model that cannot be exact is refused with."""
    found = []
    for writer in REFUSED:
        model = writer(path, np.random.default_rng(SEED))
        try:
            compile_model(model, np.zeros((8, 4), np.float32), target="generic")
        except UserError as error:
            said = str(error).replace(str(model), model.name)
        else:
            raise RuntimeError(f"{writer.__name__} was compiled, which nothing may be that is not exact")
        found.append({"name": writer.__name__, "about": about(writer), "said": said})
    return found


def counts(cases: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """How many there are, and how many are right."""
    listed = list(cases)
    return len(listed), sum(case["right"] for case in listed)
