"""Any supported model file as a canonical float network."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from lstmith.compiler.importers.checks import readable_file
from lstmith.compiler.importers.npz_import import import_npz
from lstmith.compiler.importers.onnx_import import import_onnx
from lstmith.compiler.importers.torch_import import import_pt, import_safetensors
from lstmith.golden.network import FloatNetwork

Importer = Callable[[Path, str | None], FloatNetwork]

_BY_SUFFIX: dict[str, Importer] = {
    ".onnx": import_onnx,
    ".npz": import_npz,
    ".pt": import_pt,
    ".pth": import_pt,
    ".safetensors": import_safetensors,
}


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
    readable_file(path)
    importer = _BY_SUFFIX.get(path.suffix.lower()) or _by_content(path)
    return importer(path, layer)


def _by_content(path: Path) -> Importer:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            arrays = any(name.endswith(".npy") for name in archive.namelist())
        return import_npz if arrays else import_pt
    with path.open("rb") as stream:
        head = stream.read(9)
    # A .safetensors file is an 8-byte length and then JSON.
    return import_safetensors if head[8:9] == b"{" else import_onnx
