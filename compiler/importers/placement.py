"""Where each node of a planned graph runs, and why, for people to read."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import NodeProto

from lstmith.compiler.importers.onnx_graph import Scope, label
from lstmith.compiler.importers.plan import Placement, Stage


def place(
    scope: Scope,
    stages: tuple[Stage, ...],
    levels: Mapping[str, int],
    live: set[str],
    inner: Mapping[str, str],
    refused: Mapping[str, str],
) -> tuple[Placement, ...]:
    """Describe every node of the main graph, in graph order.

    Parameters
    ----------
    scope : Scope
        The flat graph.
    stages : tuple of Stage
    levels : mapping of str to int
        Of every value that is not constant: how many groups of stages must have run before it is known.
    live : set of str
        Values that the host computes or the stages read.
    inner : mapping of str to str
        Values inside of dense layers that run on the core, and what those layers write.
    refused : mapping of str to str
        Why nodes behind those layers are no verdicts, by what they write.
    """
    made: dict[str, list[Stage]] = {}
    for stage in stages:
        for names in stage.outputs:
            made.setdefault(next(filter(None, names)), []).append(stage)
    made |= {name: made[value] for name, value in inner.items()}
    made |= {stage.verdict: [stage] for stage in stages if stage.verdict}
    placed = []
    for node in scope.nodes:
        where, why = _place(node, made, stages, levels, live, inner)
        reasons = [refused[name] for name in node.output if name in refused]
        placed.append(Placement(label(node), node.op_type, where, "; ".join([why, *reasons])))
    return tuple(placed)


def _place(
    node: NodeProto,
    made: Mapping[str, list[Stage]],
    stages: tuple[Stage, ...],
    levels: Mapping[str, int],
    live: set[str],
    inner: Mapping[str, str],
) -> tuple[str, str]:
    outputs = [name for name in node.output if name]
    found = next((made[name] for name in outputs if name in made), None)
    if found is not None:
        name = next(name for name in outputs if name in made)
        return "core", _stage_reason(found, inner.get(name, name))
    if not any(name in levels for name in outputs):
        return "folded", "its value is constant"
    if not live.intersection(outputs):
        return (
            "folded",
            "the stage does it itself: it gives symbols their columns, a layout, full lengths or a constant state, or"
            " keeps an order",
        )
    level = max(levels[name] for name in outputs if name in levels)
    if level == 0:
        return "host", "it comes before every recurrent layer"
    groups = [stage for stage in stages if not stage.direction]
    behind = repr(groups[level - 1].layers[-1])
    if level == len(groups):
        return "host", f"it comes behind {behind}"
    return "host", f"it comes between {behind} and {groups[level].layers[0]!r}"


def _stage_reason(found: list[Stage], name: str) -> str:
    """What the engine runs of a node."""
    if len(found) > 1:
        return f"both directions, programs {found[0].program} and {found[1].program}"
    [stage] = found
    if name == stage.verdict:
        return f"the verdict of program {stage.program}"
    position = [name in names for names in stage.outputs].index(True)
    told = f"layer {position} of program {stage.program}"
    return f"{told}, in reverse" if stage.reverse else told
