"""Weights of layers of any kind from an .npz archive of plain arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lstmith.compiler.archive import read_archive
from lstmith.compiler.importers.checks import (
    check_stack,
    checked_gru,
    checked_layer,
    checked_rnn,
    float_array,
    readable_file,
)
from lstmith.golden.network import SQUASHES, FloatLayer, FloatNetwork
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.errors import UserError

Code = TypeVar("Code", bound=IntEnum)

_REQUIRED = ("W_ih", "W_hh", "b_ih", "b_hh")
_OPTIONAL = ("peep",)
#: What other kinds than the LSTM have.
_ARRAYS = {Kind.GRU: _REQUIRED, Kind.RNN: _REQUIRED, Kind.DENSE: ("W_ih", "b_ih")}
#: Fields that hold a name: of the layer's kind, and of its function.
_KIND, _SQUASH = "kind", "squash"
_KEYS = f"use {', '.join(_REQUIRED)} and optionally {', '.join(_OPTIONAL)}, with prefixes l0_, l1_, ... if stacked"
_PREFIX = re.compile(r"l(\d+)_(.+)")


def import_npz(path: Path, layer: str | None = None) -> FloatNetwork:
    """The network in an .npz file; see :func:`from_arrays`."""
    readable_file(path)
    return from_arrays(str(path), read_archive(path, "save plain numeric arrays with numpy.savez"), layer)


def from_arrays(source: str, named: Mapping[str, npt.ArrayLike], layer: str | None = None) -> FloatNetwork:
    """The network in arrays.

    Parameters
    ----------
    source : str
        The file, for messages.
    named : mapping
        In gate order i, f, g, o: ``W_ih`` [4H, I], ``W_hh`` [4H, H], ``b_ih`` and ``b_hh`` [4H], optional ``peep``
        [3, H] in order i, f, o. Stacked layers carry the prefixes ``l0_``, ``l1_``, ...
        A text ``kind`` names another kind of layer: ``gru`` has 3H rows in order r, z, n and resets after the product,
        ``rnn`` has H rows, ``dense`` has ``W_ih`` [H, I] and ``b_ih`` [H] alone. A text ``squash`` names the function
        of the last two: ``linear``, ``relu``, ``sigmoid`` or ``tanh``; without it, tanh and linear.
    layer : str, optional
        Refused: the arrays are one network.
    """
    if layer is not None:
        raise UserError("--layer", f"{layer!r} does not apply, because {source} holds one network", "leave --layer out")
    arrays: dict[str, Any] = {
        key: str(value)
        if (value := np.asarray(array)).dtype.kind == "U" and value.ndim == 0
        else float_array(source, f"array {key!r}", value)
        for key, array in named.items()
    }
    stacked = [key for key in arrays if _PREFIX.fullmatch(key)]
    if stacked and len(stacked) != len(arrays):
        odd = next(key for key in arrays if key not in stacked)
        raise UserError(source, f"it mixes {odd!r}, which has no layer prefix, with {stacked[0]!r}", _KEYS)
    if not stacked:
        return FloatNetwork((_layer(source, "l0", "", arrays),))
    count = len({key.partition("_")[0] for key in stacked})
    groups: dict[str, dict[str, Any]] = {f"l{index}": {} for index in range(count)}
    for key, array in arrays.items():
        prefix, _, field = key.partition("_")
        if prefix not in groups:
            raise UserError(
                source,
                f"array {key!r} belongs to layer {prefix}, but there are {count} layers",
                "number the layers l0_, l1_, ... without gaps",
            )
        groups[prefix][field] = array
    layers = tuple(_layer(source, name, f"{name}_", fields) for name, fields in groups.items())
    check_stack(source, layers)
    return FloatNetwork(layers)


def _layer(where: str, name: str, prefix: str, fields: dict[str, Any]) -> FloatLayer:
    kind = _named(where, prefix, fields, _KIND, Kind, Kind.LSTM)
    required = _ARRAYS.get(kind, _REQUIRED)
    optional = _OPTIONAL if kind is Kind.LSTM else (_SQUASH,) if kind in (Kind.RNN, Kind.DENSE) else ()
    keys = _KEYS if kind is Kind.LSTM else f"of kind {kind.name.lower()} use {', '.join((*required, *optional))}"
    for field in fields:
        if field not in (_KIND, *required, *optional):
            raise UserError(where, f"array {prefix + field!r} is unknown", keys)
    for field in required:
        if field not in fields:
            raise UserError(where, f"array {prefix + field!r} is missing", keys)
    if kind is Kind.DENSE:
        return _dense(where, name, prefix, fields)
    w_ih, w_hh, *biases = (fields[field] for field in _REQUIRED)
    labels = (prefix + "W_ih", prefix + "W_hh", f"{prefix}b_ih or {prefix}b_hh")
    if kind is Kind.GRU:
        return checked_gru(where, name, w_ih, w_hh, tuple(biases), fields=labels)
    if kind is Kind.RNN:
        squash = _squash(where, prefix, fields, kind, Squash.TANH)
        return checked_rnn(where, name, w_ih, w_hh, tuple(biases), squash, fields=labels)
    return checked_layer(where, name, w_ih, w_hh, tuple(biases), fields.get("peep"), fields=(*labels, prefix + "peep"))


def _dense(where: str, name: str, prefix: str, fields: dict[str, Any]) -> FloatLayer:
    w_ih, bias = fields["W_ih"], fields["b_ih"]
    fix = "a dense layer needs weights [H, I] and biases [H]"
    if w_ih.ndim != 2 or not w_ih.size:
        raise UserError(where, f"{prefix}W_ih has shape {list(w_ih.shape)}, not [H, I]", fix)
    if bias.shape != w_ih.shape[:1]:
        raise UserError(where, f"{prefix}b_ih has shape {list(bias.shape)}, not [{len(w_ih)}]", fix)
    squash = _squash(where, prefix, fields, Kind.DENSE, Squash.LINEAR)
    return FloatLayer(name, w_ih, np.zeros((len(w_ih), 0)), bias, kind=Kind.DENSE, squash=squash)


def _squash(where: str, prefix: str, fields: dict[str, Any], kind: Kind, default: Squash) -> Squash:
    squash = _named(where, prefix, fields, _SQUASH, Squash, default)
    if squash not in SQUASHES[kind]:
        allowed = ", ".join(each.name.lower() for each in SQUASHES[kind])
        problem = f"array {prefix + _SQUASH!r} is {squash.name.lower()!r}, of a layer of kind {kind.name.lower()}"
        raise UserError(where, problem, f"use {allowed}")
    return squash


def _named(where: str, prefix: str, fields: dict[str, Any], field: str, codes: type[Code], default: Code) -> Code:
    """The code that a field names."""
    text = fields.get(field, default.name.lower())
    names = {code.name.lower(): code for code in codes}
    if not isinstance(text, str) or text not in names:
        shown = repr(text) if isinstance(text, str) else "an array of numbers"
        raise UserError(where, f"array {prefix + field!r} is {shown}", f"use one of the texts {', '.join(names)}")
    return names[text]
