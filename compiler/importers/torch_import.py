"""LSTM weights from PyTorch state dicts, in .pt / .pth or .safetensors files."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.checks import BOTH_WAYS, check_stack, checked_layer, float_array, readable_file
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.errors import UserError

Tensors = Mapping[str, npt.NDArray[Any]]

#: nn.LSTM numbers its layers (weight_ih_l0); nn.LSTMCell has one, without a number.
_KEY = re.compile(r"(?P<prefix>(?:.*\.)?)(?P<kind>(?:weight|bias)_(?:ih|hh|hr))(?:_l(?P<layer>\d+))?(?P<rev>_reverse)?")
_ROOT = "lstm"
_GATES_OF = {4: "LSTM", 3: "GRU", 1: "RNN"}


def import_safetensors(path: Path, layer: str | None = None) -> FloatNetwork:
    """The nn.LSTM (or nn.LSTMCell) in a .safetensors file; see `from_state_dict`."""
    # Of this format alone.
    import safetensors.numpy

    readable_file(path)
    try:
        tensors = safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise UserError(str(path), f"cannot be read as .safetensors ({error})", "save the state dict again") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            str(path), f"holds a tensor of a type that NumPy does not have ({error})", "save the weights as float32"
        ) from error
    return from_state_dict(str(path), tensors, layer)


def import_pt(path: Path, layer: str | None = None) -> FloatNetwork:
    """The nn.LSTM (or nn.LSTMCell) in a .pt / .pth file; needs PyTorch; see `from_state_dict`."""
    readable_file(path)
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise UserError(
            str(path),
            "reading a .pt file needs PyTorch, which is not installed",
            "run pip install 'lstmith[torch]', or save the state dict as .safetensors",
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what is refused here
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises its own, pickle's and zipfile's exceptions for a bad file
        raise UserError(
            str(path),
            f"is no PyTorch state dict ({_kind(path, error)})",
            "save it with torch.save(model.state_dict(), ...)",
        ) from error
    try:
        tensors = flatten(saved)
    except (TypeError, RuntimeError, NotImplementedError) as error:  # a RecursionError is a RuntimeError
        raise UserError(
            str(path),
            "holds tensors that are sparse, quantised or without values, or a dict within itself",
            "save a state dict of dense float32 tensors",
        ) from error
    return from_state_dict(str(path), tensors, layer)


def _kind(path: Path, error: Exception) -> str:
    """What a file that torch refuses to load is; torch's own words advise to load it unsafely."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                return "it is TorchScript"
    if isinstance(error, pickle.UnpicklingError) and "weights" in str(error).lower():
        return "it holds a whole model or other Python objects"
    return "it is damaged or another format"


def flatten(saved: Any, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """All tensors of a checkpoint of nested dicts, keys joined by dots."""
    if isinstance(saved, Mapping):
        items = [flatten(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in saved.items()]
        return {key: value for found in items for key, value in found.items()}
    if hasattr(saved, "detach"):
        values = saved.detach()
        # NumPy has no bfloat16; complex values keep their type, so that they are refused by name.
        return {prefix: (values.resolve_conj() if values.is_complex() else values.double()).numpy()}
    return {prefix: saved} if isinstance(saved, np.ndarray) else {}


def is_state_dict(tensors: Mapping[str, Any]) -> bool:
    """Whether any name is that of a weight of an nn.LSTM or nn.LSTMCell."""
    return any(isinstance(key, str) and _KEY.fullmatch(key) for key in tensors)


def from_state_dict(source: str, tensors: Tensors, layer: str | None = None) -> FloatNetwork:
    """The LSTM in a state dict.

    Parameters
    ----------
    source : str
        The file, for messages.
    tensors : mapping
        Such as ``encoder.lstm.weight_ih_l0`` [4H, I], ``weight_hh_l0`` [4H, H], ``bias_ih_l0``, ``bias_hh_l0`` [4H].
    layer : str, optional
        The module's name (``encoder.lstm``); needed if there are several.
    """
    modules: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for key, tensor in tensors.items():
        if (match := _KEY.fullmatch(key)) is not None:
            modules.setdefault(match["prefix"].rstrip(".") or _ROOT, {})[key] = tensor
    if not modules:
        raise UserError(source, "it holds no LSTM (no weight_ih_l0)", "save the state dict of a module with an nn.LSTM")
    if layer is not None and layer not in modules:
        raise UserError(f"{source}: --layer", f"there is no LSTM named {layer!r}", f"choose one of {_list(modules)}")
    if layer is None and len(modules) > 1:
        raise UserError(source, f"it holds {len(modules)} LSTMs: {_list(modules)}", "name one of them with --layer")
    name = layer if layer is not None else next(iter(modules))
    return _read_module(f"{source}: {name}", name, modules[name])


def _list(modules: Mapping[str, Tensors]) -> str:
    return ", ".join(f"{name!r} ({_widths(fields)})" for name, fields in modules.items())


def _widths(fields: Tensors) -> str:
    first = {
        kind: tensor
        for key, tensor in fields.items()
        for kind in ("ih", "hh")
        if re.search(rf"weight_{kind}(_l0)?$", key) and tensor.ndim == 2
    }
    return ", ".join(f"{symbol}={first[kind].shape[1]}" for symbol, kind in (("I", "ih"), ("H", "hh")) if kind in first)


def _read_module(where: str, name: str, fields: Tensors) -> FloatNetwork:
    layers: dict[int, dict[str, tuple[str, npt.NDArray[Any]]]] = {}
    for key, tensor in fields.items():
        match = _KEY.fullmatch(key)
        assert match is not None
        if match["rev"]:
            raise UserError(where, f"it is bidirectional ({key!r}), which is not supported", BOTH_WAYS)
        if match["kind"].endswith("hr"):
            raise UserError(
                where, f"it has a projection ({key!r}), which is not supported", "use an LSTM without proj_size"
            )
        layers.setdefault(int(match["layer"] or 0), {})[match["kind"]] = (key, tensor)
    if missing := set(range(max(layers) + 1)) - set(layers):
        raise UserError(
            where, f"layer {min(missing)} is missing below layer {max(layers)}", "save the whole state dict"
        )
    stack = tuple(_read_layer(where, f"{name}.l{index}", layers[index]) for index in sorted(layers))
    check_stack(where, stack)
    return FloatNetwork(stack)


def _read_layer(where: str, name: str, fields: dict[str, tuple[str, npt.NDArray[Any]]]) -> FloatLayer:
    needed = ["weight_ih", "weight_hh"]
    if "bias_ih" in fields or "bias_hh" in fields:
        needed += ["bias_ih", "bias_hh"]
    for kind in needed:
        if kind not in fields:
            have = ", ".join(repr(key) for key, _ in fields.values())
            raise UserError(where, f"it has {have}, but no {kind} beside it", "save the whole state dict")
    w_ih, w_hh, *biases = (float_array(where, repr(fields[kind][0]), fields[kind][1]) for kind in needed)
    if w_hh.ndim == 2 and w_hh.shape[1] and w_ih.shape[:1] == w_hh.shape[:1]:
        cell = _GATES_OF.get(w_hh.shape[0] // w_hh.shape[1])
        if cell in ("GRU", "RNN") and w_hh.shape[0] % w_hh.shape[1] == 0:
            raise UserError(where, f"its shapes are those of a {cell}, which is not supported", "use an LSTM")
    labels = (fields["weight_ih"][0], fields["weight_hh"][0], "bias", "")
    return checked_layer(where, name, w_ih, w_hh, tuple(biases), fields=labels)
