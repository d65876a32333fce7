"""Sequence files: every check of the input, and results in the fixed form."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.unit.networks import random_network
from lstmith.compiler.data import load_sequences
from lstmith.compiler.run_result import RESULTS, RunResult
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError


def _network(layers: int = 1) -> FloatNetwork:
    return random_network(np.random.default_rng(0), 3, 2, layers=layers)


def _file(path: Path, **arrays: Any) -> Path:
    np.savez(path / "x.npz", **arrays)
    return path / "x.npz"


def test_one_sequence(tmp_path: Path) -> None:
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    data = load_sequences(_file(tmp_path, x=x), _network())
    np.testing.assert_array_equal(data.x, x[None], strict=True)
    assert (data.single, data.lengths.tolist(), data.state) == (True, [4], None)


def test_batch_with_lengths_clears_the_padding(tmp_path: Path) -> None:
    x = np.ones((2, 4, 2), dtype=np.float32)
    x[1, 3] = np.nan
    data = load_sequences(_file(tmp_path, x=x, lengths=np.array([4, 3])), _network())
    assert not data.single
    assert data.valid.tolist() == [[True] * 4, [True] * 3 + [False]]
    np.testing.assert_array_equal(data.x[1, 3], [0, 0])
    data.calibration().checked(_network())


def test_initial_state_of_one_layer_and_of_stacked_layers(tmp_path: Path) -> None:
    x = np.zeros((2, 4, 2), dtype=np.float32)
    data = load_sequences(_file(tmp_path, x=x, h0=np.array([0.1, 0.2, 0.3])), _network())
    assert data.state is not None
    ((h0, c0),) = data.state
    np.testing.assert_array_equal(h0, [[0.1, 0.2, 0.3]] * 2)
    np.testing.assert_array_equal(c0, np.zeros((2, 3)))
    c0_of_second = np.arange(6.0).reshape(2, 3)
    data = load_sequences(_file(tmp_path, x=x, c0_l1=c0_of_second), _network(layers=2))
    assert data.state is not None
    np.testing.assert_array_equal(data.state[1][1], c0_of_second)
    np.testing.assert_array_equal(data.state[0][1], np.zeros((2, 3)))


def test_hints_and_active_counts(tmp_path: Path) -> None:
    x, lengths = np.zeros((2, 4, 2), dtype=np.float32), np.array([4, 3])
    data = load_sequences(_file(tmp_path, x=x), _network())
    assert data.hint is None
    assert data.active is None
    hint = np.array([[0, 1, 0, 0], [1, 0, 1, 1]], dtype=bool)
    data = load_sequences(_file(tmp_path, x=x, lengths=lengths, hint=hint, active=np.array([3, 2])), _network())
    assert data.hint is not None
    assert data.hint.astype(int).tolist() == [[0, 1, 0, 0], [1, 0, 1, 0]], "nothing is hinted after the end"
    assert data.active is not None
    assert data.active.tolist() == [[3, 3, 3, 3], [2, 2, 2, 0]]
    data = load_sequences(_file(tmp_path, x=x[0], hint=hint[0], active=np.array(3)), _network())
    assert data.hint is not None
    assert data.active is not None
    assert (data.hint.shape, data.active.tolist()) == ((1, 4), [[3, 3, 3, 3]])
    data = load_sequences(_file(tmp_path, x=x[0], active=np.array([3, 2, 2, 3])), _network())
    assert data.active is not None
    assert data.active.tolist() == [[3, 2, 2, 3]]


X = np.zeros((2, 4, 2), dtype=np.float32)
NAN = X.copy()
NAN[1, 2, 0] = np.nan


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"y": X}, r"field x: is missing; give float32 \[T, I\] or \[N, T, I\]$"),
        ({"x": X[0, 0]}, r"field x: has shape \(2,\)"),
        ({"x": X.astype(np.complex64)}, r"field x: has type complex64; give float32$"),
        (
            {"x": X[:, :, :1]},
            r"field x: has width 1; give the 2 inputs that layer 'layer0' takes; or, of an ONNX model",
        ),
        ({"x": X[:, :0]}, r"field x: has length 0"),
        ({"x": np.full((2, 2), 1e300)}, r"field x: reaches 1e\+300; give values that float32 can hold$"),
        ({"x": NAN}, r"field x: is nan at \(1, 2, 0\); give finite values$"),
        ({"x": X, "lengths": np.array([4, 5])}, r"field lengths: is \[4, 5\]; give 2 values in 0\.\.4$"),
        ({"x": X, "lengths": np.array([4])}, r"field lengths: is \[4\]"),
        ({"x": X, "lengths": np.array([4.0, 4.0])}, r"field lengths: is float64 beside x"),
        ({"x": X[0], "lengths": np.array([4])}, r"field lengths: is int64 beside x \(4, 2\)"),
        ({"x": X, "h0": np.zeros(4)}, r"field h0: has shape \(4,\); give \(3,\) or \(2, 3\)$"),
        ({"x": X, "h0": np.full(3, 1.5)}, r"field h0: reaches 1\.5; keep h within -1\.\.1$"),
        ({"x": X, "c0": np.full(3, np.nan)}, r"field c0: holds NaN or infinity"),
        ({"x": X, "hint": np.zeros((2, 4))}, r"field hint: is float64 \(2, 4\); give bool \(2, 4\)$"),
        ({"x": X, "hint": np.zeros(4, dtype=bool)}, r"field hint: is bool \(4,\); give bool \(2, 4\)$"),
        ({"x": X[0], "hint": np.zeros((1, 4), dtype=bool)}, r"field hint: is bool \(1, 4\); give bool \(4,\)$"),
        (
            {"x": X, "active": np.zeros(4, dtype=int)},
            r"field active: is int64 \(4,\); give integers \(2,\) or \(2, 4\)$",
        ),
        ({"x": X, "active": np.ones(2)}, r"field active: is float64 \(2,\)"),
        ({"x": X, "h0_l0": np.zeros(3)}, r"field h0_l0: names no layer; use c0, h0$"),
    ],
)
def test_refusals(tmp_path: Path, arrays: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        load_sequences(_file(tmp_path, **arrays), _network())


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.npz: cannot be read \(No such file or directory\)"):
        load_sequences(tmp_path / "absent.npz", _network())
    for name, content in (("text.npz", b"hello"), ("empty.npz", b""), ("cut.npz", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}: is not an \.npz file of plain arrays"):
            load_sequences(tmp_path / name, _network())
    np.save(tmp_path / "single.npy", X)
    with pytest.raises(UserError, match=r"single\.npy: holds a single array"):
        load_sequences(tmp_path / "single.npy", _network())
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    with pytest.raises(UserError, match=r"objects\.npz: is not an \.npz file of plain arrays"):
        load_sequences(tmp_path / "objects.npz", _network())


def _results(sequences: int) -> dict[str, np.ndarray]:
    shapes = {"h": (3,), "h_int": (3,), "c_int": (3,), "cycles": ()}
    shapes |= {"columns_by_precision": (1, 3), "words_by_plane": (1, 2)}
    return {name: np.ones((sequences, 4, *shapes.get(name, (1,)))) for name in RESULTS}


def test_results(tmp_path: Path) -> None:
    RunResult.of(_results(2), {}, single=False).save(tmp_path / "y.npz")
    RunResult.of(_results(1), {}, single=True).save(tmp_path / "y1.npz")
    with np.load(tmp_path / "y.npz") as many, np.load(tmp_path / "y1.npz") as one:
        assert many["h_int"].shape == (2, 4, 3)
        assert one["columns_by_precision"].shape == (4, 1, 3)
        assert one["words_by_plane"].shape == (4, 1, 2)
        assert one["cycles"].shape == (4,)
        assert {name: many[name].dtype for name in RESULTS} == {name: np.dtype(RESULTS[name]) for name in RESULTS}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["y.npz", "y1.npz"]


def test_results_must_be_complete(tmp_path: Path) -> None:
    results = _results(2)
    del results["cycles"]
    with pytest.raises(ValueError, match=r"^Results lack cycles$"):
        RunResult.of(results, {}, single=False)
    results["cycles"] = np.ones((3, 4))
    with pytest.raises(ValueError, match=r"^Results must share their leading shape"):
        RunResult.of(results, {}, single=False)
    with pytest.raises(UserError, match=r"absent/y\.npz: cannot be written \(No such file or directory\)"):
        RunResult.of(_results(2), {}, single=False).save(tmp_path / "absent" / "y.npz")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("c.csv", "numpy.savez('c.npz', x=numpy.loadtxt('c.csv', delimiter=','))"),
        ("c.txt", "numpy.savez('c.npz', x=numpy.loadtxt('c.txt'))"),
        ("c.dat", "give an .npz file that numpy.savez wrote"),
        ("c.npy", "numpy.savez('c.npz', x=numpy.load('c.npy'))"),
    ],
)
def test_tables_of_text_are_told_how_to_become_archives(tmp_path: Path, name: str, told: str) -> None:
    path = tmp_path / name
    np.savetxt(path, X[0], delimiter=",") if path.suffix != ".npy" else np.save(path, X)
    with pytest.raises(UserError) as refusal:
        load_sequences(path, _network())
    assert str(refusal.value).endswith(told)
    assert "pickle" not in str(refusal.value)


def test_members_of_other_kinds(tmp_path: Path) -> None:
    """A member that is no array, and one of an unknown compression; test_hostile_files.py has sizes that are lies."""
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("x.npy", b"no array at all")
    with zipfile.ZipFile(tmp_path / "plain.npz", "w") as archive:
        archive.writestr("readme.txt", b"no array at all")
    np.savez(tmp_path / "coded.npz", x=X)
    content = bytearray((tmp_path / "coded.npz").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = 77
    (tmp_path / "coded.npz").write_bytes(content)
    for name in ("text", "plain", "coded"):
        with pytest.raises(UserError, match=rf"{name}\.npz: is not an \.npz file of plain arrays"):
            load_sequences(tmp_path / f"{name}.npz", _network())
