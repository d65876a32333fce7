"""Splitting an ONNX model around its LSTM: what comes before and after runs on the host in onnxruntime."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.onnx_flatten import Condition, FlatGraph, flatten_around, moved_from, prune
from lstmith.compiler.importers.onnx_graph import (
    Piece,
    Scope,
    cut,
    fold,
    fresh,
    load_onnx,
    model_like,
    names_in,
    reads,
    session,
)
from lstmith.compiler.importers.onnx_import import OnnxNetwork, choose_network
from lstmith.compiler.importers.onnx_lstm import INITIAL_C, INITIAL_H, Y_C, X, Y
from lstmith.compiler.importers.split_graph import SplitGraph
from lstmith.spec.errors import UserError

__all__ = ["HostGraph", "SplitGraph", "split_model"]

_ELEMENT_TYPES = {
    "tensor(float)": TensorProto.FLOAT,
    "tensor(float16)": TensorProto.FLOAT16,
    "tensor(double)": TensorProto.DOUBLE,
    "tensor(bool)": TensorProto.BOOL,
    "tensor(string)": TensorProto.STRING,
    **{
        f"tensor({kind})": getattr(TensorProto, kind.upper())
        for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    },
}


def split_model(path: Path, layer: str | None = None) -> SplitGraph:
    """Split an ONNX model around its LSTM, or around the one that ``layer`` names.

    Ifs around the LSTM are resolved to the branches that hold it; other control flow stays.

    Raises
    ------
    UserError
        If the model has no supported LSTM, or host and engine could not run one after the other.
    """
    model = load_onnx(path)
    return split_network(model, choose_network(model, str(path), layer))


def split_network(model: ModelProto, network: OnnxNetwork) -> SplitGraph:
    """Split a model around a network that was found in it; see :func:`split_model`."""
    return _Splitter(model, network).split()


class _Splitter:
    """The flat graph around one network and what its values depend on."""

    def __init__(self, model: ModelProto, network: OnnxNetwork) -> None:
        assert network.network is not None
        self.sites, self.units = network.sites, network.network.layers[-1].units
        flat = flatten_around(model, self.sites)
        self.conditions = flat.conditions
        self.lstms = [flat.copies[id(site.node)] for site in self.sites]
        self.model = _flat_model(model, flat)
        self.scope = Scope(self.model.graph)
        constants = {tensor.name for tensor in self.model.graph.initializer}
        self.inputs = [value for value in self.model.graph.input if value.name not in constants]
        self.dynamic = self._downstream(value.name for value in self.inputs)
        self.state = {name for node in self.lstms for name in node.output if name}
        self.tainted = self._downstream(self.state)
        described = (*self.model.graph.input, *self.model.graph.output, *self.model.graph.initializer)
        taken = names_in(self.scope.nodes) | {value.name for value in described}
        self.x_name = fresh("lstm_x", taken)
        self.lstm_outputs = tuple(fresh(name, taken) for name in ("lstm_y", "lstm_y_h", "lstm_y_c"))

    def split(self) -> SplitGraph:
        """Sort the graph's inputs and outputs, and cut."""
        state_inputs = self._state_inputs()
        results = [value.name for value in self.model.graph.output]
        direct = [name for name in results if name not in self.tainted]
        state_outputs = [name for name in results if self._returns_state(name, bool(state_inputs))]
        outputs = [name for name in results if name not in {*direct, *state_outputs}]
        after = cut(Scope(prune(self.model.graph, outputs)), outputs, self._before_after)
        carried = [name for name in after.inputs if name not in self.tainted]
        fed = {value.name for value in self.inputs}
        conditions = [item for item in self.conditions if self._checkable(item, state_inputs)]
        computed = [name for name in carried if name not in fed] + direct + [item.name for item in conditions]
        computed = list(dict.fromkeys(computed))
        before = cut(self.scope, [self.lstms[0].input[X], *computed])
        needed = {*before.inputs, *carried} & fed
        if held := needed & state_inputs:
            raise UserError(
                self.sites[0].where,
                f"graph input {min(held)!r} sets its state and is also read elsewhere",
                "export the LSTM's state as an input of its own",
            )
        before_model = self._before_model(before, computed)
        return SplitGraph(
            before=before_model,
            after=self._after_model(after, outputs, carried, before_model),
            x_name=self.x_name,
            lstm_outputs=self.lstm_outputs,
            layers=tuple(site.name for site in self.sites),
            units=self.units,
            inputs=tuple(value.name for value in self.inputs if value.name in needed),
            carried=tuple(carried),
            outputs=tuple(outputs),
            direct_outputs=tuple(direct),
            state_inputs=tuple(value.name for value in self.inputs if value.name in state_inputs),
            state_outputs=tuple(state_outputs),
            conditions=tuple(conditions),
            batch_first=self.sites[0].batch_first,
            one_step=self.sites[0].one_step(),
            sequences=self._sequences(),
        )

    def _sequences(self) -> int | None:
        """N, if X or an initial state of any layer fixes it."""
        for site, node in zip(self.sites, self.lstms, strict=True):
            axis = 0 if site.batch_first else 1
            for position in (X, INITIAL_H, INITIAL_C):
                name = node.input[position] if position < len(node.input) else ""
                shape = self.scope.shape_of(name) if name else None
                if shape is not None and len(shape) == 3 and shape[axis]:
                    return shape[axis]
        return None

    def _downstream(self, start: Iterable[str]) -> set[str]:
        """``start`` and everything computed from it."""
        found = set(start)
        for node in self.scope.nodes:
            if found.intersection(reads(node)):
                found.update(name for name in node.output if name)
        return found

    def _before_after(self, node: NodeProto, name: str) -> bool:
        """Where ``after`` ends: at the LSTM, and at values that ``before`` can compute."""
        return name in self.state or (name not in self.tainted and name in self.dynamic)

    def _state_inputs(self) -> set[str]:
        """Graph inputs that set the initial state."""
        fed = {value.name for value in self.inputs}
        found: set[str] = set()
        for site, node in zip(self.sites, self.lstms, strict=True):
            for name in node.input[INITIAL_H : INITIAL_C + 1]:
                if not name or name not in self.dynamic or fold(self.model, self.scope, name, unknown=2) is not None:
                    continue
                sources = moved_from(self.model, self.scope, name, fed)
                if sources is None:
                    raise UserError(
                        site.where,
                        f"its initial state {name!r} is computed by the graph",
                        "export the model with a constant initial state, or with the state as a graph input",
                    )
                found |= sources
        return found

    def _returns_state(self, name: str, stateful: bool) -> bool:
        """Whether a graph output is the final state and nothing else.

        A model without state inputs may still want its last h: that is a result, not state.
        """
        if name not in self.tainted:
            return False
        sequences = {node.output[Y] for node in self.lstms}
        sources = moved_from(self.model, self.scope, name, self.state - sequences)
        results = set(self.lstms[-1].output[:Y_C])
        return bool(sources) and (stateful or not results.issuperset(sources or ()))

    def _checkable(self, condition: Condition, state_inputs: set[str]) -> bool:
        """Whether ``before`` can watch a condition: not constant, and no matter of the caller's state."""
        sources = set(cut(self.scope, [condition.name]).inputs)
        return condition.name in self.dynamic - self.tainted and not sources & state_inputs

    def _before_model(self, piece: Piece, computed: list[str]) -> ModelProto:
        inputs = [value for value in self.inputs if value.name in piece.inputs]
        named = onnx.helper.make_node("Identity", [self.lstms[0].input[X]], [self.x_name])
        outputs = [ValueInfoProto(name=name) for name in (self.x_name, *computed)]
        return self._model("before", [*piece.nodes, named], inputs, outputs, piece)

    def _after_model(self, piece: Piece, outputs: list[str], carried: list[str], before: ModelProto) -> ModelProto:
        types = {value.name: _ELEMENT_TYPES[value.type] for value in session(before).get_outputs()}
        inputs, named = [], []
        for name in piece.inputs:
            if name in self.state:
                last = list(self.lstms[-1].output)
                if name not in last:
                    raise UserError(
                        self.sites[0].where,
                        f"{outputs} read {name!r}, the state of an inner layer",
                        "export the model so that its outputs depend on the last layer only",
                    )
                alias = self.lstm_outputs[last.index(name)]
                inputs.append(onnx.helper.make_tensor_value_info(alias, types[self.x_name], None))
                named.append(onnx.helper.make_node("Identity", [alias], [name]))
            elif name in types:
                inputs.append(onnx.helper.make_tensor_value_info(name, types[name], None))
        inputs += [value for value in self.inputs if value.name in carried]
        results = [value for value in self.model.graph.output if value.name in outputs]
        return self._model("after", [*named, *piece.nodes], inputs, results, piece)

    def _model(
        self,
        name: str,
        nodes: list[NodeProto],
        inputs: list[ValueInfoProto],
        outputs: list[ValueInfoProto],
        piece: Piece,
    ) -> ModelProto:
        graph = onnx.helper.make_graph(nodes, name, inputs, outputs, piece.constants)
        return model_like(self.model, graph)


def _flat_model(model: ModelProto, flat: FlatGraph) -> ModelProto:
    graph = onnx.helper.make_graph(
        flat.nodes, model.graph.name, list(model.graph.input), list(model.graph.output), flat.constants
    )
    whole = model_like(model, graph)
    try:
        return onnx.shape_inference.infer_shapes(whole, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return whole  # shapes only help, as in load_onnx
