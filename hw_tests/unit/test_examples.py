"""The examples, each in a process of its own as a newcomer starts it; and the text of docs/library.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hw_tests.unit.link_cases import PtyDevice
from lstmith.boards.catalogue import find_board
from lstmith.compiler import Design
from lstmith.compiler.program_image import build_memory_image
from lstmith.flow.identity import build_identity
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy_check import default_policies
from lstmith.test_support.model import DeviceModel

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SECONDS = 300


def example(number: int, *arguments: object, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the example of a number."""
    command = [sys.executable, str(EXAMPLES[number - 1]), *map(str, arguments)]
    environment = {**os.environ, "PATH": os.environ["PATH"] if path is None else path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)


def told(number: int, *arguments: object) -> str:
    """What an example prints that must succeed."""
    done = example(number, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the first example, and what it printed."""
    folder = tmp_path_factory.mktemp("examples") / "new"
    return folder, told(1, folder)


def test_compile(compiled: tuple[Path, str]) -> None:
    folder, shown = compiled
    assert shown.startswith("16 units on 4 lanes for ulx3s-85f\n")
    found = re.search(r"off by ([\d.]+) on average and ([\d.]+) at most", shown)
    assert found is not None
    assert 0 < float(found[1]) < float(found[2]) < 0.01
    assert {path.name for path in folder.iterdir()} == {"design", "model.onnx", "x.npz"}


def test_run(compiled: tuple[Path, str]) -> None:
    shown = told(2, compiled[0])
    assert re.search(r"^golden against float: mean 0\.000\d+, largest 0\.00\d+$", shown, re.MULTILINE)
    everything, less = (float(value) for value in re.findall(r": ([\d.]+) cycles", shown))
    assert less < everything


def test_verilog(compiled: tuple[Path, str]) -> None:
    folder = compiled[0]
    assert re.search(r"^320 values of 20 steps in \d+ cycles: 0 wrong$", told(3, folder), re.MULTILINE)
    # The top level checks what it says it checks.
    lines = (folder / "h.hex").read_text().split()
    lines[7] = f"{int(lines[7], 16) ^ 1:04x}"
    (folder / "h.hex").write_text("\n".join(lines))
    again = subprocess.run(["vvp", "-n", "top.vvp"], cwd=folder, capture_output=True, text=True, check=True)
    assert again.stdout.strip().endswith(" 1 wrong")


def test_board(compiled: tuple[Path, str]) -> None:
    """At a serial port behind which the model of a device answers; test_board_sim.py has the virtual board."""
    folder = compiled[0]
    design = Design.load(folder / "design")
    image = build_memory_image(design.network, design.engine, default_policies(design.network, design.engine))
    identity = build_identity(find_board(design.target), design.engine)
    with PtyDevice(DeviceModel(identity, image, image_tag(image, design.engine)).receive) as device:
        _check_board(told(4, folder, device.port))


@pytest.mark.slow
def test_virtual_board(compiled: tuple[Path, str]) -> None:
    _check_board(told(4, compiled[0]))


def _check_board(shown: str) -> None:
    lines = shown.splitlines()
    assert re.fullmatch(r"/dev/\S+: ulx3s-85f, build \S+, .* values of \d+ steps, all right", lines[0])
    assert lines[1] == "20 steps at once: 0 values differ from golden"
    assert re.fullmatch(r"20 steps one by one: the same; the core was busy for \d+ cycles", lines[2])


@pytest.mark.parametrize("number", [2, 3, 4])
def test_without_a_design(number: int, tmp_path: Path) -> None:
    done = example(number, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f".py: {tmp_path}: holds no design; run examples/1_compile.py first\n")
    assert done.stderr.count("\n") == 1


def test_without_a_tool_or_a_board(compiled: tuple[Path, str], tmp_path: Path) -> None:
    for done, wanted in (
        (example(3, compiled[0], path=str(tmp_path)), "iverilog: is not installed; apt-get install iverilog"),
        (example(4, compiled[0], tmp_path / "tty"), f"{tmp_path / 'tty'}: "),
    ):
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert wanted in done.stderr


def test_examples_are_short() -> None:
    assert [path.name[0] for path in EXAMPLES] == ["1", "2", "3", "4"]
    assert max(len(path.read_text().splitlines()) for path in EXAMPLES) <= 60


def test_library_page(tmp_path: Path) -> None:
    """The Python blocks of the page, one after another, are a program; its results are in its comments."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(), re.DOTALL)
    script = "\n".join(blocks)
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", script, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == {"design", "core.v", "core.json", "y.npz", "r.json"}
