"""One recurrent ONNX node: its weights in canonical form, or the name of what is not supported."""

from __future__ import annotations

import numpy as np

from lstmith.compiler.importers.checks import checked_gru, checked_layer, checked_rnn, float_array
from lstmith.compiler.importers.onnx_graph import attribute, fold
from lstmith.compiler.importers.onnx_site import INITIAL_C, INITIAL_H, PROBES, B, P, R, Site, W
from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.codes import Squash
from lstmith.spec.errors import UserError

_INPUT_NAMES = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")

#: ONNX stacks the gates of an LSTM i, o, f, c, of a GRU z, r, h; canonical are i, f, g, o and r, z, n.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
#: Peepholes come as i, o, f.
_PEEPHOLES = (0, 2, 1)

_DEFAULT_ACTIVATIONS = {
    "LSTM": ["sigmoid", "tanh", "tanh"],
    "GRU": ["sigmoid", "tanh"],
    "RNN": ["tanh"],
}
_SQUASHES = {"tanh": Squash.TANH, "relu": Squash.RELU}


def read_layers(site: Site) -> tuple[FloatLayer, ...]:
    """The node as canonical layers, one for each direction; each of them is to be run forward.

    Raises
    ------
    UserError
        If the node uses a feature that is not supported, or its weights are not constant, finite and of fitting shape.
    """
    functions = _refuse_features(site)
    w, r = _weights(site, W), _weights(site, R)
    bias = _weights(site, B) if site.input(B) else None
    peep = _weights(site, P) if site.input(P) else None
    count = len(site.directions)
    _check_shapes(site, count, w, r, bias, peep)
    initial_h, initial_c = (_initial_states(site, position, r.shape[2]) for position in (INITIAL_H, INITIAL_C))
    return tuple(
        _layer(
            site,
            site.name if count == 1 else f"{site.name}.{'backward' if reverse else 'forward'}",
            functions[index],
            w[index],
            r[index],
            None if bias is None else bias[index],
            None if peep is None else peep[index],
            None if initial_h is None else initial_h[index],
            None if initial_c is None else initial_c[index],
        )
        for index, reverse in enumerate(site.directions)
    )


def _layer(
    site: Site,
    name: str,
    functions: list[str],
    w: FloatArray,
    r: FloatArray,
    bias: FloatArray | None,
    peep: FloatArray | None,
    h0: FloatArray | None,
    c0: FloatArray | None,
) -> FloatLayer:
    """One direction."""
    kind, fields = site.node.op_type, ("W", "R", "B", "P")
    biases = () if bias is None else tuple(_canonical(kind, half) for half in np.split(bias, 2))
    w, r = _canonical(kind, w), _canonical(kind, r)
    if kind == "GRU":
        return checked_gru(site.where, name, w, r, biases, h0, fields[:3])
    if kind == "RNN":
        return checked_rnn(site.where, name, w, r, biases, _SQUASHES[functions[0]], h0, fields[:3])
    ordered = None if peep is None else peep.reshape(3, -1)[list(_PEEPHOLES)]
    return checked_layer(site.where, name, w, r, biases, ordered, h0, c0, fields)


def _check_shapes(
    site: Site, count: int, w: FloatArray, r: FloatArray, bias: FloatArray | None, peep: FloatArray | None
) -> None:
    gates = len(_GATES[site.node.op_type])
    for field, array, rank in (("W", w, 3), ("R", r, 3), ("B", bias, 2), ("P", peep, 2)):
        if array is not None and (array.ndim != rank or array.shape[0] != count):
            wanted = f"[{count}, .., ..]" if rank == 3 else f"[{count}, ..]"
            raise UserError(
                site.where,
                f"{field} has shape {list(array.shape)}, not {wanted}",
                "export the node with the shapes of the ONNX standard",
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
    for field, array, size in (("B", bias, 2 * gates * units), ("P", peep, 3 * units)):
        if array is not None and array.shape[1] != size:
            raise UserError(
                site.where,
                f"{field} has shape {list(array.shape)}, not [{count}, {size}]",
                f"export the model again with {size // units} values per unit",
            )
    for field, array in (("W", w), ("R", r)):
        if array.shape[1] != gates * units:
            raise UserError(
                site.where,
                f"{field} has shape {list(array.shape)}, not [{count}, {gates * units}, ..]",
                f"{'an LSTM has four' if gates == 4 else f'this node has {gates}'} gates of as many rows as R has"
                " columns",
            )


def _refuse_features(site: Site) -> list[list[str]]:
    """The activations of each direction, lower case; refuses what no layer computes."""
    kind, count = site.node.op_type, len(site.directions)
    default = _DEFAULT_ACTIVATIONS[kind]
    direction = attribute(site.node, "direction", b"forward").decode()
    if direction not in ("forward", "reverse", "bidirectional"):
        raise UserError(site.where, f"direction is {direction!r}", "use forward, reverse or bidirectional")
    given = [name.decode() for name in attribute(site.node, "activations", [])]
    named = [name.lower() for name in given] or default * count
    functions = [named[index * len(default) : (index + 1) * len(default)] for index in range(count)]
    able = [["tanh"], ["relu"]] if kind == "RNN" else [default]
    if len(named) != len(default) * count or any(found not in able for found in functions):
        words = " or ".join(", ".join(word.capitalize() if word != "relu" else "Relu" for word in one) for one in able)
        raise UserError(site.where, f"activations are {', '.join(given)}, which is not supported", f"use {words}")
    if (clip := attribute(site.node, "clip")) is not None:
        raise UserError(site.where, f"clip is {clip:g}, which is not supported", f"export the {kind} without clip")
    if attribute(site.node, "input_forget", 0):
        raise UserError(
            site.where,
            "input_forget is 1, which is not supported",
            "export the LSTM without coupled input and forget gates",
        )
    if kind == "GRU" and not attribute(site.node, "linear_before_reset", 0):
        raise UserError(
            site.where,
            "linear_before_reset is 0, which is not supported",
            "use a GRU that resets after the product (reset_after=True in Keras; PyTorch's always does)",
        )
    return functions


def _weights(site: Site, position: int) -> FloatArray:
    field, name = _INPUT_NAMES[position], site.input(position)
    value = fold(site.model, site.scope, name)
    if value is None:
        raise UserError(site.where, f"{field} ({name!r}) is not constant", "export the model with its weights inside")
    return float_array(site.where, field, value)


def _canonical(kind: str, rows: FloatArray) -> FloatArray:
    """Reorder gate blocks along the first axis."""
    order = _GATES[kind]
    blocks = rows.reshape(len(order), -1, *rows.shape[1:])
    return blocks[list(order)].reshape(rows.shape)


def _initial_states(site: Site, position: int, units: int) -> list[FloatArray | None] | None:
    """A constant initial state of each direction, the same for every sequence; None if zero or not constant."""
    if not (name := site.input(position)):
        return None
    values = [fold(site.model, site.scope, name, probe) for probe in PROBES]
    constant = [value for value in values if value is not None]
    if not constant:
        return None
    field, first, count = _INPUT_NAMES[position], constant[0], len(site.directions)
    # [directions, N, H], or without N as some exporters write it.
    if any(value.ndim not in (2, 3) or value.shape[-1] != units for value in constant):
        raise UserError(
            site.where,
            f"{field} is constant of shape {list(first.shape)}, not [{count}, .., {units}]",
            f"export the model with initial states of {units} values",
        )
    # With layout 1 the sequences come first.
    by_direction = [
        value.reshape(len(value), -1, units) if not site.batch_first else value.reshape(-1, count, units).swapaxes(0, 1)
        for value in constant
    ]
    rows = np.concatenate([value.reshape(-1, units) if count == 1 else value for value in by_direction], axis=-2)
    rows = rows.reshape(count, -1, units)
    if not rows.size:
        return None
    if len(constant) < len(values) or not np.all(rows == rows[:, :1]):
        raise UserError(
            site.where,
            f"{field} is constant, but not one row of {units} values for all sequences",
            "export the model for batch size 1",
        )
    states = [float_array(site.where, field, row[0]) for row in rows]
    return [state if np.any(state) else None for state in states]
