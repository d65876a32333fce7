"""The documents as a site: it builds without a warning, its diagrams are of the present core, its commands exist."""

from __future__ import annotations

import html
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from lstmith.cli.main import UsageError, app
from lstmith.scripts.docs import site, waves

ROOT = Path(__file__).resolve().parents[2]
LSTMITH = Path(sys.executable).with_name("lstmith")
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
_SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?lstmith (.*)$", re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """Arguments of every call of lstmith in the shell blocks of a page."""
    blocks = "\n".join(_SHELL.findall(text))
    return [shlex.split(found, comments=True) for found in _COMMAND.findall(blocks)]


def parsed(arguments: list[str]) -> None:
    """Have the command line read them, without doing anything."""
    group = typer.main.get_command(app)
    with group.make_context("lstmith", list(arguments)) as root:
        name, command, rest = group.resolve_command(root, arguments)  # type: ignore[attr-defined]
        command.make_context(name, rest, parent=root)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path) -> None:
    for arguments in commands(page.read_text()):
        parsed(arguments)


def test_a_wrong_command_is_found() -> None:
    text = "```sh\n.venv/bin/lstmith compile a.onnx --calibration x.npz -o d  # a comment\n```"
    (right,) = commands(text)
    parsed(right)
    assert UsageError is not None
    for wrong in ([*right, "--nothing"], ["compile"], ["nothing"]):
        with pytest.raises(UsageError):
            parsed(wrong)


def test_site_builds(tmp_path: Path) -> None:
    """In a process of its own: Sphinx changes what it finds."""
    script = (
        "import pathlib, sys; from lstmith.scripts.docs.site import build; sys.exit(build(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    site_folder = tmp_path / "html"
    assert "compile_model" in (site_folder / "api.html").read_text()
    assert (site_folder / "decisions" / "README.html").exists()
    check_notebooks(site_folder / "notebooks")


def check_notebooks(folder: Path) -> None:
    """Their cells were run, and drew; what they say of their figures is so."""
    pages = {path.stem: html.unescape(re.sub("<[^>]+>", "", path.read_text())) for path in folder.glob("*.html")}
    pictures = {path.stem: path.read_text().count('<img alt="../_images/') for path in folder.glob("*.html")}
    torch = importlib.util.find_spec("torch") is not None
    assert pictures == {"policies": 2, "sizes": 1, "pytorch": int(torch)}
    sizes = re.findall(r"^ +(\d+) +(\d+) +\d+ +(\d+) +(\d+) +[\d.]+$", pages["sizes"], re.MULTILINE)
    assert len(sizes) == 15
    assert all(int(delta) <= int(dense) for _, _, dense, delta in sizes)
    tried = [float(cycles) for cycles in re.findall(r"low thresholds .*: +([\d.]+) cycles", pages["policies"])]
    assert len(tried) == 6
    assert tried == sorted(tried, reverse=True)
    assert "Pareto set" in pages["policies"]
    assert ("before {" in pages["pytorch"]) == torch


def test_every_page_is_on_the_site() -> None:
    assert set(site.pages()) == {
        *(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")),
        *site.PAGES.values(),
        site.EXAMPLES,
    }


def test_diagrams_are_of_the_present_core() -> None:
    trace = waves.record()
    for name, drawing in waves.DRAWINGS.items():
        assert (waves.FOLDER / f"{name}.svg").read_text() == waves.draw(trace, drawing), f"run {waves.__name__}"


def tutorial(folder: Path, *, build: bool) -> None:
    """Run the Python and shell blocks of the tutorial, in order."""
    text = (ROOT / "docs" / "tutorial.md").read_text()
    for language, block in re.findall(r"^```(python|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if language == "python":
            subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=folder, check=True)
            continue
        for arguments in commands(f"```sh\n{block}```"):
            if arguments[0] == "build" and not build:
                continue
            done = subprocess.run([LSTMITH, *arguments], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_tutorial(tmp_path: Path) -> None:
    tutorial(tmp_path, build=False)
    assert {"golden.json", "icarus.json", "fewer.json", "core.v", "synth.json"} <= {
        path.name for path in tmp_path.iterdir()
    }


@pytest.mark.slow
def test_tutorial_to_the_bitstream(tmp_path: Path) -> None:
    tutorial(tmp_path, build=True)
    assert list((tmp_path / "bitstream").glob("*.bit"))


def test_tutorial_with_pytorch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = (ROOT / "docs" / "tutorial.md").read_text()
    (block,) = re.findall(r"^:class: torch\n\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
    assert (tmp_path / "model.pt").exists()
