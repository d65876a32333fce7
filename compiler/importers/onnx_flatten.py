"""Inlining the If branches around chosen nodes, so that these stand in one flat graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from lstmith.compiler.importers.onnx_graph import Scope, attribute, fold, fresh, label, names_in, reads
from lstmith.compiler.importers.onnx_site import Site
from lstmith.spec.errors import UserError

#: Operators that put values elsewhere but leave them as they are; only their first input is data.
_MOVES = {
    "Identity",
    "Squeeze",
    "Unsqueeze",
    "Reshape",
    "Transpose",
    "Flatten",
    "Slice",
    "Gather",
    "Split",
    "Expand",
    "Cast",
    "Dropout",
}


@dataclass(frozen=True)
class Condition:
    """An If that was inlined: the value it tested, and what the value must be for the branch taken."""

    name: str
    value: bool
    node: str


@dataclass
class FlatGraph:
    """The main graph with the branches around the chosen nodes inlined; all other control flow is as it was."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    copies: dict[int, NodeProto] = field(default_factory=dict)


def flatten_around(model: ModelProto, sites: Iterable[Site]) -> FlatGraph:
    """Inline every If branch that holds one of ``sites``.

    Raises
    ------
    UserError
        If one stands in a Loop or Scan, or two in different branches of one If.
    """
    taken: dict[int, Scope] = {}
    main: Scope | None = None
    for site in sites:
        for scope in site.branches():
            owner = scope.owner
            assert owner is not None
            if owner.op_type != "If":
                raise UserError(
                    site.where,
                    f"it runs inside {owner.op_type} {label(owner)!r}, so the graph cannot be split around it",
                    "export the model without the loop, or run the LSTM alone",
                )
            if taken.setdefault(id(owner), scope) is not scope:
                raise UserError(
                    site.where, f"its stack spans both branches of If {label(owner)!r}", "choose one layer with --layer"
                )
        *_, main = site.scope.outwards()
    assert main is not None
    flat = FlatGraph()
    described = (*model.graph.input, *model.graph.output, *model.graph.initializer)
    used = names_in(model.graph.node) | {value.name for value in described}
    _inline(main, taken, {}, flat, used)
    return flat


def _inline(
    scope: Scope, taken: Mapping[int, Scope], names: Mapping[str, str], flat: FlatGraph, used: set[str]
) -> None:
    for tensor in scope.graph.initializer:
        flat.constants.append(copy := TensorProto.FromString(tensor.SerializeToString()))
        copy.name = names.get(tensor.name, tensor.name)
    for node in scope.nodes:
        branch = taken.get(id(node))
        if branch is None:
            flat.copies[id(node)] = _renamed(node, names)
            flat.nodes.append(flat.copies[id(node)])
            continue
        condition = names.get(node.input[0], node.input[0])
        flat.conditions.append(Condition(condition, branch.branch == "then_branch", label(node)))
        # Sibling branches may use one name for two values, so what comes out of a branch gets a name of its own.
        prefix = f"{branch.graph.name}_{len(flat.conditions)}/"
        inner = {**names, **{name: fresh(prefix + name, used) for name in sorted(_defined(branch.graph))}}
        _inline(branch, taken, inner, flat, used)
        for inside, outside in zip(branch.graph.output, node.output, strict=True):
            source, target = inner.get(inside.name, inside.name), names.get(outside, outside)
            flat.nodes.append(onnx.helper.make_node("Identity", [source], [target]))


def _defined(graph: GraphProto) -> set[str]:
    outputs = {name for node in graph.node for name in node.output if name}
    return outputs | {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}


def _renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    copy = NodeProto.FromString(node.SerializeToString())
    if names:
        _rename(copy, names)
    return copy


def _rename(node: NodeProto, names: Mapping[str, str]) -> None:
    for values in (node.input, node.output):
        values[:] = [names.get(name, name) for name in values]
    for item in node.attribute:
        if item.type == onnx.AttributeProto.GRAPH:
            visible = {old: new for old, new in names.items() if old not in _defined(item.g)}
            for inner in item.g.node:
                _rename(inner, visible)
            for value in item.g.output:
                value.name = visible.get(value.name, value.name)


def prune(graph: GraphProto, wanted: list[str]) -> GraphProto:
    """A copy of a graph that computes nothing but ``wanted``; Ifs lose the outputs that nobody reads.

    Exporters let one If return h and c together, so that without this everything that reads h would read c too.
    """
    live, kept = set(wanted), list[NodeProto]()
    for node in reversed(graph.node):
        used = [index for index, name in enumerate(node.output) if name in live]
        if not used:
            continue
        kept.append(_prune_if(node, used) if node.op_type == "If" else node)
        live.update(reads(kept[-1]))
    inputs, constants = list(graph.input), [tensor for tensor in graph.initializer if tensor.name in live]
    outputs = [onnx.ValueInfoProto(name=name) for name in wanted]
    return onnx.helper.make_graph(kept[::-1], graph.name, inputs, outputs, constants)


def _prune_if(node: NodeProto, used: list[int]) -> NodeProto:
    copy = NodeProto.FromString(node.SerializeToString())
    copy.output[:] = [node.output[index] for index in used]
    for item in copy.attribute:
        outputs = [item.g.output[index] for index in used]
        branch = prune(item.g, [value.name for value in outputs])
        del branch.output[:]
        branch.output.extend(outputs)
        item.g.CopyFrom(branch)
    return copy


def moved_from(model: ModelProto, scope: Scope, name: str, sources: set[str]) -> set[str] | None:
    """Which of ``sources`` a value is put together from, if it is nothing but their elements (or zeros).

    Returns
    -------
    set of str, or None
        None if anything is computed on the way, or another value takes part.
    """
    if name in sources:
        return {name}
    if is_zero(model, scope, name):
        return set()
    home, node = scope.find(name)
    if not isinstance(node, NodeProto):
        return None
    if node.op_type in _MOVES:
        return moved_from(model, home, node.input[0], sources)
    if node.op_type == "Concat":
        return _union(moved_from(model, home, part, sources) for part in node.input)
    if node.op_type == "If":
        position = list(node.output).index(name)
        branches = home.children[id(node)]
        return _union(moved_from(model, branch, branch.graph.output[position].name, sources) for branch in branches)
    if node.op_type in ("Add", "Sub") and is_zero(model, home, node.input[1]):
        return moved_from(model, home, node.input[0], sources)
    if node.op_type == "Add" and is_zero(model, home, node.input[0]):
        return moved_from(model, home, node.input[1], sources)
    return None


def is_zero(model: ModelProto, scope: Scope, name: str) -> bool:
    """Whether a value is zero whatever the graph's inputs are (exporters add 0 * input to keep an input alive)."""
    home, node = scope.find(name)
    if isinstance(node, NodeProto):
        if node.op_type == "ConstantOfShape":
            value = attribute(node, "value")
            return value is None or not onnx.numpy_helper.to_array(value).any()
        if node.op_type in _MOVES:
            return is_zero(model, home, node.input[0])
        if node.op_type in ("Mul", "Concat"):
            zeros = [is_zero(model, home, part) for part in node.input]
            return any(zeros) if node.op_type == "Mul" else all(zeros)
        if node.op_type != "Constant":
            return False
    value = fold(model, home, name)
    return value is not None and value.dtype.kind in "fiu" and not value.any()


def _union(parts: Iterable[set[str] | None]) -> set[str] | None:
    found: set[str] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found
