"""Files that mean harm: whatever they hold or claim, reading them ends soon, within bounds, in one line."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from lstmith.compiler.archive import read_archive
from lstmith.compiler.files import read_json
from lstmith.spec.errors import UserError
from lstmith.spec.policy_file import load_policy
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

#: What a reader may take of a machine, beside what the imports take.
SECONDS, MEGABYTES = 60, 1024


def member(array: np.ndarray, shape: str | None = None) -> bytes:
    """An .npy file, with another shape in its header if asked for."""
    header = str({"descr": array.dtype.str, "fortran_order": False, "shape": array.shape})
    if shape is not None:
        header = header.replace(str(array.shape), shape)
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + array.tobytes()


def archive(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_an_archive_as_numpy_writes_it(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.normal(0, 1, (7, 3)).astype(np.float32)
    np.savez_compressed(tmp_path / "x.npz", x=x, lengths=np.array([3]))
    found = read_archive(tmp_path / "x.npz", "fix")
    np.testing.assert_array_equal(found["x"], x)
    assert sorted(found) == ["lengths", "x"]
    # As NumPy, without NumPy: what the other tests change is changed in a file that is right.
    archive(tmp_path / "own.npz", {"x.npy": member(x)})
    np.testing.assert_array_equal(read_archive(tmp_path / "own.npz", "fix")["x"], x)


@pytest.mark.parametrize("shape", ["(100000000000000000000,)", "(200000000000,)", "(2,)", "(-4,)"])
def test_a_header_that_claims_another_size(tmp_path: Path, shape: str) -> None:
    path = archive(tmp_path / "x.npz", {"x.npy": member(np.zeros(4), shape)})
    with pytest.raises(UserError, match="claims"):
        read_archive(path, "fix")


def test_an_archive_that_unpacks_to_much_more(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.npz", {"x.npy": member(np.zeros(1 << 25))}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UserError, match="would unpack to 268435"):
        read_archive(path, "fix")


@pytest.mark.parametrize("name", ["x.txt", "x.npy"])
def test_members_that_are_no_arrays(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="plain arrays"):
        read_archive(archive(tmp_path / "x.npz", {name: b"text"}), "fix")


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.npz", {"x.npy": member(np.zeros(4))})
    content = bytearray(path.read_bytes())
    for start in (content.find(b"PK\x03\x04") + 6, content.find(b"PK\x01\x02") + 8):
        content[start] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_archive(path, "fix")


@pytest.mark.parametrize("reader", [lambda path: read_json(path, "fix"), lambda path: load_policy(path, 1)])
def test_deep_json(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = tmp_path / "deep.json"
    path.write_text('{"layers": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(UserError, match="cannot be read as JSON"):
        reader(path)


def bomb(kind: str) -> tuple[list[NodeProto], list[TensorProto]]:
    """A constant of a graph, ``size``, that takes for ever or all memory to compute."""
    if kind == "expand":
        constants = [const("one", 1, np.int64), const("shape", [1 << 30])]
        nodes = [
            helper.make_node("Expand", ["one", "shape"], ["many"]),
            helper.make_node("ReduceSum", ["many"], ["size"], keepdims=0),
        ]
        return nodes, constants
    scalar = {"cond": TensorProto.BOOL, "turn": TensorProto.INT64, "value": TensorProto.INT64}
    info = {name: helper.make_tensor_value_info(name, kind, []) for name, kind in scalar.items()}
    outputs = [
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("next", TensorProto.INT64, []),
    ]
    nodes = [helper.make_node("Identity", ["cond"], ["go"]), helper.make_node("Add", ["value", "value"], ["next"])]
    body = helper.make_graph(nodes, "body", [info["turn"], info["cond"], info["value"]], outputs)
    constants = [const("turns", 1 << 62), const("true", True, np.bool_), const("one", 1, np.int64)]
    return [helper.make_node("Loop", ["turns", "true", "one"], ["size"], body=body)], constants


@pytest.mark.parametrize("kind", ["loop", "expand"])
def test_a_constant_that_never_ends(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """It scales the LSTM's input weights, so that the importer wants its value."""
    arrays = weights(rng, 3, 4)
    node, constants = lstm(arrays, inputs={"W": "scaled"})
    nodes, more = bomb(kind)
    scale = [
        helper.make_node("Cast", ["size"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["lstm_W", "factor"], ["scaled"]),
    ]
    path = save(tmp_path / "bomb.onnx", [*nodes, *scale, node], [*constants, *more], {"x": ["T", 1, 3]}, ["lstm_y"])
    np.savez(tmp_path / "x.npz", x=np.zeros((40, 3), np.float32))
    script = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))\n"
        "from lstmith.cli.main import execute\n"
        "code = execute(sys.argv[1:])\n"
        # Not getrusage: its maximum also counts the process that started this one.
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(int(peak.split()[1]) // 1024)\n"
        "sys.exit(code)\n"
    )
    arguments = ["compile", str(path), "--calibration", str(tmp_path / "x.npz"), "-o", str(tmp_path / "design")]
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * SECONDS, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "bomb.onnx" in done.stderr
    assert int(done.stdout.splitlines()[-1]) < MEGABYTES
    assert not (tmp_path / "design").exists()
