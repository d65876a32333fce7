"""PyTorch import: state dicts in canonical form, refusals by name."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.torch_import import flatten, from_state_dict
from lstmith.golden.network import run_float
from lstmith.spec.errors import UserError

Tensors = dict[str, np.ndarray]


def state_dict(
    rng: np.random.Generator, inputs: int, units: int, layers: int = 1, prefix: str = "", bias: bool = True
) -> Tensors:
    """What torch.nn.LSTM(inputs, units, layers).state_dict() holds."""
    tensors: Tensors = {}
    for index in range(layers):
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (4 * units, inputs if index == 0 else units),
            "weight_hh": (4 * units, units),
        }
        if bias:
            shapes |= {"bias_ih": (4 * units,), "bias_hh": (4 * units,)}
        for kind, shape in shapes.items():
            tensors[f"{prefix}{kind}_l{index}"] = rng.uniform(-0.7, 0.7, shape).astype(np.float32)
    return tensors


def torch_lstm(tensors: Tensors, x: np.ndarray, layers: int) -> np.ndarray:
    """torch.nn.LSTM as its documentation writes it: gates i, f, g, o, two biases. x [T, I] -> h [T, H]."""
    for index in range(layers):
        w_ih, w_hh = tensors[f"weight_ih_l{index}"], tensors[f"weight_hh_l{index}"]
        units = w_hh.shape[1]
        b_ih, b_hh = (tensors.get(f"{kind}_l{index}", np.zeros(4 * units)) for kind in ("bias_ih", "bias_hh"))
        h, c, rows = np.zeros(units), np.zeros(units), []
        for row in x:
            i, f, g, o = np.split(w_ih @ row + b_ih + w_hh @ h + b_hh, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            rows.append(h)
        x = np.array(rows)
    return x


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "units", "layers"), [(1, 1, 1), (5, 3, 2), (12, 15, 3)])
def test_stacked(tmp_path: Path, rng: np.random.Generator, inputs: int, units: int, layers: int, bias: bool) -> None:
    tensors = state_dict(rng, inputs, units, layers, bias=bias)
    save_file(tensors, tmp_path / "m.safetensors")
    network = load_model(tmp_path / "m.safetensors")
    assert [layer.name for layer in network.layers] == [f"lstm.l{index}" for index in range(layers)]
    x = rng.standard_normal((9, inputs))
    np.testing.assert_allclose(run_float(network, x[None]).h[-1][0], torch_lstm(tensors, x, layers), atol=1e-6)


def test_prefix_among_other_tensors(tmp_path: Path, rng: np.random.Generator) -> None:
    tensors = state_dict(rng, 4, 3, prefix="encoder.lstm.") | {"head.weight": np.ones((2, 3), np.float32)}
    save_file(tensors, tmp_path / "model.weights")  # the content tells the format
    layer = load_model(tmp_path / "model.weights").layers[0]
    np.testing.assert_array_equal(layer.w_ih, tensors["encoder.lstm.weight_ih_l0"].astype(np.float64))
    wanted = tensors["encoder.lstm.bias_ih_l0"].astype(np.float64) + tensors["encoder.lstm.bias_hh_l0"]
    np.testing.assert_array_equal(layer.bias, wanted)


def test_several_are_listed(rng: np.random.Generator) -> None:
    tensors = state_dict(rng, 4, 3, prefix="a.") | state_dict(rng, 5, 6, prefix="b.c.")
    with pytest.raises(
        UserError, match=r"m: it holds 2 recurrent modules: 'a' \(I=4, H=3\), 'b\.c' \(I=5, H=6\); name one of them"
    ):
        from_state_dict("m", tensors)
    assert from_state_dict("m", tensors, "b.c").network.inputs == 5
    with pytest.raises(UserError, match=r"--layer: there is no recurrent module named 'd'; choose one of 'a' \(I=4"):
        from_state_dict("m", tensors, "d")


def test_lstm_cell(rng: np.random.Generator) -> None:
    tensors = {f"cell.{key.removesuffix('_l0')}": value for key, value in state_dict(rng, 4, 3).items()}
    assert from_state_dict("m", tensors).network.inputs == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_ih_l0_reverse": (12, 4)}, "it has 'weight_ih_l0_reverse', but no weight_hh beside it"),
        ({"weight_hr_l0": (2, 3)}, "it has a projection ('weight_hr_l0'), which is not supported"),
        ({"weight_hh_l0": (9, 3), "weight_ih_l0": (9, 4)}, "bias has shape [12], not [9]; a GRU needs"),
        ({"weight_hh_l0": (3, 3), "weight_ih_l0": (3, 4)}, "bias has shape [12], not [3]; an RNN needs"),
        ({"weight_ih_l1_reverse": (12, 3), "weight_hh_l1_reverse": (12, 3)}, "layer 0 is missing in reverse"),
        ({"weight_hh_l0": (13, 3)}, "weight_hh_l0 has shape [13, 3], not [4H, H]"),
        ({"weight_ih_l0": (8, 4)}, "weight_ih_l0 has shape [8, 4], not [12, I]"),
        ({"weight_ih_l0": ()}, "weight_ih_l0 has shape [], not [12, I]"),
        ({"bias_hh_l0": (11,)}, "bias has shape [11], not [12]"),
        ({"bias_hh_l0": None}, "but no bias_hh beside it"),
        ({"weight_hh_l0": None}, "but no weight_hh beside it"),
        ({"weight_ih_l2": (12, 3), "weight_hh_l2": (12, 3)}, "layer 1 is missing below layer 2"),
        (
            {"weight_ih_l1": (12, 5), "weight_hh_l1": (12, 3)},
            "layer 'lstm.l1' reads 5 values, but 'lstm.l0' has 3 units",
        ),
    ],
)
def test_refused(rng: np.random.Generator, change: dict[str, tuple[int, ...] | None], message: str) -> None:
    tensors = state_dict(rng, 4, 3)
    for key, shape in change.items():
        if shape is None:
            del tensors[key]
        else:
            tensors[key] = np.zeros(shape, np.float32)
    with pytest.raises(UserError, match=re.escape(message)):
        from_state_dict("m", tensors)


def test_refused_values(rng: np.random.Generator) -> None:
    tensors = state_dict(rng, 4, 3)
    tensors["weight_hh_l0"][1, 1] = -np.inf
    with pytest.raises(UserError, match=r"m: lstm: 'weight_hh_l0' holds 1 value\(s\) that are not finite, .* -inf"):
        from_state_dict("m", tensors)


def test_refused_without_lstm(rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match=r"it holds no LSTM, GRU or RNN \(no weight_ih_l0\)"):
        from_state_dict("m", {"fc.weight": np.ones((2, 2))})


def test_refused_damaged_safetensors(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"\x05\x00\x00\x00\x00\x00\x00\x00{oops")
    with pytest.raises(UserError, match=r"m\.safetensors: cannot be read as \.safetensors"):
        load_model(tmp_path / "m.safetensors")


def test_pt_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "m.pt").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"not installed; run pip install 'lstmith\[torch\]', or save .* as \.safeten"):
        load_model(tmp_path / "m.pt")


class FakeTorch:
    """Stands in for PyTorch: hands out one checkpoint, or fails."""

    def __init__(self, saved: object) -> None:
        self.saved = saved

    def load(self, path: Path, *, map_location: str, weights_only: bool) -> object:
        assert map_location == "cpu"
        assert weights_only, "a .pt file may hold code, which must not run"
        if isinstance(self.saved, Exception):
            raise self.saved
        return self.saved


class FakeTensor:
    """The part of torch.Tensor that the importer calls."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def detach(self) -> FakeTensor:
        return self

    def is_complex(self) -> bool:
        return bool(np.iscomplexobj(self.array))

    def resolve_conj(self) -> FakeTensor:
        return self

    def double(self) -> FakeTensor:
        return FakeTensor(self.array.real.astype(np.float64))

    def numpy(self) -> np.ndarray:
        return self.array


def test_pt_nested_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    tensors = state_dict(rng, 4, 3, prefix="rnn.")
    saved = {"epoch": 3, "state_dict": {key: FakeTensor(value) for key, value in tensors.items()}}
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(saved))
    (tmp_path / "m.pth").write_bytes(b"PK")
    network = load_model(tmp_path / "m.pth")
    np.testing.assert_array_equal(network.layers[0].w_hh, tensors["rnn.weight_hh_l0"].astype(np.float64))
    assert set(flatten(saved)) == {f"state_dict.{key}" for key in tensors}


def test_pt_of_complex_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    tensors = state_dict(rng, 4, 3)
    tensors["weight_hh_l0"] = tensors["weight_hh_l0"] * np.complex64(1 + 1j)
    saved = {key: FakeTensor(value) for key, value in tensors.items()}
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(saved))
    (tmp_path / "m.pt").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"m\.pt: lstm: 'weight_hh_l0' holds complex64, not real numbers; export it as"):
        load_model(tmp_path / "m.pt")


def test_pt_that_is_no_state_dict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "torch", FakeTorch(pickle.UnpicklingError("Weights only load failed\n\x1b[1mmore"))
    )
    (tmp_path / "m.pt").write_bytes(b"PK")
    with pytest.raises(
        UserError, match=r"m\.pt: is no PyTorch state dict \(it holds a whole model or other .*\); save it"
    ):
        load_model(tmp_path / "m.pt")
