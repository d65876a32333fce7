"""Import of .npz archives: arrays as named in the documentation, everything else refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.compiler.importers.importer import load_model
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.errors import UserError

Arrays = dict[str, Any]


def arrays(rng: np.random.Generator, inputs: int, units: int, prefix: str = "", peep: bool = False) -> Arrays:
    shapes = {"W_ih": (4 * units, inputs), "W_hh": (4 * units, units), "b_ih": (4 * units,), "b_hh": (4 * units,)}
    if peep:
        shapes["peep"] = (3, units)
    return {prefix + key: rng.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}


def load(path: Path, content: Arrays) -> Any:
    np.savez(path / "m.npz", **content)
    return load_model(path / "m.npz")


@pytest.mark.parametrize("peep", [False, True])
def test_one_layer(tmp_path: Path, rng: np.random.Generator, peep: bool) -> None:
    content = arrays(rng, 5, 3, peep=peep)
    (layer,) = load(tmp_path, content).layers
    np.testing.assert_array_equal(layer.w_ih, content["W_ih"].astype(np.float64))
    np.testing.assert_array_equal(layer.w_hh, content["W_hh"].astype(np.float64))
    np.testing.assert_array_equal(layer.bias, content["b_ih"].astype(np.float64) + content["b_hh"])
    assert (layer.peep is None) if not peep else np.array_equal(layer.peep, content["peep"].astype(np.float64))


def test_a_gru_a_plain_and_a_dense_layer(tmp_path: Path, rng: np.random.Generator) -> None:
    content: Arrays = {"l0_kind": np.array("gru"), "l1_kind": np.array("rnn"), "l2_kind": np.array("dense")}
    for index, (rows, inputs, units) in enumerate(((6, 3, 2), (4, 2, 4))):
        for key, shape in {"W_ih": (rows, inputs), "W_hh": (rows, units), "b_ih": (rows,), "b_hh": (rows,)}.items():
            content[f"l{index}_{key}"] = rng.standard_normal(shape)
    content |= {"l2_W_ih": rng.standard_normal((3, 4)), "l2_b_ih": np.arange(3.0), "l1_squash": np.array("relu")}
    gru, plain, dense = load(tmp_path, content).layers
    bias = content["l0_b_ih"] + content["l0_b_hh"]
    np.testing.assert_array_equal(gru.bias, [*bias[:4], *content["l0_b_ih"][4:], *content["l0_b_hh"][4:]])
    np.testing.assert_array_equal(gru.w_ih[:6], content["l0_W_ih"])
    np.testing.assert_array_equal(gru.w_hh[[0, 1, 2, 3, 6, 7]], content["l0_W_hh"])
    assert (gru.kind, plain.kind, plain.squash, plain.units) == (Kind.GRU, Kind.RNN, Squash.RELU, 4)
    assert (dense.kind, dense.squash, dense.units) == (Kind.DENSE, Squash.LINEAR, 3)
    np.testing.assert_array_equal(dense.w_ih, content["l2_W_ih"])
    np.testing.assert_array_equal(dense.bias, np.arange(3.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": np.array("qrnn")}, "array 'kind' is 'qrnn'; use one of the texts lstm, gru, rnn, dense"),
        ({"kind": np.ones(3)}, "array 'kind' is an array of numbers; use one of the texts lstm"),
        (
            {"kind": np.array("rnn"), "squash": np.array("sigmoid")}
            | {key: np.zeros(shape) for key, shape in {"W_ih": (2, 1), "W_hh": (2, 2), "b_ih": 2, "b_hh": 2}.items()},
            "array 'squash' is 'sigmoid', of a layer of kind rnn; use tanh, relu",
        ),
        (
            {"kind": np.array("dense"), "W_ih": np.ones((2, 3))},
            "array 'b_ih' is missing; of kind dense use W_ih, b_ih, squash",
        ),
        (
            {"kind": np.array("dense"), "W_ih": np.ones((2, 3)), "b_ih": np.ones(3)},
            "b_ih has shape [3], not [2]; a dense layer needs",
        ),
    ],
)
def test_refused_kinds(tmp_path: Path, content: Arrays, message: str) -> None:
    with pytest.raises(UserError, match=r"m\.npz: " + re.escape(message)):
        load(tmp_path, content)


def test_layers_in_numeric_order(tmp_path: Path, rng: np.random.Generator) -> None:
    content: Arrays = {}
    for index in reversed(range(11)):
        content |= arrays(rng, 4 + index, 5 + index, f"l{index}_")
    assert [layer.units for layer in load(tmp_path, content).layers] == list(range(5, 16))


def test_format_by_content(tmp_path: Path, rng: np.random.Generator) -> None:
    np.savez(tmp_path / "m.npz", **arrays(rng, 5, 3))
    assert load_model((tmp_path / "m.npz").rename(tmp_path / "m.weights")).inputs == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W_hh": None}, "array 'W_hh' is missing; use W_ih, W_hh, b_ih, b_hh and optionally peep"),
        ({"h0": (3,)}, "array 'h0' is unknown; use W_ih"),
        ({"l0_W_ih": (12, 5)}, "it mixes 'W_ih', which has no layer prefix, with 'l0_W_ih'"),
        ({"W_hh": (12, 4)}, "W_hh has shape [12, 4], not [4H, H]"),
        ({"W_hh": (0, 0)}, "W_hh has shape [0, 0], not [4H, H]"),
        ({"W_ih": (11, 5)}, "W_ih has shape [11, 5], not [12, I]"),
        ({"W_ih": (12, 0)}, "W_ih has shape [12, 0], not [12, I]"),
        ({"b_ih": (3, 4)}, "b_ih or b_hh has shape [3, 4], not [12]"),
        ({"peep": (9,)}, "peep has shape [9], not [3, 3]"),
        ({"b_hh": np.full(12, np.nan)}, "array 'b_hh' holds 12 value(s) that are not finite, for example nan"),
        ({"b_hh": np.full(12, 1j)}, "array 'b_hh' holds complex128, not real numbers"),
    ],
)
def test_refused(tmp_path: Path, rng: np.random.Generator, change: Arrays, message: str) -> None:
    content = arrays(rng, 5, 3) | {
        key: np.zeros(value) if isinstance(value, tuple) else value for key, value in change.items()
    }
    with pytest.raises(UserError, match=r"m\.npz: " + re.escape(message)):
        load(tmp_path, {key: value for key, value in content.items() if value is not None})


def test_refused_stacks(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match=r"array 'l2_W_ih' belongs to layer l2, but there are 2 layers; number the"):
        load(tmp_path, arrays(rng, 5, 3, "l0_") | arrays(rng, 3, 3, "l2_"))
    with pytest.raises(UserError, match="layer 'l1' reads 4 values, but 'l0' has 3 units"):
        load(tmp_path, arrays(rng, 5, 3, "l0_") | arrays(rng, 4, 3, "l1_"))


def test_refused_files(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match=r"is not an \.npz file of plain arrays \(it holds Python objects\)"):
        load(tmp_path, arrays(rng, 5, 3) | {"b_hh": np.array([{}], object)})
    path = tmp_path / "m.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"is not an \.npz file of plain arrays \(it is damaged\)"):
        load_model(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(UserError, match=r"holds a single array; save plain numeric arrays with numpy\.savez"):
        load_model(path)


def test_layer_does_not_apply(tmp_path: Path, rng: np.random.Generator) -> None:
    np.savez(tmp_path / "m.npz", **arrays(rng, 5, 3))
    with pytest.raises(UserError, match=r"--layer: 'lstm' does not apply"):
        load_model(tmp_path / "m.npz", "lstm")
