"""What the files of a design's directory hold; see :mod:`lstmith.compiler.design`."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.compiler.archive import read_archive
from lstmith.compiler.files import Folder
from lstmith.compiler.importers.graph_files import GRAPH_FILES
from lstmith.compiler.programs import Program
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.codes import Kind, Squash, Verdict
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

FORMAT = 10
MARKER = "design.json"
GRAPH = "graph"
_FILES = ("engine.json", "network.npz", "float.npz")
#: What is in the directory; a directory that holds anything else is never replaced.
FOLDER = Folder(
    "lstmith compile",
    MARKER,
    ("format", "layers"),
    (MARKER, *_FILES, *(f"{GRAPH}/{name}" for name in GRAPH_FILES)),
)
_QUANT_ARRAYS = ("weights", "mantissa", "shift", "bias", "peep", "reduced_bias", "idle_h", "order")
_QUANT_GRIDS = ("x_grid", "h_grid")
_QUANT_LISTS = ("counts",)
_QUANT_SCALARS: dict[str, type] = {
    "precision": int,
    "planes": int,
    "c_frac": int,
    "peep_shift": int,
    "x_lsb": float,
    "h_lsb": float,
    "symbols": bool,
    "skims": bool,
    "threshold": int,
}
#: Scalars that values are divided by.
_LSBS = ("x_lsb", "h_lsb")
#: What a layer is, of both its float and its integer form.
_CODES: dict[str, type[IntEnum]] = {"kind": Kind, "squash": Squash, "verdict": Verdict}
_FLOAT_ARRAYS = ("w_ih", "w_hh", "bias", "peep", "h0", "c0")
_OPTIONAL = ("_peep", "_reduced_bias", "_idle_h", "_order", "_h0", "_c0")
_PREDICTOR = "predictor"
_REMEDY = "compile the model again"


def write_design(draft: Path, engine: EngineConfig, programs: Sequence[Program], others: dict[str, Any]) -> None:
    """Write a design's files into a directory that holds its graph already, if it has one.

    Parameters
    ----------
    draft : Path
    engine : EngineConfig
    programs : sequence of Program
    others : dict
        ``target``, ``graph`` (whether there is one) and ``report``.
    """
    layers = [layer for program in programs for layer in program.network.layers]
    sources = [layer for program in programs for layer in program.source.layers]
    described = {
        "format": FORMAT,
        **others,
        "programs": [
            {"name": program.name, "layers": len(program.network.layers), "place": program.place}
            for program in programs
        ],
        "layers": [
            {"name": source.name, "real_threshold": source.threshold, "rectified": source.rectified, **_describe(layer)}
            for layer, source in zip(layers, sources, strict=True)
        ],
    }
    (draft / "engine.json").write_text(engine.to_json())
    # Only an engine of a single program has a predictor.
    _save_arrays(draft / "network.npz", layers, _QUANT_ARRAYS, {_PREDICTOR: programs[0].network.predictor})
    _save_arrays(draft / "float.npz", sources, _FLOAT_ARRAYS)
    described["checksums"] = checksums(draft, described)
    (draft / MARKER).write_text(json.dumps(described, indent=2) + "\n")


def read_design(path: Path) -> tuple[dict[str, Any], EngineConfig, tuple[Program, ...]]:
    """What ``design.json`` holds, the engine and the programs.

    Raises
    ------
    UserError
        If the directory is no design, or a file is missing or damaged.
    """
    if not (path / MARKER).is_file():
        raise UserError(str(path), f"is not a design (no {MARKER})", "give a directory that 'compile' wrote")
    described = _read_json(path / MARKER)
    where = str(path / MARKER)
    if described.get("format") != FORMAT:
        raise UserError(
            f"{where} field format",
            f"is {described.get('format')!r}, of another version of lstmith; this one reads {FORMAT}",
            _REMEDY,
        )
    entries = typed(described, "layers", list, where)
    if not entries:
        raise UserError(f"{where} field layers", "is empty", _REMEDY)
    quantised, others = _read_arrays(path / "network.npz", _QUANT_ARRAYS, len(entries), np.dtype(np.int64))
    floats, _ = _read_arrays(path / "float.npz", _FLOAT_ARRAYS, len(entries), np.dtype(np.float64))
    layers, sources = [], []
    for index, entry in enumerate(entries):
        spot = f"{where} field layers[{index}]"
        with damage(spot):
            layers.append(_quant_layer(entry, quantised[index], spot))
        with damage(f"{path / 'float.npz'} layer {index}"):
            name = typed(entry, "name", str, spot)
            scalars: dict[str, Any] = {
                "rectified": typed(entry, "rectified", bool, spot),
                "symbols": layers[-1].symbols,
                "threshold": typed(entry, "real_threshold", float, spot),
            }
            sources.append(FloatLayer(name=name, **floats[index], **_codes(entry, spot), **scalars))
    with damage(str(path / "network.npz")):
        programs = _programs(described, layers, sources, others.get(_PREDICTOR), where)
    with damage(str(path / "engine.json")):
        engine = EngineConfig.from_json((path / "engine.json").read_text())
    return described, engine, programs


def _programs(
    described: dict[str, Any],
    layers: list[QuantLayer],
    sources: list[FloatLayer],
    predictor: Any,
    where: str,
) -> tuple[Program, ...]:
    """The layers of all programs, divided among them."""
    found: list[Program] = []
    used = 0
    for index, entry in enumerate(typed(described, "programs", list, where)):
        spot = f"{where} field programs[{index}]"
        if not isinstance(entry, dict):
            raise UserError(spot, f"is {entry!r}", _REMEDY)
        end = used + typed(entry, "layers", int, spot)
        if not used < end <= len(layers):
            raise UserError(f"{spot} field layers", f"is {end - used}, of {len(layers) - used} that are left", _REMEDY)
        network = QuantNetwork(tuple(layers[used:end]), None if found else predictor)
        source, place = FloatNetwork(tuple(sources[used:end])), typed(entry, "place", int, spot)
        _check_chain(network, source)
        found.append(Program(typed(entry, "name", str, spot), network, source, place))
        used = end
    if not found or used != len(layers):
        raise UserError(f"{where} field programs", f"has {used} layers of {len(layers)}", _REMEDY)
    return tuple(found)


def _check_chain(network: QuantNetwork, source: FloatNetwork) -> None:
    """Every layer reads what the one before makes, and is the same in integers as in floating point.

    Raises
    ------
    ValueError
        If one is not.
    """
    for index, (before, layer) in enumerate(itertools.pairwise(network.layers), 1):
        if layer.inputs != before.units:
            raise ValueError(f"Layer {index} must read the {before.units} values of the one before, not {layer.inputs}")
    for index, (layer, real) in enumerate(zip(network.layers, source.layers, strict=True)):
        if (layer.units, layer.inputs) != (real.units, real.inputs):
            sizes = f"{layer.units} units and {layer.inputs} inputs"
            raise ValueError(f"Layer {index} has {sizes}, and in float.npz {real.units} and {real.inputs}")


def checksums(path: Path, described: dict[str, Any]) -> dict[str, str]:
    """SHA-256 of every file of a design by its name, and of ``design.json`` without the checksums."""
    # As it is read back: tuples as lists, all keys as strings.
    own = json.loads(json.dumps({name: value for name, value in described.items() if name != "checksums"}))
    found = {MARKER: hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()}
    graph = [f"{GRAPH}/{name}" for name in GRAPH_FILES] if described["graph"] else []
    for name in (*_FILES, *graph):
        found[name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    return found


def check_unchanged(path: Path, described: dict[str, Any]) -> None:
    recorded = typed(described, "checksums", dict, str(path / MARKER))
    for name, checksum in checksums(path, described).items():
        if recorded.get(name) != checksum:
            raise UserError(
                str(path / name), "was changed after the design was written (its checksum differs)", _REMEDY
            )


def _describe(layer: QuantLayer) -> dict[str, Any]:
    scalars = {name: getattr(layer, name) for name in (*_QUANT_SCALARS, *_CODES)}
    lists = {name: list(getattr(layer, name)) for name in _QUANT_LISTS}
    return {**scalars, **lists, **{name: dataclasses.asdict(getattr(layer, name)) for name in _QUANT_GRIDS}}


def _quant_layer(entry: Any, arrays: dict[str, Any], where: str) -> QuantLayer:
    if not isinstance(entry, dict):
        raise UserError(where, f"is {entry!r}", _REMEDY)
    values: dict[str, Any] = {name: typed(entry, name, kind, where) for name, kind in _QUANT_SCALARS.items()}
    values |= _codes(entry, where)
    for name in _LSBS:
        if values[name] <= 0:
            raise UserError(f"{where} field {name}", f"is {values[name]!r}", _REMEDY)
    for name in _QUANT_LISTS:
        values[name] = tuple(typed(entry, name, list, where))
        if any(type(value) is not int for value in values[name]):
            raise UserError(f"{where} field {name}", f"is {list(values[name])!r}", _REMEDY)
    for name in _QUANT_GRIDS:
        fields = typed(entry, name, dict, where)
        if any(type(value) is not int for value in fields.values()):
            raise UserError(f"{where} field {name}", f"is {fields!r}", _REMEDY)
        values[name] = Grid(**fields)
    return QuantLayer(**arrays, **values)


def _codes(entry: dict[str, Any], where: str) -> dict[str, Any]:
    """Kind, squash and verdict of a layer."""
    return {name: codes(typed(entry, name, int, where)) for name, codes in _CODES.items()}


def typed(values: dict[str, Any], name: str, kind: type, where: str) -> Any:
    value = values.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or not _finite(value):
        raise UserError(f"{where} field {name}", f"is {value!r}", _REMEDY)
    return value


def _finite(value: Any) -> bool:
    """JSON as Python reads it has NaN and Infinity."""
    return not isinstance(value, float) or math.isfinite(value)


@contextmanager
def damage(where: str) -> Iterator[None]:
    """Turn what goes wrong while reading ``where`` into a user error."""
    try:
        yield
    except OSError as error:
        raise UserError(where, f"cannot be read ({error.strerror or error})", _REMEDY) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(where, f"is damaged ({error})", _REMEDY) from None


def _read_json(path: Path) -> dict[str, Any]:
    with damage(str(path)):
        content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise UserError(str(path), f"holds a {type(content).__name__}", _REMEDY)
    return content


def _save_arrays(
    path: Path, layers: Sequence[Any], names: tuple[str, ...], others: dict[str, Any] | None = None
) -> None:
    fields = {f"l{index}_{name}": getattr(layer, name) for index, layer in enumerate(layers) for name in names}
    fields |= others or {}
    arrays: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
    np.savez_compressed(path, **arrays)


def _read_arrays(
    path: Path, names: tuple[str, ...], layers: int, kind: np.dtype[Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Arrays by layer and name, and those of no layer."""
    arrays = read_archive(path, _REMEDY)
    for key in (f"l{index}_{name}" for index in range(layers) for name in names):
        if key not in arrays and not key.endswith(_OPTIONAL):
            raise UserError(f"{path} field {key}", "is missing", _REMEDY)
    for key, array in arrays.items():
        if array.dtype != kind:
            raise UserError(f"{path} field {key}", f"is {array.dtype}, not {kind}", _REMEDY)
        if not np.isfinite(array).all():
            raise UserError(f"{path} field {key}", "holds values that are not finite", _REMEDY)
    return [{name: arrays.pop(f"l{index}_{name}", None) for name in names} for index in range(layers)], arrays
