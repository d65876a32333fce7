"""Any supported model, a file or in memory, as a canonical float network, with the graph around it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lstmith.compiler.importers.checks import readable_file
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError

if TYPE_CHECKING:
    from onnx import ModelProto

    from lstmith.compiler.importers.plan import Plan
    from lstmith.compiler.importers.torch_import import TorchModel

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
    networks : tuple of FloatNetwork
        The programs: chains of layers with weights of their own; float64.
    plan : Plan or None
        What runs where, if the model is an ONNX graph that can be planned.
    remarks : tuple of str
        Why there is no plan, and which recurrent nodes stay on the host.
    """

    source: str
    networks: tuple[FloatNetwork, ...]
    plan: Plan | None = None
    remarks: tuple[str, ...] = ()

    @property
    def network(self) -> FloatNetwork:
        """The first program, of most models the only one."""
        return self.networks[0]


def read_model(given: ModelSource, layer: str | None = None, *, symbols: bool = False, head: bool = False) -> Model:
    """Read a model: its recurrent layers, and the graph around them.

    Parameters
    ----------
    given : str or Path, mapping, or ModelProto
        A file, see :func:`load_model`; arrays by the names that an .npz file has, or a PyTorch state dict; or an
        ONNX model.
    layer : str, optional
        Of several recurrent layers, the only one to run on the core: an ONNX node's name or a PyTorch module's.
    symbols : bool
        Whether the first layers read symbols where a graph has embeddings; of a model without a graph, that its x are
        symbols, a column each.
    head : bool
        Whether dense layers of an ONNX graph behind recurrent ones run on the core too, or the only Linear that a state
        dict holds beside its module.

    Raises
    ------
    UserError
        For anything that cannot be read or is not supported, by name. A graph that cannot be planned is no error if
        it has one network: that alone is still a model, with a remark.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        found = _load(path, layer)
        return _model(found, str(path), layer, symbols=symbols, head=head)
    if isinstance(given, Mapping):
        return _model(_read_mapping(given, layer), IN_MEMORY, None, symbols=symbols, head=head)
    if type(given).__name__ == "ModelProto":
        from lstmith.compiler.importers.onnx_graph import prepare

        return _model(prepare(given, IN_MEMORY), IN_MEMORY, layer, symbols=symbols, head=head)
    raise UserError(
        IN_MEMORY, f"is a {type(given).__name__}", "give a file, arrays by name, a state dict or an ONNX model"
    )


def load_model(path: Path, layer: str | None = None) -> FloatNetwork:
    """Read a recurrent network from a file, without the graph around it; see :func:`read_model`.

    Returns
    -------
    FloatNetwork
        The only chain of layers, or the one that ``layer`` names; float64.

    Raises
    ------
    UserError
        For anything that cannot be read or is not supported, by name, and for what is more than one chain.
    """
    found = _load(path, layer)
    if isinstance(found, FloatNetwork):
        return found
    from lstmith.compiler.importers.torch_import import TorchModel

    if isinstance(found, TorchModel):
        if found.bidirectional:
            raise UserError(str(path), "is bidirectional, two chains of layers", "read all of it with read_model")
        return found.network
    from lstmith.compiler.importers.onnx_import import only_network

    return only_network(found, str(path), layer)


def _load(path: Path, layer: str | None) -> FloatNetwork | TorchModel | ModelProto:
    """What a file holds; the suffix decides the format, with any other suffix the content does."""
    # Each format is imported when a file has it: the packages behind them are large.
    kind = _kind(path)
    if kind == "npz":
        from lstmith.compiler.importers.npz_import import import_npz

        return import_npz(path, layer)
    if kind == "onnx":
        from lstmith.compiler.importers.onnx_graph import load_onnx

        return load_onnx(path)
    from lstmith.compiler.importers.torch_import import import_pt, import_safetensors

    return (import_pt if kind == "pt" else import_safetensors)(path, layer)


def _model(
    found: FloatNetwork | TorchModel | ModelProto, source: str, layer: str | None, *, symbols: bool, head: bool
) -> Model:
    if isinstance(found, FloatNetwork):
        if head:
            raise UserError(
                "option --head", f"is for ONNX graphs and PyTorch state dicts, and {source} is neither",
                "leave it out, or export the model to ONNX",
            )  # fmt: skip
        return Model(source, (one_hot(found) if symbols else found,))
    from lstmith.compiler.importers.torch_import import TorchModel

    if not isinstance(found, TorchModel):
        return _read_graph(found, source, layer, symbols=symbols, head=head)
    if head:
        from lstmith.compiler.importers.torch_head import with_head

        found = with_head(found, source)
    if not found.bidirectional:
        found = found.with_symbols() if symbols else found
        return Model(source, (found.network,), None, found.remarks)
    from lstmith.compiler.importers.onnx_graph import prepare
    from lstmith.compiler.importers.torch_graph import torch_graph

    read = _read_graph(prepare(torch_graph(found), source), source, None, symbols=False, head=head)
    return replace(read, remarks=(*found.remarks, *read.remarks))


def one_hot(network: FloatNetwork) -> FloatNetwork:
    """The network with symbols as its x, each a column of the first layer's input."""
    first, *others = network.layers
    return FloatNetwork((replace(first, symbols=True), *others))


def _read_mapping(given: Mapping[str, Any], layer: str | None) -> FloatNetwork | TorchModel:
    from lstmith.compiler.importers.npz_import import from_arrays
    from lstmith.compiler.importers.torch_import import flatten, from_state_dict, is_state_dict

    if is_state_dict(given):
        return from_state_dict(IN_MEMORY, flatten(given), layer)
    return from_arrays(IN_MEMORY, given, layer)


def _read_graph(model: ModelProto, source: str, layer: str | None, *, symbols: bool, head: bool) -> Model:
    from lstmith.compiler.importers.onnx_import import choose_networks
    from lstmith.compiler.importers.onnx_quantised import dequantised
    from lstmith.compiler.importers.planner import plan_graph

    model = dequantised(model, source)
    chosen = choose_networks(model, source, layer)
    try:
        plan, networks = plan_graph(model, chosen, symbols=symbols, head=head)
    except UserError as error:
        if head or len(chosen) > 1 or len(chosen[0].networks) > 1 or any(chosen[0].sites[0].directions):
            raise
        remark = f"compiling the recurrent layers alone, without the graph around them: {error}"
        return Model(source, chosen[0].networks, None, (remark,))
    remarks = (f"{op} {name!r} stays on the host, in float" for name, op in plan.others)
    return Model(source, networks, plan, tuple(remarks))


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
