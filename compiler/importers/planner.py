"""Placing an ONNX graph: recurrent nodes become stages of an engine, everything else parts that the host runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.onnx_dense import DenseReader
from lstmith.compiler.importers.onnx_flatten import Condition, FlatGraph, flatten_around, moved_from, prune
from lstmith.compiler.importers.onnx_graph import Scope, cut, fold, fresh, label, load_onnx, model_like, reads
from lstmith.compiler.importers.onnx_head import Head, find_head, find_heads
from lstmith.compiler.importers.onnx_import import OnnxNetwork, choose_networks, same_network
from lstmith.compiler.importers.onnx_quantised import dequantised
from lstmith.compiler.importers.onnx_rows import rows_of_h
from lstmith.compiler.importers.onnx_site import INITIAL_C, INITIAL_H, Y_C, X
from lstmith.compiler.importers.onnx_symbols import find_symbols
from lstmith.compiler.importers.parts import check_runnable
from lstmith.compiler.importers.placement import place
from lstmith.compiler.importers.plan import Plan, Stage
from lstmith.compiler.importers.plan_groups import DenseGroup, Group, RecurrentGroup
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError


def plan_model(path: Path, layer: str | None = None, *, head: bool = False) -> Plan:
    """The plan of an ONNX file; see :func:`plan_graph`.

    Parameters
    ----------
    path : Path
    layer : str, optional
        Of several recurrent layers, the only one to run on the core.
    head : bool
        Whether dense layers behind recurrent ones run on the core too.
    """
    source = str(path)
    model = dequantised(load_onnx(path), source)
    return plan_graph(model, choose_networks(model, source, layer), symbols=False, head=head)[0]


def plan_graph(
    model: ModelProto, chosen: list[OnnxNetwork], *, symbols: bool, head: bool
) -> tuple[Plan, tuple[FloatNetwork, ...]]:
    """A plan for a graph whose chosen networks run on the core, and their distinct weights.

    With ``symbols`` embeddings in front of them become columns of theirs, and they read the numbers of symbols.

    With ``head`` dense layers that read rows of a recurrent layer's h join its chain.

    Ifs around the networks are resolved to the branches that hold them; other control flow stays.

    Raises
    ------
    UserError
        If core and host could not run one after the other, or there is no head where one is wanted.
    """
    return _Planner(model, chosen, symbols=symbols, head=head).plan()


class _Planner:
    """The flat graph around the chosen networks, and what its values depend on.

    The *level* of a value is the number of groups that must have run before it is known; constants have none.
    """

    def __init__(self, model: ModelProto, chosen: list[OnnxNetwork], *, symbols: bool, head: bool) -> None:
        flat = flatten_around(model, [site for network in chosen for site in network.sites])
        self.conditions = flat.conditions
        outputs = [value.name for value in model.graph.output]
        recurrent = [RecurrentGroup(item, [flat.copies[id(site.node)] for site in item.sites]) for item in chosen]
        self.model = _flat_model(model, flat, [*outputs, *(item.name for item in self.conditions)])
        self.scope = Scope(self.model.graph)
        constants = {tensor.name for tensor in self.model.graph.initializer}
        self.inputs = [value.name for value in self.model.graph.input if value.name not in constants]
        self.outputs = outputs
        self.recurrent, self.nodes, self.source = recurrent, flat.nodes, chosen[0].sites[0].source
        self._order(recurrent)
        if head:
            self._order([*recurrent, *self._find_heads()])
        if symbols:
            for group in recurrent:
                group.symbols = find_symbols(self.model, self.scope, group.nodes[0].input[X])

    def plan(self) -> tuple[Plan, tuple[FloatNetwork, ...]]:
        """Make the stages, then find what the host computes before, between and behind them."""
        stages, networks = self._stages()
        for group, found in zip(self.groups, stages, strict=True):
            for name in found[0].needs:
                if self.levels.get(name, 0) > group.index:
                    raise UserError(
                        group.where,
                        f"its {name!r} is computed from a recurrent layer that can only run later",
                        "choose the layers of one network with --layer",
                    )
        flat_stages = tuple(stage for found in stages for stage in found)
        parts, live = self._parts([name for found in stages for name in found[0].needs])
        optional = self._state_inputs(flat_stages)
        pairs, state_outputs = self._state_outputs(flat_stages, optional)
        plan = Plan(
            model=self.model,
            stages=flat_stages,
            parts=parts,
            inputs=tuple(name for name in self.inputs if name in live - optional),
            state_inputs=tuple(name for name in self.inputs if name in optional),
            outputs=tuple(self.outputs),
            state_outputs=state_outputs,
            state_pairs=pairs,
            conditions=tuple(item for item in self.conditions if self._checkable(item, optional)),
            one_step=all(group.network.sites[0].one_step() for group in self.recurrent),
            sequences=self._sequences(),
            placement=place(self.scope, flat_stages, self.levels, live, self._inner(), self._refused()),
        )
        check_runnable(self.model, self.source)
        return plan, networks

    def _order(self, groups: Sequence[Group]) -> None:
        """Number the groups as they run, and find what each value waits for."""
        place_of = {name: index for index, node in enumerate(self.nodes) for name in node.output}
        # A group runs when all of its nodes could.
        self.groups = sorted(groups, key=lambda group: place_of[group.ready])
        for index, group in enumerate(self.groups):
            group.index = index
        self.made = {name: group.index for group in self.groups for name in group.writes}
        self.levels = self._levels()

    def _find_heads(self) -> list[DenseGroup]:
        """Give the chains their heads; all other dense layers behind recurrent ones are groups of their own."""
        reader = DenseReader(self.model, self.scope, self.source)
        for group in self.recurrent:
            if group.one_direction:
                group.head = find_head(
                    reader, group.nodes[-1], group.units, batch_first=group.network.sites[-1].batch_first
                )
        self._order(self.recurrent)
        found = find_heads(reader, lambda name: self.levels.get(name, 0) > 0, self._inner())
        if not found and not any(group.head for group in self.recurrent):
            raise UserError(
                "option --head",
                f"finds no dense layer behind {self.groups[-1].where}",
                "leave it out: what comes behind then runs on the host",
            )
        written = {name: value for group in self.recurrent for name, value in group.written.items()}
        written |= dict.fromkeys(name for head in found for name in head.values)
        return [
            DenseGroup(head, self.source, rows_of_h(self.model, self.scope, head.reads, head.axis, written))
            for head in found
        ]

    @property
    def _heads(self) -> list[Head]:
        return [group.head for group in self.groups if group.head is not None]

    def _inner(self) -> dict[str, str]:
        """Values inside of heads' layers, and what those write."""
        return {name: value for head in self._heads for name, value in head.inner.items()}

    def _refused(self) -> dict[str, str]:
        """Why nodes behind heads are no verdicts, by what they write."""
        return {name: why for head in self._heads for name, why in head.refused.items()}

    def _levels(self) -> dict[str, int]:
        """Of every value that is not constant."""
        found = dict.fromkeys(self.inputs, 0)
        for node in self.scope.nodes:
            known = [found[name] for name in reads(node) if name in found]
            for name in node.output:
                if name in self.made:
                    found[name] = self.made[name] + 1
                elif name and known:
                    found[name] = max(known)
        return found

    def _stages(self) -> tuple[list[list[Stage]], tuple[FloatNetwork, ...]]:
        """The stages of each group, and the networks they run."""
        networks: list[FloatNetwork] = []
        stages: list[list[Stage]] = []
        for group in self.groups:
            stages.append([])
            for direction, network in enumerate(group.networks):
                same = [index for index, other in enumerate(networks) if same_network(network, other)]
                if not same:
                    networks.append(network)
                program = same[0] if same else len(networks) - 1
                stages[-1].append(group.stage(direction, network, program, self._state))
        return stages, tuple(networks)

    def _state(self, node: NodeProto, position: int) -> str:
        """The value of an initial state that is not constant."""
        name = node.input[position] if position < len(node.input) else ""
        constant = name not in self.levels or fold(self.model, self.scope, name, unknown=2) is not None
        return "" if constant else name

    def _parts(self, needs: list[str]) -> tuple[tuple[tuple[str, ...], ...], set[str]]:
        """What each host part computes for others, and all values that take part."""
        conditions = [item.name for item in self.conditions]
        live, wanted = {*needs, *self.outputs, *conditions}, dict.fromkeys([*needs, *conditions])
        for node in reversed(self.scope.nodes):
            own = [self.levels[name] for name in node.output if name in live and name in self.levels]
            if not live.intersection(node.output) or any(name in self.made for name in node.output):
                continue
            for name in reads(node):
                live.add(name)
                if own and name in self.levels and self.levels[name] < max(own):
                    wanted[name] = None
        parts: list[list[str]] = [[] for _ in range(len(self.groups) + 1)]
        for name in [*wanted, *self.outputs]:
            level = self.levels.get(name, 0)
            if name not in self.made and name not in self.inputs and name not in parts[level]:
                parts[level].append(name)
        return tuple(tuple(part) for part in parts), live

    def _state_inputs(self, stages: tuple[Stage, ...]) -> set[str]:
        """Graph inputs that only set initial states, without computing."""
        found: set[str] = set()
        states = {name for stage in stages for pair in stage.states for name in pair if name}
        for name in states:
            found |= moved_from(self.model, self.scope, name, set(self.inputs)) or set()
        others = [name for stage in stages for name in stage.needs if name not in states]
        others += [name for name in self.outputs if name not in self.made]
        read = set().union(
            *(cut(self.scope, [name], lambda node, value: value in self.made).inputs for name in others), set()
        )
        return found - read

    def _state_outputs(
        self, stages: tuple[Stage, ...], optional: set[str]
    ) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """Graph outputs that are final states and nothing else, with the inputs of the same states.

        A model without state inputs may still want its last h: that is a result, not state.
        """
        final = {name: (which, layer) for s in stages for layer, names in zip(s.layers, s.outputs, strict=True)
                 for which, name in enumerate(names[1:]) if name}  # fmt: skip
        own = {name: (which, layer) for s in stages for layer, names in zip(s.layers, s.states, strict=True)
               for which, name in enumerate(names) if name}  # fmt: skip
        by_input: dict[str, set[tuple[int, str]]] = {}
        for name, state in own.items():
            for source in (moved_from(self.model, self.scope, name, set(self.inputs)) or set()) & optional:
                by_input.setdefault(source, set()).add(state)
        last = [stage for stage in stages if stage.recurrent_outputs][-1].recurrent_outputs[-1]
        results = {name for name in last if name} - {last[Y_C]}
        pairs, found = [], []
        for output in self.outputs:
            sources = moved_from(self.model, self.scope, output, set(final)) if self.levels.get(output) else None
            if not sources or (not optional and sources <= results):
                continue
            found.append(output)
            states = {final[name] for name in sources}
            pairs += [(output, name) for name, read in by_input.items() if read == states]
        return tuple(pairs), tuple(found)

    def _checkable(self, condition: Condition, optional: set[str]) -> bool:
        """Whether a condition can be watched: not constant, and no matter of the caller's state."""
        return condition.name in self.levels and not set(cut(self.scope, [condition.name]).inputs) & optional

    def _sequences(self) -> int | None:
        """N, if X or an initial state of any layer fixes it."""
        for group in self.recurrent:
            for site, node in zip(group.network.sites, group.nodes, strict=True):
                axis = 0 if site.batch_first else 1
                for position in (X, INITIAL_H, INITIAL_C):
                    name = node.input[position] if position < len(node.input) else ""
                    shape = self.scope.shape_of(name) if name else None
                    if shape is not None and len(shape) == 3 and shape[axis]:
                        return shape[axis]
        return None


def _flat_model(model: ModelProto, flat: FlatGraph, wanted: Iterable[str]) -> ModelProto:
    graph = onnx.helper.make_graph(
        flat.nodes, model.graph.name, list(model.graph.input), list(model.graph.output), flat.constants
    )
    pruned = prune(graph, list(dict.fromkeys(wanted)))
    del pruned.output[:]
    pruned.output.extend(model.graph.output)
    # onnxruntime wants names to differ, which some exporters do not care for.
    taken: set[str] = set()
    for node in pruned.node:
        node.name = fresh(label(node), taken)
    whole = model_like(model, pruned)
    try:
        return onnx.shape_inference.infer_shapes(whole, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return whole  # shapes only help, as in load_onnx
