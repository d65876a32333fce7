"""Recurrent layers from PyTorch state dicts, in .pt / .pth or .safetensors files."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.checks import (
    check_stack,
    checked_gru,
    checked_layer,
    checked_rnn,
    float_array,
    readable_file,
)
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.codes import Kind
from lstmith.spec.errors import UserError

Tensors = Mapping[str, npt.NDArray[Any]]

#: nn.LSTM, nn.GRU and nn.RNN number their layers (weight_ih_l0); cells have one, without a number.
_KEY = re.compile(r"(?P<prefix>(?:.*\.)?)(?P<kind>(?:weight|bias)_(?:ih|hh|hr))(?:_l(?P<layer>\d+))?(?P<rev>_reverse)?")
_ROOT = "lstm"
#: nn.Embedding has a weight alone, so its name has to tell.
_EMBEDDING = re.compile(r"emb[a-z]*(\.\d+)*\.weight$", re.IGNORECASE)


@dataclass(frozen=True)
class TorchModel:
    """Recurrent layers of a state dict.

    Parameters
    ----------
    name : str
        Of the module.
    stacks : tuple of tuple of FloatLayer
        For each layer of the module, its forward direction, and its backward one if it has both.
    others : mapping of str to array
        What the state dict holds beside the module.
    embedding : str
        Name of the weight of the only nn.Embedding that is as wide as the first layer's input; empty if there is none.
    table : float64 [K, I] or None
        That weight.
    dense : FloatLayer or None
        A layer that reads the h of the last one, of both directions; see :mod:`.torch_head`.
    """

    name: str
    stacks: tuple[tuple[FloatLayer, ...], ...]
    others: Tensors
    embedding: str = ""
    table: npt.NDArray[np.float64] | None = None
    dense: FloatLayer | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the state dict does not tell, or tells and is not used."""
        found = []
        if self.dense is not None:
            found.append(
                f"{self.dense.name!r} is taken for a dense layer without a function behind {self.name!r}, since a "
                "state dict does not say; ONNX does"
            )
        elif keys := list(self.others):
            told = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
            found.append(
                f"weights outside {self.name!r} are not used ({told}); --head uses a Linear, and a model exported to "
                "ONNX has all of them"
            )
        if self.stacks[0][0].kind is Kind.RNN:
            found.append(f"{self.name!r} is taken for an RNN with tanh, since a state dict does not say; ONNX does")
        return tuple(found)

    @property
    def bidirectional(self) -> bool:
        """Whether layers run in both directions."""
        return len(self.stacks[0]) > 1

    @property
    def network(self) -> FloatNetwork:
        """The forward layers, of a module that has no others, and the dense one."""
        head = () if self.dense is None else (self.dense,)
        return FloatNetwork((*(forward for forward, *_ in self.stacks), *head))

    def with_symbols(self) -> TorchModel:
        """The same module with symbols as its x: rows of the embedding, or of a one-hot input if there is none."""
        (first, *others), *above = self.stacks
        columns = first.w_ih if self.table is None else first.w_ih @ self.table.T
        return replace(self, stacks=((replace(first, w_ih=columns, symbols=True), *others), *above))


def import_safetensors(path: Path, layer: str | None = None) -> TorchModel:
    """The recurrent module in a .safetensors file; see `from_state_dict`."""
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


def import_pt(path: Path, layer: str | None = None) -> TorchModel:
    """The recurrent module in a .pt / .pth file; needs PyTorch; see `from_state_dict`."""
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
    """Whether any name is that of a weight of a recurrent module or cell."""
    return any(isinstance(key, str) and _KEY.fullmatch(key) for key in tensors)


def from_state_dict(source: str, tensors: Tensors, layer: str | None = None) -> TorchModel:
    """The nn.LSTM, nn.GRU or nn.RNN (or cell) in a state dict, in one direction or both.

    Parameters
    ----------
    source : str
        The file, for messages.
    tensors : mapping
        Such as ``encoder.lstm.weight_ih_l0`` [4H, I], ``weight_hh_l0`` [4H, H], ``bias_ih_l0``, ``bias_hh_l0`` [4H];
        a GRU has 3H rows (r, z, n), an RNN H; the backward direction's names end in ``_reverse``.
    layer : str, optional
        The module's name (``encoder.lstm``); needed if there are several.
    """
    modules: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for key, tensor in tensors.items():
        if (match := _KEY.fullmatch(key)) is not None:
            modules.setdefault(match["prefix"].rstrip(".") or _ROOT, {})[key] = tensor
    if not modules:
        raise UserError(
            source, "it holds no LSTM, GRU or RNN (no weight_ih_l0)", "save the state dict of a module with one"
        )
    if layer is not None and layer not in modules:
        raise UserError(
            f"{source}: --layer", f"there is no recurrent module named {layer!r}", f"choose one of {_list(modules)}"
        )
    if layer is None and len(modules) > 1:
        raise UserError(
            source, f"it holds {len(modules)} recurrent modules: {_list(modules)}", "name one of them with --layer"
        )
    name = layer if layer is not None else next(iter(modules))
    stacks = _read_module(f"{source}: {name}", name, modules[name])
    others = {key: tensor for key, tensor in tensors.items() if key not in modules[name]}
    width = (stacks[0][0].inputs,)
    tables = [key for key, tensor in others.items() if _EMBEDDING.search(key) and tensor.shape[1:] == width]
    if len(tables) != 1:
        return TorchModel(name, stacks, others)
    [embedding] = tables
    return TorchModel(name, stacks, others, embedding, float_array(source, repr(embedding), others[embedding]))


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


def _read_module(where: str, name: str, fields: Tensors) -> tuple[tuple[FloatLayer, ...], ...]:
    layers: dict[tuple[int, bool], dict[str, tuple[str, npt.NDArray[Any]]]] = {}
    for key, tensor in fields.items():
        match = _KEY.fullmatch(key)
        assert match is not None
        if match["kind"].endswith("hr"):
            raise UserError(
                where, f"it has a projection ({key!r}), which is not supported", "use an LSTM without proj_size"
            )
        layers.setdefault((int(match["layer"] or 0), bool(match["rev"])), {})[match["kind"]] = (key, tensor)
    count = max(index for index, _ in layers) + 1
    ways = (False, True) if any(reverse for _, reverse in layers) else (False,)
    for index in range(count):
        for reverse in ways:
            if (index, reverse) not in layers:
                told = f"layer {index} is missing {'in reverse' if reverse else f'below layer {count - 1}'}"
                raise UserError(where, told, "save the whole state dict")
    stacks = tuple(
        tuple(
            _read_layer(where, f"{name}.l{index}{'_reverse' if reverse else ''}", layers[index, reverse])
            for reverse in ways
        )
        for index in range(count)
    )
    if len(ways) == 1:
        check_stack(where, tuple(layer for (layer,) in stacks))
    return stacks


def _read_layer(where: str, name: str, fields: dict[str, tuple[str, npt.NDArray[Any]]]) -> FloatLayer:
    needed = ["weight_ih", "weight_hh"]
    if "bias_ih" in fields or "bias_hh" in fields:
        needed += ["bias_ih", "bias_hh"]
    for kind in needed:
        if kind not in fields:
            have = ", ".join(repr(key) for key, _ in fields.values())
            raise UserError(where, f"it has {have}, but no {kind} beside it", "save the whole state dict")
    w_ih, w_hh, *biases = (float_array(where, repr(fields[kind][0]), fields[kind][1]) for kind in needed)
    labels = (fields["weight_ih"][0], fields["weight_hh"][0], "bias")
    rows, units = (*w_hh.shape, 0)[:2]
    gates = rows // units if units and rows % units == 0 and w_ih.shape[:1] == w_hh.shape[:1] else 4
    if gates == 3:
        return checked_gru(where, name, w_ih, w_hh, tuple(biases), fields=labels)
    if gates == 1:
        return checked_rnn(where, name, w_ih, w_hh, tuple(biases), fields=labels)
    return checked_layer(where, name, w_ih, w_hh, tuple(biases), fields=(*labels, ""))
