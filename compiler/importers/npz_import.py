"""LSTM weights from an .npz archive of plain arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.compiler.archive import read_archive
from lstmith.compiler.importers.checks import check_stack, checked_layer, float_array, readable_file
from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork
from lstmith.spec.errors import UserError

_REQUIRED = ("W_ih", "W_hh", "b_ih", "b_hh")
_OPTIONAL = ("peep",)
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
    layer : str, optional
        Refused: the arrays are one network.
    """
    if layer is not None:
        raise UserError("--layer", f"{layer!r} does not apply, because {source} holds one network", "leave --layer out")
    arrays = {key: float_array(source, f"array {key!r}", np.asarray(array)) for key, array in named.items()}
    stacked = [key for key in arrays if _PREFIX.fullmatch(key)]
    if stacked and len(stacked) != len(arrays):
        odd = next(key for key in arrays if key not in stacked)
        raise UserError(source, f"it mixes {odd!r}, which has no layer prefix, with {stacked[0]!r}", _KEYS)
    if not stacked:
        return FloatNetwork((_layer(source, "l0", "", arrays),))
    count = len({key.partition("_")[0] for key in stacked})
    groups: dict[str, dict[str, FloatArray]] = {f"l{index}": {} for index in range(count)}
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


def _layer(where: str, name: str, prefix: str, fields: dict[str, FloatArray]) -> FloatLayer:
    for field in fields:
        if field not in _REQUIRED + _OPTIONAL:
            raise UserError(where, f"array {prefix + field!r} is unknown", _KEYS)
    for field in _REQUIRED:
        if field not in fields:
            raise UserError(where, f"array {prefix + field!r} is missing", _KEYS)
    w_ih, w_hh, *biases = (fields[field] for field in _REQUIRED)
    labels = (prefix + "W_ih", prefix + "W_hh", f"{prefix}b_ih or {prefix}b_hh", prefix + "peep")
    return checked_layer(where, name, w_ih, w_hh, tuple(biases), fields.get("peep"), fields=labels)
