"""One ONNX LSTM node: its weights in canonical form, or the name of what is not supported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.checks import BOTH_WAYS, ONE_WAY, checked_layer, float_array
from lstmith.compiler.importers.onnx_graph import STANDARD_DOMAINS, Scope, attribute, fold, fresh, label
from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.errors import UserError

#: Positions of the node's inputs and outputs.
X, W, R, B, SEQUENCE_LENS, INITIAL_H, INITIAL_C, P = range(8)
Y, Y_H, Y_C = range(3)

_INPUT_NAMES = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")

#: ONNX stacks gates i, o, f, c; the canonical order is i, f, g, o. Peepholes come as i, o, f.
_GATES = (0, 2, 3, 1)
_PEEPHOLES = (0, 2, 1)

#: Two sizes that stand for every dimension that varies: what comes out the same for both depends on neither.
_PROBES = (2, 3)

_DEFAULT_ACTIVATIONS = ["sigmoid", "tanh", "tanh"]


@dataclass(frozen=True, eq=False)
class LstmSite:
    """An LSTM node and the scope it stands in."""

    model: ModelProto
    scope: Scope
    node: NodeProto
    name: str
    source: str

    @property
    def where(self) -> str:
        """The node, for messages."""
        return f"{self.source}: LSTM {self.name!r}"

    @property
    def batch_first(self) -> bool:
        """Whether X and Y are [N, T, ..] instead of [T, N, ..]."""
        return bool(attribute(self.node, "layout", 0))

    def input(self, position: int) -> str:
        """Name of an input; empty if absent."""
        return self.node.input[position] if position < len(self.node.input) else ""

    def output(self, position: int) -> str:
        """Name of an output; empty if absent."""
        return self.node.output[position] if position < len(self.node.output) else ""

    def branches(self) -> list[Scope]:
        """The nested graphs the node stands in, innermost first, without the main graph."""
        return [scope for scope in self.scope.outwards() if scope.parent is not None]

    def one_step(self) -> bool:
        """Whether the graph shows that X holds exactly one time step."""
        axis = 1 if self.batch_first else 0
        shape = self.scope.shape_of(self.input(X))
        if shape is not None and len(shape) == 3:
            return shape[axis] == 1
        home, producer = self.scope.find(self.input(X))
        if not isinstance(producer, NodeProto) or producer.op_type != "Unsqueeze":
            return False
        axes = attribute(producer, "axes")
        if axes is None:
            folded = fold(self.model, home, producer.input[1])
            axes = [] if folded is None else folded.ravel().tolist()
        return list(axes) == [axis]


def find_sites(model: ModelProto, source: str) -> list[LstmSite]:
    """Every LSTM node of the graph and all its branches, with unique names."""
    found = [
        (scope, node)
        for scope in Scope(model.graph).inwards()
        for node in scope.nodes
        if node.op_type == "LSTM" and node.domain in STANDARD_DOMAINS
    ]
    plain = [label(node) for _, node in found]
    names = [
        name if plain.count(name) == 1 else _path_name(scope, name)
        for (scope, _), name in zip(found, plain, strict=True)
    ]
    # Nodes of one graph may share a name; what they write does not.
    told = [
        name if names.count(name) == 1 else _path_name(scope, next(filter(None, node.output), name))
        for (scope, node), name in zip(found, names, strict=True)
    ]
    taken: set[str] = set()
    return [
        LstmSite(model, scope, node, fresh(name, taken), source)
        for (scope, node), name in zip(found, told, strict=True)
    ]


def _path_name(scope: Scope, name: str) -> str:
    """A name that says in which branches the node stands."""
    steps = [f"{label(s.owner)}:{s.branch}" for s in scope.outwards() if s.owner is not None]
    return "/".join([*reversed(steps), name])


def read_layer(site: LstmSite) -> FloatLayer:
    """The node as a canonical layer.

    Raises
    ------
    UserError
        If the node uses a feature that is not supported, or its weights are not constant, finite and of fitting shape.
    """
    _refuse_features(site)
    w, r = _weights(site, W), _weights(site, R)
    bias = _weights(site, B) if site.input(B) else None
    peep = _weights(site, P) if site.input(P) else None
    ranks = [("W", w, 3), ("R", r, 3), ("B", bias, 2), ("P", peep, 2)]
    for field, array, rank in ranks:
        if array is not None and (array.ndim != rank or array.shape[0] != 1):
            wanted = "[1, .., ..]" if rank == 3 else "[1, ..]"
            raise UserError(
                site.where,
                f"{field} has shape {list(array.shape)}, not {wanted}",
                "export a forward LSTM with the shapes of the ONNX standard",
            )
    units = r.shape[2]
    if not units:
        raise UserError(site.where, f"R has shape {list(r.shape)}, so it has no units", "export the model again")
    declared = attribute(site.node, "hidden_size")
    if declared is not None and declared != units:
        raise UserError(
            site.where,
            f"hidden_size is {declared}, but R has shape {list(r.shape)}",
            "export the model again, so that both agree",
        )
    for field, array, size in (("B", bias, 8 * units), ("P", peep, 3 * units)):
        if array is not None and array.shape[1] != size:
            raise UserError(
                site.where,
                f"{field} has shape {list(array.shape)}, not [1, {size}]",
                f"export the model again with {size // units} values per unit",
            )
    for field, array in (("W", w), ("R", r)):
        if array.shape[1] != 4 * units:
            raise UserError(
                site.where,
                f"{field} has shape {list(array.shape)}, not [1, {4 * units}, ..]",
                "an LSTM has four gates of as many rows as R has columns",
            )
    biases = () if bias is None else tuple(_canonical(half) for half in np.split(bias[0], 2))
    ordered_peep = None if peep is None else peep[0].reshape(3, units)[list(_PEEPHOLES)]
    return checked_layer(
        site.where,
        site.name,
        _canonical(w[0]),
        _canonical(r[0]),
        biases,
        ordered_peep,
        _initial_state(site, INITIAL_H, units),
        _initial_state(site, INITIAL_C, units),
        ("W", "R", "B", "P"),
    )


def sizes(site: LstmSite) -> tuple[int | None, int | None]:
    """Input width I and units H for listing; None where W or R cannot be read."""
    w, r = (fold(site.model, site.scope, site.input(position)) for position in (W, R))
    return (w.shape[-1] if w is not None and w.ndim else None, r.shape[-1] if r is not None and r.ndim else None)


def _refuse_features(site: LstmSite) -> None:
    direction = attribute(site.node, "direction", b"forward").decode()
    if direction != "forward":
        raise UserError(
            site.where,
            f"direction is {direction!r}, which is not supported",
            ONE_WAY if direction == "reverse" else BOTH_WAYS,
        )
    activations = [name.decode() for name in attribute(site.node, "activations", [])]
    if activations and [name.lower() for name in activations] != _DEFAULT_ACTIVATIONS:
        raise UserError(
            site.where, f"activations are {', '.join(activations)}, which is not supported", "use Sigmoid, Tanh, Tanh"
        )
    if (clip := attribute(site.node, "clip")) is not None:
        raise UserError(site.where, f"clip is {clip:g}, which is not supported", "export the LSTM without clip")
    if attribute(site.node, "input_forget", 0):
        raise UserError(
            site.where,
            "input_forget is 1, which is not supported",
            "export the LSTM without coupled input and forget gates",
        )
    if site.input(SEQUENCE_LENS) and not _full_length(site):
        raise UserError(
            site.where,
            f"sequence_lens ({site.input(SEQUENCE_LENS)!r}) may end sequences early, which is not supported",
            "export without sequence_lens and give lengths with the data",
        )


def _full_length(site: LstmSite) -> bool:
    """Whether sequence_lens is the whole of X, whatever X's size."""
    shape = site.scope.shape_of(site.input(X))
    if shape is None or len(shape) != 3:
        return False
    for probe in _PROBES:
        lengths = fold(site.model, site.scope, site.input(SEQUENCE_LENS), probe)
        steps = shape[1 if site.batch_first else 0]
        if lengths is None or not np.all(lengths == (probe if steps is None else steps)):
            return False
    return True


def _weights(site: LstmSite, position: int) -> FloatArray:
    field, name = _INPUT_NAMES[position], site.input(position)
    value = fold(site.model, site.scope, name)
    if value is None:
        raise UserError(site.where, f"{field} ({name!r}) is not constant", "export the model with its weights inside")
    return float_array(site.where, field, value)


def _canonical(rows: FloatArray) -> FloatArray:
    """Reorder gate blocks along the first axis."""
    blocks = rows.reshape(4, -1, *rows.shape[1:])
    return blocks[list(_GATES)].reshape(rows.shape)


def _initial_state(site: LstmSite, position: int, units: int) -> FloatArray | None:
    """A constant initial state, the same for every sequence; None if zero or the caller's."""
    if not (name := site.input(position)):
        return None
    values = [fold(site.model, site.scope, name, probe) for probe in _PROBES]
    constant = [value for value in values if value is not None]
    if not constant:
        return None
    field, first = _INPUT_NAMES[position], constant[0]
    # [directions, N, H], or without N as some exporters write it.
    if any(value.ndim not in (2, 3) or value.shape[-1] != units for value in constant):
        raise UserError(
            site.where,
            f"{field} is constant of shape {list(first.shape)}, not [1, .., {units}]",
            f"export the model with initial states of {units} values",
        )
    rows = np.concatenate([value.reshape(-1, units) for value in constant])
    if not len(rows):
        return None
    if len(constant) < len(values) or not np.all(rows == rows[:1]):
        raise UserError(
            site.where,
            f"{field} is constant, but not one row of {units} values for all sequences",
            "export the model for batch size 1",
        )
    state = float_array(site.where, field, rows[0])
    return state if np.any(state) else None
