"""Any supported model, a file or in memory, as a canonical float network, with the graph around it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lstmith.compiler.importers.checks import readable_file
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError

if TYPE_CHECKING:
    from onnx import ModelProto

    from lstmith.compiler.importers.onnx_import import OnnxNetwork
    from lstmith.compiler.importers.split_graph import SplitGraph

#: What a network may be given as: a file; arrays as in an .npz file or a PyTorch state dict; an ONNX model.
ModelSource: TypeAlias = "str | Path | Mapping[str, Any] | ModelProto"

#: Where messages say a model in memory is.
IN_MEMORY = "model"
_SUFFIXES = {".onnx": "onnx", ".npz": "npz", ".pt": "pt", ".pth": "pt", ".safetensors": "safetensors"}

_TFLITE = ("is a TensorFlow Lite model", "python -m tf2onnx.convert --tflite {name} --output {stem}.onnx")
_KERAS = ("is a Keras model", "model.export('{stem}.onnx', format='onnx') in Keras")
_FOREIGN = {".keras": _KERAS, ".h5": _KERAS, ".hdf5": _KERAS, ".tflite": _TFLITE}
_SAVED_MODEL = ("is a TensorFlow SavedModel", "python -m tf2onnx.convert --saved-model {name} --output {stem}.onnx")


@dataclass(frozen=True)
class Model:
    """A model, read once.

    Parameters
    ----------
    source : str
        The file, for messages.
    network : FloatNetwork
        Gate order i, f, g, o; biases summed; float64.
    graph : SplitGraph or None
        What the host runs around the LSTM, if the model is an ONNX graph that can be split.
    remarks : tuple of str
        Why there is no graph, and which LSTMs stay in it.
    """

    source: str
    network: FloatNetwork
    graph: SplitGraph | None = None
    remarks: tuple[str, ...] = ()


def read_model(given: ModelSource, layer: str | None = None) -> Model:
    """Read an LSTM and the graph around it.

    Parameters
    ----------
    given : str or Path, mapping, or ModelProto
        A file, see :func:`load_model`; arrays by the names that an .npz file has, or a PyTorch state dict; or an
        ONNX model.
    layer : str, optional
        Which LSTM, if there are several: an ONNX node's name or a PyTorch module's.

    Raises
    ------
    UserError
        For anything that cannot be read or is not supported, by name. A graph that cannot be split is no error: the
        LSTM alone is still a model, with a remark.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        if _kind(path) != "onnx":
            return Model(str(path), load_model(path, layer))
        from lstmith.compiler.importers.onnx_graph import load_onnx

        return _read_graph(load_onnx(path), str(path), layer)
    if isinstance(given, Mapping):
        return Model(IN_MEMORY, _read_mapping(given, layer))
    if type(given).__name__ == "ModelProto":
        from lstmith.compiler.importers.onnx_graph import prepare

        return _read_graph(prepare(given, IN_MEMORY), IN_MEMORY, layer)
    raise UserError(
        IN_MEMORY, f"is a {type(given).__name__}", "give a file, arrays by name, a state dict or an ONNX model"
    )


def load_model(path: Path, layer: str | None = None) -> FloatNetwork:
    """Read an LSTM from an .onnx, .pt, .pth, .safetensors or .npz file, without the graph around it.

    Parameters
    ----------
    path : Path
        The suffix decides the format; with any other suffix the content does.
    layer : str, optional
        Which LSTM, if the file holds several: an ONNX node's name or a PyTorch module's.

    Returns
    -------
    FloatNetwork
        Gate order i, f, g, o; biases summed; float64.

    Raises
    ------
    UserError
        For anything that cannot be read or is not supported, by name.
    """
    # Each format is imported when a file has it: the packages behind them are large.
    kind = _kind(path)
    if kind == "npz":
        from lstmith.compiler.importers.npz_import import import_npz

        return import_npz(path, layer)
    if kind == "onnx":
        from lstmith.compiler.importers.onnx_import import import_onnx

        return import_onnx(path, layer)
    from lstmith.compiler.importers.torch_import import import_pt, import_safetensors

    return (import_pt if kind == "pt" else import_safetensors)(path, layer)


def _read_mapping(given: Mapping[str, Any], layer: str | None) -> FloatNetwork:
    from lstmith.compiler.importers.npz_import import from_arrays
    from lstmith.compiler.importers.torch_import import flatten, from_state_dict, is_state_dict

    if is_state_dict(given):
        return from_state_dict(IN_MEMORY, flatten(given), layer)
    return from_arrays(IN_MEMORY, given, layer)


def _read_graph(model: ModelProto, source: str, layer: str | None) -> Model:
    from lstmith.compiler.importers.onnx_import import choose_network

    chosen = choose_network(model, source, layer)
    assert chosen.network is not None
    graph, remarks = _split(model, chosen)
    return Model(source, chosen.network, graph, remarks)


def _split(model: ModelProto, chosen: OnnxNetwork) -> tuple[SplitGraph | None, tuple[str, ...]]:
    """What the host runs around the LSTM, and remarks; a model without it is still a design."""
    from lstmith.compiler.importers.split import split_network

    try:
        graph = split_network(model, chosen)
    except UserError as error:
        return None, (f"compiling the LSTM alone, without the graph around it: {error}",)
    return graph, tuple(
        f"LSTM {name!r} stays in the graph around it, which the host runs in float" for name in graph.others
    )


def _refuse_foreign(path: Path) -> None:
    """Name the way to ONNX for models of other frameworks, which their suffix or first bytes tell."""
    found = _FOREIGN.get(path.suffix.lower()) if path.is_file() else None
    if path.is_dir() and (path / "saved_model.pb").exists():
        found = _SAVED_MODEL
    if found is None and path.is_file() and os.access(path, os.R_OK):
        with path.open("rb") as stream:
            head = stream.read(8)
        found = _KERAS if head[:4] == b"\x89HDF" else _TFLITE if head[4:] == b"TFL3" else None
    if found is not None:
        problem, command = found
        raise UserError(str(path), problem, f"export it to ONNX with {command.format(name=path.name, stem=path.stem)}")


def _kind(path: Path) -> str:
    """The format of a readable file: ``onnx``, ``npz``, ``pt`` or ``safetensors``."""
    _refuse_foreign(path)
    readable_file(path)
    if (known := _SUFFIXES.get(path.suffix.lower())) is not None:
        return known
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            arrays = any(name.endswith(".npy") for name in archive.namelist())
        return "npz" if arrays else "pt"
    with path.open("rb") as stream:
        head = stream.read(9)
    # A .safetensors file is an 8-byte length and then JSON.
    return "safetensors" if head[8:9] == b"{" else "onnx"
