"""Shell blocks of the documents are run, page by page and in order; what cannot run here is listed with its reason."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler import compile_model
from lstmith.test_support.graphs import nodes as onnx_models

ROOT = Path(__file__).resolve().parents[2]
LSTMITH = Path(sys.executable).with_name("lstmith")
INPUTS, UNITS, STEPS = 3, 5, 80
README = "README.md"
_SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: Pages whose blocks other tests run, all of them.
ELSEWHERE = {"docs/tutorial.md": "test_site.py; what it marks as a console's needs a board"}
#: Commands that are run nowhere or elsewhere, by page and how they begin: each only because of what stands here.
APART: dict[str, dict[str, str]] = {
    README: {
        "make demo": "ten minutes, and recordings from the network; test_vad.py and the builds are its parts",
        "make test": "it runs this test",
        "make check": "the fast tests, which `make test` runs as well",
    },
    "docs/board.md": {
        "make setup": "packages and recordings from the network; test_setup.py runs its script",
        "lstmith program": "a board; test_program.py runs it with a loader of its own",
        "lstmith run design --input test.npz --engine board --port /dev/ttyUSB0": "a board",
        "lstmith vad": "a board, and Silero's graph from the network; test_vad.py runs it",
    },
    "docs/clusters.md": {
        "dask": "other machines; test_runner.py runs a scheduler of its own",
        "lstmith verify": "minutes to days; test_verification.py compares fewer steps",
    },
    "docs/networks.md": {
        "python -m lstmith.scripts.bench.graphs.demos": "data from the network; test_graphs_bench.py runs all three",
        "lstmith compile gru/model.onnx": "what the command before writes",
        "lstmith run gru-design": "what the command before writes",
    },
    "docs/spi.md": {"lstmith program": "a board; test_program.py runs it with a loader of its own"},
    "docs/litex.md": {
        "pip install": "packages from the network; test_package_litex.py compares their list",
        "apt-get install": "root",
        "python package/soc/litex_soc.py": "LiteX's libraries; test_package_litex.py runs it where they are",
        "openFPGALoader": "a board",
    },
}
#: Commands that take minutes, for `-m slow`: placement, and a board's Verilog compiled.
LONG = ("lstmith build", "lstmith board-sim", "lstmith run design --input test.npz --engine board --port /dev/pts/N")


def commands(page: Path) -> list[list[str]]:
    """Every command of a page's shell blocks, without comments and the environment's folder."""
    text = "".join(_SHELL.findall(page.read_text())).replace("\\\n", " ")
    lines = (line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in text.splitlines())
    return [found for line in lines if (found := shlex.split(line, comments=True))]


def begins(command: list[str], beginning: str) -> bool:
    """Whether its first words are these."""
    return shlex.join(command).startswith(beginning)


PAGES = {
    name: found
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    if (found := commands(path)) and (name := path.relative_to(ROOT).as_posix()) not in ELSEWHERE
}


def test_lists_name_what_is_there() -> None:
    """No page or command is listed that the documents do not have, and those that are not lstmith's are all listed."""
    assert ELSEWHERE.keys() <= {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert APART.keys() <= PAGES.keys()
    for page, reasons in APART.items():
        for beginning in reasons:
            assert any(begins(command, beginning) for command in PAGES[page]), (page, beginning)
    for beginning in LONG:
        assert any(begins(command, beginning) for page in PAGES.values() for command in page), beginning
    for page, found in PAGES.items():
        others = [command for command in found if command[0] != "lstmith"]
        assert not [each for each in others if not any(begins(each, known) for known in APART.get(page, {}))], page


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """What a reader has: a model with recorded inputs, and a design of it."""
    onnx_models.save_lstm(tmp_path / "model.onnx", onnx_models.weights(rng, INPUTS, UNITS))
    recorded = rng.normal(0, 1, (4, STEPS, INPUTS)).astype(np.float32)
    np.savez(tmp_path / "recorded.npz", x=recorded)
    np.savez(tmp_path / "test.npz", x=recorded[:1, :20])
    compile_model(tmp_path / "model.onnx", tmp_path / "recorded.npz", target="generic", lanes=1).save(
        tmp_path / "design"
    )
    return tmp_path


def run(command: list[str], folder: Path) -> None:
    """As in a shell; what it writes is there afterwards."""
    done = subprocess.run([LSTMITH, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
    for option, name in itertools.pairwise(command):
        if option in ("-o", "--json", "--package"):
            assert (folder / name).exists(), command


def test_readme(folder: Path) -> None:
    """What a newcomer types first is in every run."""
    run_page(README, folder)


@pytest.mark.drawn(2)
@pytest.mark.parametrize("page", [page for page in PAGES if page != README])
def test_page(page: str, folder: Path) -> None:
    run_page(page, folder)


def run_page(page: str, folder: Path) -> None:
    """All commands of a page, but for those that stand apart and those that take minutes."""
    for command in PAGES[page]:
        if any(begins(command, beginning) for beginning in (*APART.get(page, {}), *LONG)):
            continue
        if command[1] == "distil" and importlib.util.find_spec("torch") is None:
            continue  # an extra, as the page says
        run(command, folder)


def to_the_bitstream(page: str) -> list[list[str]]:
    """What a page compiles and builds; nothing if it builds nothing."""
    needed = [command for command in PAGES[page] if command[1:2] in (["compile"], ["build"])]
    return needed if any(command[1] == "build" for command in needed) else []


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if to_the_bitstream(page)])
def test_builds(page: str, folder: Path) -> None:
    for command in to_the_bitstream(page):
        run(command, folder)
    assert list((folder / "bitstream").glob("*.bi[tn]"))


@pytest.mark.slow
def test_virtual_board(folder: Path) -> None:
    """Its port stands in the place of /dev/pts/N."""
    compiled, simulated, ran = (
        next(command for command in PAGES["docs/board.md"] if begins(command, beginning))
        for beginning in ("lstmith compile", *LONG[1:])
    )
    run(compiled, folder)
    with subprocess.Popen([LSTMITH, *simulated[1:]], cwd=folder, stdout=subprocess.PIPE, text=True) as board:
        try:
            assert board.stdout is not None
            port = board.stdout.readline().strip()
            run([port if word == "/dev/pts/N" else word for word in ran], folder)
        finally:
            board.send_signal(signal.SIGINT)
