"""The host parts of a plan in onnxruntime: pieces of its graph, cut when it is known what they are given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto

from lstmith.compiler.importers.onnx_graph import (
    Array,
    Scope,
    cut,
    fresh,
    label,
    model_like,
    names_in,
    session,
)
from lstmith.spec.errors import UserError


class HostParts:
    """Computes values of a plan's graph from others, one thread, one call at a time.

    Parameters
    ----------
    model : ModelProto
        The plan's.
    """

    def __init__(self, model: ModelProto) -> None:
        self._model, self._scope = model, Scope(model.graph)
        self._declared = {value.name: value for value in model.graph.input}
        self._sessions: dict[tuple[Any, ...], tuple[Any, list[str], list[str]]] = {}

    def computable(self, wanted: Iterable[str], given: Iterable[str]) -> list[str]:
        """Those of ``wanted`` that are not given and depend on nothing but ``given`` and constants."""
        have = set(given)
        return [
            name
            for name in wanted
            if name not in have and set(cut(self._scope, [name], lambda _, value: value in have).inputs) <= have
        ]

    def run(self, wanted: Iterable[str], given: Mapping[str, Array]) -> dict[str, Array]:
        """Values by name; those that cannot be computed from what is given are left out.

        Raises
        ------
        UserError
            If the values given do not suit the graph.
        """
        found, outputs, inputs = self._session(tuple(wanted), given)
        if not outputs:
            return {}
        feeds = {name: given[name] for name in inputs}
        return run_session(found, feeds, outputs)

    def _session(self, wanted: tuple[str, ...], given: Mapping[str, Array]) -> tuple[Any, list[str], list[str]]:
        key = (wanted, frozenset((name, value.dtype) for name, value in given.items()))
        if key not in self._sessions:
            outputs = self.computable(wanted, given)
            piece = cut(self._scope, outputs, lambda _, value: value in given)
            inputs = list(piece.inputs)
            values = [self._described(name, given[name]) for name in inputs]
            # An Identity per output: onnxruntime wants outputs to come from nodes, and some of ours are initializers.
            taken = names_in(piece.nodes) | {tensor.name for tensor in piece.constants} | {*inputs, *outputs}
            results = [fresh(f"result_{index}", taken) for index in range(len(outputs))]
            tail = [onnx.helper.make_node("Identity", [name], [to]) for name, to in zip(outputs, results, strict=True)]
            graph = onnx.helper.make_graph(
                [*piece.nodes, *tail], "part", values, [ValueInfoProto(name=name) for name in results], piece.constants
            )
            made = session(model_like(self._model, graph)) if outputs else None
            self._sessions[key] = (made, outputs, inputs)
        return self._sessions[key]

    def _described(self, name: str, value: Array) -> ValueInfoProto:
        """The type of an input: a graph input as it is declared, so that wrong shapes are noticed."""
        if name in self._declared:
            return self._declared[name]
        return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), None)


def check_runnable(model: ModelProto, source: str) -> None:
    """Refuse a graph that onnxruntime cannot load, naming the node.

    Raises
    ------
    UserError
    """
    try:
        session(model)
    except UserError as error:
        words = set(re.findall(r"[\w/.:]+", error.problem.replace("(", " ")))
        for node in model.graph.node:
            kinds = {f"{node.domain}:{node.op_type}", node.op_type} if node.domain else {node.op_type}
            if (node.name and node.name in words) or words & kinds:
                raise UserError(
                    f"{source}: node {label(node)!r}",
                    f"is a {node.op_type}, which neither the core nor onnxruntime runs here",
                    "export it as operators that onnxruntime knows, or choose the layers to compile with --layer",
                ) from error
        raise


def run_session(graph: Any, feeds: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    """All outputs of a session, under these names.

    Raises
    ------
    UserError
        If the values do not suit it.
    """
    try:
        return {name: np.asarray(value) for name, value in zip(names, graph.run(None, dict(feeds)), strict=True)}
    except Exception as error:  # onnxruntime has no common exception class
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in feeds.items())
        reason = " ".join(str(error).split())
        raise UserError(
            f"inputs {shapes}", f"do not suit the model ({reason})", "give the shapes the model was exported for"
        ) from error


def dtype_of(element: int) -> np.dtype[Any]:
    """NumPy's type of an ONNX element type."""
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(element))
