"""Reading ONNX graphs: nested scopes, constants folded across them, shapes.

An ``If``, ``Loop`` or ``Scan`` holds whole graphs, whose nodes may read any value of the graphs around them. A `Scope`
is one such graph with a way outwards, so that a name is always looked up where it was used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
import onnx.shape_inference
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from lstmith.compiler.importers.checks import readable_file
from lstmith.spec.errors import UserError

#: The newest file format that every onnxruntime in pyproject.toml's range loads; onnx itself already writes a newer
#: one, and what these graphs use is the same in both.
RUNTIME_IR_VERSION = 10

Array = npt.NDArray[Any]

STANDARD_DOMAINS = ("", "ai.onnx")

#: Longest time that a graph's constant may take to compute.
FOLD_SECONDS = 5.0
#: Same graph, another value each time: never a constant.
_RANDOM_OPS = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}


@dataclass(eq=False)
class Scope:
    """One graph and the graphs around it.

    Parameters
    ----------
    graph : GraphProto
    parent : Scope or None
        The graph that holds ``owner``.
    owner : NodeProto or None
        The control-flow node that this graph is a branch or body of.
    branch : str
        The owner's attribute that holds this graph, such as ``then_branch``.
    """

    graph: GraphProto
    parent: Scope | None = None
    owner: NodeProto | None = None
    branch: str = ""
    nodes: list[NodeProto] = field(init=False)
    children: dict[int, list[Scope]] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = list(self.graph.node)
        self._producers = {name: node for node in self.nodes for name in node.output if name}
        self._constants = {tensor.name: tensor for tensor in self.graph.initializer}
        described = (*self.graph.input, *self.graph.value_info, *self.graph.output)
        self._types: dict[str, ValueInfoProto] = {value.name: value for value in described}
        self.children = {
            id(node): [Scope(graph, self, node, branch) for branch, graph in subgraphs(node)] for node in self.nodes
        }

    def outwards(self) -> Iterator[Scope]:
        """This scope, the one around it, and so on to the main graph."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def inwards(self) -> Iterator[Scope]:
        """This scope and all scopes nested in it, in graph order."""
        yield self
        for node in self.nodes:
            for child in self.children[id(node)]:
                yield from child.inwards()

    def find(self, name: str) -> tuple[Scope, NodeProto | TensorProto | None]:
        """The scope that defines ``name`` and its node or initializer; None for a graph input."""
        for scope in self.outwards():
            if (tensor := scope._constants.get(name)) is not None:
                return scope, tensor
            if (node := scope._producers.get(name)) is not None:
                return scope, node
            if any(value.name == name for value in scope.graph.input):
                return scope, None
        return self, None

    def type_of(self, name: str) -> ValueInfoProto | None:
        """Declared or inferred type of a value, if known."""
        scope, _ = self.find(name)
        return scope._types.get(name)

    def shape_of(self, name: str) -> tuple[int | None, ...] | None:
        """Known shape with None for dimensions that vary; None if not even the rank is known."""
        value = self.type_of(name)
        if value is None or not value.type.tensor_type.HasField("shape"):
            return None
        return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim)


@dataclass
class Piece:
    """A piece of a graph cut out together with every constant that it needs.

    ``inputs`` are the values the cut leaves open, each with the scope that defines it.
    """

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    inputs: dict[str, Scope] = field(default_factory=dict)


def load_onnx(path: Path) -> ModelProto:
    """Load a model with its external data; see :func:`prepare`."""
    readable_file(path)
    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise UserError(str(path), "is not an ONNX file", "export the model to ONNX again") from error
    except (onnx.checker.ValidationError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            str(path), f"its external data cannot be read ({reason})", "keep the data files beside the .onnx file"
        ) from error
    return prepare(model, str(path))


def prepare(model: ModelProto, source: str) -> ModelProto:
    """The model with its local functions inlined and shapes inferred where possible.

    Parameters
    ----------
    model : ModelProto
    source : str
        The file, for messages.

    Raises
    ------
    UserError
        If the graph is empty, a name is no text, or functions cannot be inlined.
    """
    if not model.graph.node or not model.opset_import:
        raise UserError(source, "is not an ONNX file, or its graph is empty", "export the model to ONNX again")
    _check_names(source, model)
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:  # onnx raises errors of its own and of its C++ part
            raise UserError(
                source,
                "has local functions that cannot be inlined",
                "export it without functions that call themselves",
            ) from error
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return model  # shapes only help; what cannot be read without them is refused later, by name


def _check_names(source: str, model: ModelProto) -> None:
    """Refuse names that are not UTF-8 now: protobuf hands them out as bytes and chokes on them later."""
    for scope in Scope(model.graph).inwards():
        graph, names = scope.graph, [scope.graph.name]
        for node in scope.nodes:
            names += [node.name, node.op_type, node.domain, *node.input, *node.output]
            names += [item.name for item in node.attribute]
        names += [item.name for item in (*graph.initializer, *graph.input, *graph.output)]
        for name in names:
            if not isinstance(name, str):
                raise UserError(source, f"is damaged (the name {name!r} is not text)", "export the model again")


def subgraphs(node: NodeProto) -> list[tuple[str, GraphProto]]:
    """The graphs that a control-flow node holds, by attribute name; an If's then_branch comes first."""
    found = [(item.name, item.g) for item in node.attribute if item.type == onnx.AttributeProto.GRAPH]
    return sorted(found, key=lambda graph: graph[0] != "then_branch")


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's Python value."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def label(node: NodeProto) -> str:
    """The node's name, or its first output if it has none."""
    return str(node.name or next((name for name in node.output if name), node.op_type))


def reads(node: NodeProto) -> list[str]:
    """All values of the surrounding scopes that a node reads, also from inside its branches."""
    names = [name for name in node.input if name]
    for _, graph in subgraphs(node):
        own = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
        own |= {name for inner in graph.node for name in inner.output}
        inside = [name for inner in graph.node for name in reads(inner)] + [value.name for value in graph.output]
        names += [name for name in inside if name not in own]
    return list(dict.fromkeys(names))


def names_in(nodes: Iterable[NodeProto]) -> set[str]:
    """All names of values that nodes and the graphs inside them use or define."""
    found: set[str] = set()
    for node in nodes:
        found.update(node.input, node.output)
        for _, graph in subgraphs(node):
            described = (*graph.input, *graph.output, *graph.initializer)
            found.update(value.name for value in described)
            found |= names_in(graph.node)
    return found


def fresh(name: str, taken: set[str]) -> str:
    """``name``, with underscores appended until it is not in ``taken``; the result is added there."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def cut(scope: Scope, names: Iterable[str], stop: Callable[[NodeProto, str], bool] = lambda node, name: False) -> Piece:
    """Everything needed to compute ``names``, back to constants, graph inputs and values where ``stop`` says so."""
    piece, done = Piece(), set[str]()
    todo = [(name, scope, False) for name in names]
    while todo:
        name, used_in, ready = todo.pop()
        home, source = used_in.find(name)
        if ready and isinstance(source, NodeProto):
            piece.nodes.append(source)
            continue
        if name in done:
            continue
        done.add(name)
        if isinstance(source, TensorProto):
            piece.constants.append(source)
        elif source is None or source.op_type in _RANDOM_OPS or stop(source, name):
            piece.inputs[name] = home
        else:
            done.update(source.output)
            todo.append((name, home, True))
            todo += [(need, home, False) for need in reads(source)]
    return piece


def run_piece(
    model: ModelProto, piece: Piece, outputs: list[str], feeds: Mapping[str, Array] | None = None
) -> list[Array] | None:
    """Evaluate a piece in onnxruntime; None if these feeds do not allow it, or it takes more than a constant may."""
    from lstmith.compiler.runtime import bounded_options, limited

    feeds = dict(feeds or {})
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    # An Identity per output: onnxruntime wants outputs to come from nodes, and some of ours are initializers.
    taken = names_in(piece.nodes) | {tensor.name for tensor in piece.constants} | {*feeds, *outputs}
    results = [fresh(f"result_{index}", taken) for index in range(len(outputs))]
    tail = [onnx.helper.make_node("Identity", [name], [to]) for name, to in zip(outputs, results, strict=True)]
    graph = onnx.helper.make_graph(
        [*piece.nodes, *tail], "piece", inputs, [ValueInfoProto(name=name) for name in results], piece.constants
    )
    small = model_like(model, graph)
    try:
        with limited(FOLD_SECONDS) as limits:
            return [np.asarray(value) for value in session(small, bounded_options()).run(results, feeds, limits)]
    except Exception:  # onnxruntime has no common exception class; the caller says what could not be evaluated
        return None


def model_like(model: ModelProto, graph: GraphProto) -> ModelProto:
    """A model of ``graph`` with the operator versions of ``model`` that onnxruntime can load."""
    return onnx.helper.make_model(
        graph,
        producer_name="lstmith",
        opset_imports=model.opset_import,
        ir_version=min(model.ir_version, RUNTIME_IR_VERSION),
    )


def session(model: ModelProto, options: Any = None) -> Any:
    """An onnxruntime session on one thread of the CPU that keeps its warnings to itself.

    Parameters
    ----------
    model : ModelProto
    options : SessionOptions or None
        Other settings.

    Raises
    ------
    UserError
        If onnxruntime cannot run the model.
    """
    # It takes a while to import, and only graphs need it.
    from lstmith.compiler.runtime import ort

    options = options or ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common exception class
        raise UserError(
            f"graph {model.graph.name!r}",
            f"onnxruntime cannot run it ({' '.join(str(error).split())})",
            "export the model again, with operators that onnxruntime knows",
        ) from error


def fold(model: ModelProto, scope: Scope, name: str, unknown: int | None = None) -> Array | None:
    """The value of ``name`` if it is a constant, else None.

    Parameters
    ----------
    unknown : int, optional
        If given, shapes of run-time values count as known, with this size for every dimension that varies. A result
        that is the same for several sizes depends on no input's value.
    """

    def dynamic_shape(node: NodeProto, _name: str) -> bool:
        return unknown is not None and node.op_type == "Shape" and scope_shape(scope, node) is not None

    piece = cut(scope, [name], dynamic_shape)
    feeds = {}
    for need, home in piece.inputs.items():
        _, node = home.find(need)
        if node is None or unknown is None or not dynamic_shape(node, need):
            return None
        feeds[need] = np.array([unknown if size is None else size for size in scope_shape(home, node) or ()], np.int64)
    result = run_piece(model, piece, [name], feeds)
    return None if result is None else result[0]


def scope_shape(scope: Scope, node: NodeProto) -> tuple[int | None, ...] | None:
    """What a Shape node returns, as far as it is known."""
    shape = scope.shape_of(node.input[0])
    return None if shape is None else shape[attribute(node, "start", 0) : attribute(node, "end", None)]
