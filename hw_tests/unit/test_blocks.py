"""Code in the documents: a test runs every block, and a block of another kind or on another page needs one."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.unit.link_cases import small_design
from lstmith.compiler import compile_model
from lstmith.host.accelerator import Accelerator
from lstmith.spec.codes import Verdict
from lstmith.spec.policy_file import parse_policies

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
#: Kinds of blocks that are no code, and those that test_shell_blocks.py runs.
SILENT = {"", "{toctree}", "{eval-rst}"}
SHELL = {"sh", "console"}
#: Who runs the blocks of a page, by kind.
RUN = {
    ("docs/tutorial.md", "python"): "test_site.py",
    ("docs/tutorial.md", "{code-block} python"): "test_site.py, where PyTorch is",
    ("docs/library.md", "python"): "test_examples.py",
    ("docs/networks.md", "python"): "test_networks_page.py",
    ("docs/board.md", "python"): "here",
    ("docs/results/presets.md", "python"): "here",
    ("docs/policies.md", "json"): "here",
    ("docs/litex.md", "python"): "here; test_package_litex.py runs the same calls in the example",
    ("docs/spi.md", "c"): "here; test_spi_driver.py runs the same calls",
}
#: Calls of make in shell blocks.
_MAKE = re.compile(r"^make (\w+)", re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Kind and text of every block of a page."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [(kind, text) for kind, text in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_is_run(page: Path) -> None:
    place = page.relative_to(ROOT).as_posix()
    # The site runs its notebooks.
    notebook = {"{code-cell}"} if place.startswith("docs/notebooks/") else set()
    kinds = {kind for kind, _ in blocks(page)} - SILENT - SHELL - notebook
    assert kinds == {kind for named, kind in RUN if named == place}


def test_make_has_what_is_called() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shell = "\n".join(text for page in PAGES for kind, text in blocks(page) if kind in SHELL)
    called = set(_MAKE.findall(shell))
    assert {"demo", "setup", "check"} <= called <= targets


def block(page: str, kind: str) -> str:
    """The only block of a kind on a page."""
    (text,) = [text for found, text in blocks(ROOT / "docs" / page) if found == kind]
    return text


def test_policy_page() -> None:
    (policy,) = parse_policies(json.loads(block("policies.md", "json")), 1, "policies.md")
    assert (policy.low_theta_h, policy.monitor.hysteresis, policy.skip.limit, policy.active) == (8, 4, 2, 96)


def test_litex_page() -> None:
    """A part of a system: what it imports is there, and its names are those of the example, which a test runs."""
    tree = ast.parse(block("litex.md", "python"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    soc = ROOT / "package" / "soc"
    defined = {
        node.name for node in ast.parse((soc / "litex_core.py").read_text()).body if isinstance(node, ast.ClassDef)
    }
    assert names == {"InferenceCore", "StreamDMA"} <= defined
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    text = (soc / "litex_core.py").read_text() + (soc / "litex_soc.py").read_text()
    assert {name for name in used if not re.search(rf"\b{name}\b", text)} == set()


def test_spi_page(tmp_path: Path) -> None:
    """The compiler takes the loop, with a board's own functions declared."""
    function, _, loop = block("spi.md", "c").partition("\n\n")
    given = """#include "lstmith_spi.h"
enum { SELECT, INPUTS = 2, UNITS = 3 };
void gpio_put(int, int);
void spi_transfer(void *, const uint8_t *, uint8_t *, size_t);
extern void *spi0;
int run(const int16_t x[][INPUTS], int16_t *h);
"""
    source = tmp_path / "page.c"
    body = f"int run(const int16_t x[][INPUTS], int16_t *h) {{\nint skipped; int step = 0;\n{loop}}}\n"
    source.write_text(f"{given}{function}\n{body}")
    command = ["gcc", "-std=c99", "-fsyntax-only", "-I", str(ROOT / "package" / "driver"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def board_blocks() -> list[str]:
    """How values are asked for, and how verdicts are."""
    infers, judges = (text for kind, text in blocks(ROOT / "docs" / "board.md") if kind == "python")
    return [infers, judges]


def test_verdicts_of_the_board_page(rng: np.random.Generator) -> None:
    plain = small_design(rng)
    network = replace(plain.network, layers=(replace(plain.network.layers[-1], verdict=Verdict.ARGMAX),))
    design = replace(plain, network=network, engine=replace(plain.engine, verdicts=True))
    x, lengths = rng.normal(0, 1, (3, 11, network.inputs)).astype(np.float32), np.array([11, 4, 7])
    with Accelerator("golden") as board:
        board.load(design)
        wanted = board.judge(x, lengths, every=1)
        given: dict[str, Any] = {"board": board, "x": x, "lengths": lengths}
        exec(board_blocks()[1], given)
    np.testing.assert_array_equal(given["classes"], wanted)
    assert wanted.shape == x.shape[:2]


def test_presets_page() -> None:
    code = block("results/presets.md", "python") + 'print("module lstmith_core(" in text)\n'
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "True\n")


def test_board_page(tmp_path: Path, rng: np.random.Generator) -> None:
    """The golden model stands where the board's port is; the other tests of boards have the port."""
    units, inputs = 6, 2
    shapes = {"W_ih": (4 * units, inputs), "W_hh": (4 * units, units), "b_ih": (4 * units,), "b_hh": (4 * units,)}
    model = {name: rng.normal(0, 0.4, shape) for name, shape in shapes.items()}
    x = rng.normal(0, 1, (40, inputs)).astype(np.float32)
    compile_model(model, x, target="generic", lanes=2).save(tmp_path / "design")
    np.save(tmp_path / "x.npy", x)
    code = board_blocks()[0].replace("/dev/ttyUSB0", "golden")
    given = "import numpy as np\nx = np.load('x.npy')\nmicrophone = lambda: iter(x)\n"
    command = [sys.executable, "-W", "error", "-c", f"{given}{code}print(h.shape)\n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["(6,)"]
