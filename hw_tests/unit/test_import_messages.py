"""Model files that a new user is likely to try: each is refused in one line that says what to do."""

from __future__ import annotations

import re
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.torch_import import import_pt
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import save_lstm, weights


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.keras", b"PK", "net.keras: is a Keras model; export it to ONNX with model.export('net.onnx', format="),
        ("net.h5", b"\x89HDF\r\n", "net.h5: is a Keras model; export it to ONNX with model.export('net.onnx', format="),
        ("net.bin", b"\x89HDF\r\n", "net.bin: is a Keras model; export it to ONNX"),
        (
            "net.tflite",
            b"\0\0\0\0TFL3",
            "net.tflite: is a TensorFlow Lite model; export it to ONNX with python -m tf2onnx",
        ),
        ("net.onnx", b"\0\0\0\0TFL3", "net.onnx: is a TensorFlow Lite model"),
        (
            "folder",
            None,
            "folder: is a TensorFlow SavedModel; export it to ONNX with python -m tf2onnx.convert --saved-model",
        ),
    ],
)
def test_models_of_other_frameworks_are_told_the_way(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is None:
        path.mkdir()
        path, content = path / "saved_model.pb", b"x"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)):
        load_model(tmp_path / name)


def test_refused_without_units(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = {"W": np.zeros((1, 0, 4), np.float32), "R": np.zeros((1, 0, 0), np.float32)}
    with pytest.raises(UserError, match=r"LSTM 'lstm': R has shape \[1, 0, 0\], so it has no units"):
        load_model(save_lstm(tmp_path / "m.onnx", {**arrays, "B": np.zeros((1, 0), np.float32)}))


def test_refused_functions_that_call_themselves(tmp_path: Path, rng: np.random.Generator) -> None:
    again = helper.make_node("Cell", ["X"], ["Y"], domain="local")
    function = helper.make_function("local", "Cell", ["X"], ["Y"], [again], [helper.make_opsetid("local", 1)])
    path = save_lstm(tmp_path / "m.onnx", weights(rng, 4, 6))
    model = onnx.load(path)
    model.functions.append(function)
    model.graph.node.append(helper.make_node("Cell", ["x"], ["z"], domain="local"))
    model.opset_import.append(helper.make_opsetid("local", 1))
    onnx.save(model, path)
    with pytest.raises(UserError, match=r"m\.onnx: has local functions that cannot be inlined; export it without"):
        load_model(path)


def test_refused_weights_beyond_float32(tmp_path: Path, rng: np.random.Generator) -> None:
    shapes = {"W_ih": (24, 4), "W_hh": (24, 6), "b_ih": (24,), "b_hh": (24,)}
    arrays: dict[str, Any] = {name: rng.normal(size=shape) * 1e307 for name, shape in shapes.items()}
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(UserError, match=r"array 'W_ih' reaches .*e\+307, beyond float32"):
        load_model(tmp_path / "m.npz")


class Archive:
    """Stands for torch: refuses with its own words, after a warning."""

    def load(self, *_: object, **__: object) -> None:
        warnings.warn(
            "'torch.load' received a zip file that looks like a TorchScript archive", UserWarning, stacklevel=2
        )
        raise RuntimeError("Weights only load failed \x1b[1mset weights_only=False\x1b[0m")


def test_torchscript_is_refused_without_torchs_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No warning gets through, nor advice to load the file unsafely."""
    monkeypatch.setitem(sys.modules, "torch", Archive())
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/constants.pkl", b"")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(UserError, match=r"m\.pt: is no PyTorch state dict \(it is TorchScript\); save") as refusal:
            import_pt(tmp_path / "m.pt")
    assert not told
    assert "eights" not in str(refusal.value)
