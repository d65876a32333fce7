"""Inputs of every kind, and mutants of them: bytes, JSON values and arrays."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from hw_tests.unit.link_cases import small_design
from lstmith.test_support.graphs.nodes import save_lstm, weights

#: What a value of JSON may turn into.
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**70, -(2**70), 0.5, 1e308, float("nan"), float("inf"), "", "text"),
    *([], {}, [0], {"a": 1}, [[]] * 3, "x" * 5000, [0] * 5000),
)
#: Elements of an array turn into these.
_NUMBERS = (0.0, -0.0, 1e-320, 1e38, 1e308, -1e308, np.nan, np.inf, -np.inf)
_TYPES = ("float16", "float32", "float64", "int8", "int64", "uint64", "bool", "complex128", "U3", "S2")
#: JSON as deep as no reader should follow.
_DEEP = 50_000

Mutation = Callable[[np.random.Generator, bytes], bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes
    ----------
    name : str
    file : str
        Which file of the folder is mutated.
    arguments : tuple of str
        Of the command that reads it; names of files are of the folder.
    output : str
        What the command writes.
    mutations : tuple of callable
    signed : bool
        Whether the design is given right checksums again, so that what they protect is read.
    """

    name: str
    file: str
    arguments: tuple[str, ...]
    output: str
    mutations: tuple[Mutation, ...]
    signed: bool = False


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Bits flipped, bytes replaced, cut, put in, repeated or emptied, once or several times."""
    data = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 2, 8]))):
        place = int(rng.integers(len(data) + 1))
        end = min(len(data), place + int(rng.choice([1, 4, 64, 4096])))
        match int(rng.integers(6)):
            case 0 if place < len(data):
                data[place] ^= 1 << int(rng.integers(8))
            case 1:
                data[place:end] = rng.bytes(end - place)
            case 2:
                del data[place:]
            case 3:
                data[place:place] = rng.bytes(int(rng.integers(1, 64)))
            case 4:
                data[place:place] = data[place:end]
            case _:
                data[place:end] = bytes(end - place)
    return bytes(data)


def changed_json(rng: np.random.Generator, content: bytes) -> bytes:
    """A value replaced, a key dropped, renamed or added, or an endless nest."""
    value = json.loads(content)
    places = list(_places(value))
    if not places or rng.random() < 0.02:
        return b"[" * _DEEP + b"]" * _DEEP
    holder, key = places[rng.integers(len(places))]
    match int(rng.integers(5)):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(key) + "x"] = holder.pop(key)
        case 2 if isinstance(holder[key], int):
            holder[key] += int(rng.choice([-1, 1, 1 << 20]))
        case 3:
            other, name = places[rng.integers(len(places))]
            # A copy: nothing may hold itself.
            holder[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else None)
        case _:
            holder[key] = _VALUES[rng.integers(len(_VALUES))]
    return json.dumps(value).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a JSON value: its holder, and key or index."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found += [(value, key), *_places(value[key])]
    return found


def changed_arrays(rng: np.random.Generator, content: bytes) -> bytes:
    """An archive whose arrays have other values, shapes, types or names, or are not there."""
    with np.load(io.BytesIO(content)) as file:
        arrays = _changed(rng, dict(file))
    target = io.BytesIO()
    np.savez_compressed(target, **arrays)
    return target.getvalue()


def changed_tensors(rng: np.random.Generator, content: bytes) -> bytes:
    """The same of a .safetensors file, as far as it can hold such arrays."""
    arrays = _changed(rng, safetensors.numpy.load(content))
    plain = {name: np.ascontiguousarray(value) for name, value in arrays.items() if value.dtype.kind in "fiub"}
    return safetensors.numpy.save(plain)


def _changed(rng: np.random.Generator, arrays: dict[str, Any]) -> dict[str, Any]:
    name = str(rng.choice(list(arrays)))
    array = arrays[name]
    match int(rng.integers(8)):
        case 0:
            del arrays[name]
        case 1:
            arrays[name + "x"] = arrays.pop(name)
        case 2:
            arrays[name] = array[..., None] if rng.random() < 0.5 else array.reshape(-1)
        case 3 if array.ndim:
            arrays[name] = array[: int(rng.integers(len(array) + 1))]
        case 4:
            with np.errstate(all="ignore"):
                arrays[name] = array.real.astype(str(rng.choice(_TYPES)))
        case 5:
            arrays[name] = np.concatenate([array, array]) if array.ndim else np.zeros(0)
        case 6:
            other = str(rng.choice(list(arrays)))
            arrays[name] = arrays[other]
        case _:
            values = array.astype(np.float64) if array.dtype.kind in "fiub" else array
            if values.size and values.dtype.kind == "f":
                values = values.copy()
                values.reshape(-1)[int(rng.integers(values.size))] = rng.choice(_NUMBERS)
            arrays[name] = values
    return arrays


def remade_archive(rng: np.random.Generator, content: bytes) -> bytes:
    """Members whose bytes are damaged, in an archive that is not: its checksums are right."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        names = file.namelist()
        chosen = str(rng.choice(names))
        with zipfile.ZipFile(target, "w") as made:
            for name in names:
                member = file.read(name)
                made.writestr(name, damaged(rng, member) if name == chosen else member)
    return target.getvalue()


_ARCHIVE: tuple[Mutation, ...] = (damaged, remade_archive, changed_arrays, changed_arrays)
_JSON: tuple[Mutation, ...] = (damaged, changed_json, changed_json, changed_json)
_COMPILE, _DESIGN = ("--calibration", "x.npz", "-o", "made"), ("--engine", "golden", "-o", "y.npz")
KINDS = (
    Kind("ONNX model", "m.onnx", ("compile", "m.onnx", *_COMPILE), "made", (damaged,)),
    Kind("NumPy weights", "m.npz", ("compile", "m.npz", *_COMPILE), "made", _ARCHIVE),
    Kind(
        "safetensors weights",
        "m.safetensors",
        ("compile", "m.safetensors", *_COMPILE),
        "made",
        (damaged, changed_tensors),
    ),
    Kind("calibration", "x.npz", ("compile", "m.npz", *_COMPILE), "made", _ARCHIVE),
    Kind("input", "x.npz", ("run", "design", "--input", "x.npz", *_DESIGN), "y.npz", _ARCHIVE),
    Kind("policy", "p.json", ("run", "design", "--input", "x.npz", "--policy", "p.json", *_DESIGN), "y.npz", _JSON),
    *(
        Kind(
            f"{file} of a design{', signed' if signed else ''}",
            f"design/{file}",
            ("run", "design", "--input", "x.npz", *_DESIGN),
            "y.npz",
            _JSON if file.endswith(".json") else _ARCHIVE,
            signed,
        )
        for file in ("design.json", "engine.json", "network.npz", "float.npz")
        for signed in (False, True)
    ),
)


def originals(folder: Path, rng: np.random.Generator) -> Mapping[str, bytes]:
    """Files that are right, by name; the design's are in ``design``."""
    arrays = weights(rng, 3, 4)
    save_lstm(folder / "m.onnx", arrays)
    state = {
        "weight_ih_l0": rng.normal(0, 0.5, (16, 3)).astype(np.float32),
        "weight_hh_l0": rng.normal(0, 0.5, (16, 4)).astype(np.float32),
        "bias_ih_l0": rng.normal(0, 0.5, 16).astype(np.float32),
        "bias_hh_l0": np.zeros(16, np.float32),
    }
    safetensors.numpy.save_file({f"lstm.{name}": array for name, array in state.items()}, folder / "m.safetensors")
    design = small_design(rng, units=4, inputs=3, lanes=2)
    design.save(folder / "design")
    layer = design.network.layers[0]
    policy = {"layers": [{"mode": "delta", "theta_x": 1, "theta_h": 1}]}
    (folder / "p.json").write_text(json.dumps(policy), encoding="utf-8")
    source = design.source.layers[0]
    none = np.zeros_like(source.bias)
    np.savez(folder / "m.npz", W_ih=source.w_ih, W_hh=source.w_hh, b_ih=source.bias, b_hh=none)
    np.savez(folder / "x.npz", x=np.cumsum(rng.normal(0, 0.3, (2, 20, layer.inputs)), axis=1))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
