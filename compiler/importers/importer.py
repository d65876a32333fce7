"""Any supported model file as a canonical float network."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from lstmith.compiler.importers.checks import readable_file
from lstmith.compiler.importers.npz_import import import_npz
from lstmith.compiler.importers.onnx_import import import_onnx
from lstmith.compiler.importers.torch_import import import_pt, import_safetensors
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError

Importer = Callable[[Path, str | None], FloatNetwork]

_BY_SUFFIX: dict[str, Importer] = {
    ".onnx": import_onnx,
    ".npz": import_npz,
    ".pt": import_pt,
    ".pth": import_pt,
    ".safetensors": import_safetensors,
}

_TFLITE = ("is a TensorFlow Lite model", "python -m tf2onnx.convert --tflite {name} --output {stem}.onnx")
_KERAS = ("is a Keras model", "model.export('{stem}.onnx', format='onnx') in Keras")
_FOREIGN = {".keras": _KERAS, ".h5": _KERAS, ".hdf5": _KERAS, ".tflite": _TFLITE}
_SAVED_MODEL = ("is a TensorFlow SavedModel", "python -m tf2onnx.convert --saved-model {name} --output {stem}.onnx")


def load_model(path: Path, layer: str | None = None) -> FloatNetwork:
    """Read an LSTM from an .onnx, .pt, .pth, .safetensors or .npz file.

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
    _refuse_foreign(path)
    readable_file(path)
    importer = _BY_SUFFIX.get(path.suffix.lower()) or _by_content(path)
    return importer(path, layer)


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


def _by_content(path: Path) -> Importer:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            arrays = any(name.endswith(".npy") for name in archive.namelist())
        return import_npz if arrays else import_pt
    with path.open("rb") as stream:
        head = stream.read(9)
    # A .safetensors file is an 8-byte length and then JSON.
    return import_safetensors if head[8:9] == b"{" else import_onnx
