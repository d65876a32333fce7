"""Outputs that would destroy something: told by their paths alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lstmith.compiler.files import Folder
from lstmith.compiler.marks import REPORT, RUN_FIGURES, RUN_RESULTS, Kind
from lstmith.compiler.outputs import Output, check_outputs
from lstmith.spec.errors import UserError

KIND = Folder("compile", "design.json", ("network",), ("design.json",))


def _refusal(inputs: list[Path], *outputs: Output) -> str:
    try:
        check_outputs(inputs, outputs)
    except UserError as error:
        return error.problem
    return ""


def test_a_hard_link_is_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "given.json").write_text("{}")
    os.link(tmp_path / "given.json", tmp_path / "other.json")
    assert "is also the input" in _refusal([tmp_path / "given.json"], Output(tmp_path / "other.json", RUN_FIGURES))


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("a.npz", "b.json", ""),
        ("d/a.npz", "d/b.json", ""),
        ("d", "d/b.json", "lie in one another"),
        ("d/b.json", "d", "lie in one another"),
        ("d/e", "d/f", ""),
        ("A.json", "a.json", "is the same file"),
    ],
)
def test_outputs_have_separate_places(first: str, second: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    kinds: dict[str, Kind | Folder] = {".npz": RUN_RESULTS, ".json": RUN_FIGURES, "": KIND}
    outputs = [Output(tmp_path / name, kinds[Path(name).suffix]) for name in (first, second)]
    found = _refusal([], *outputs)
    assert problem in found
    assert bool(problem) == bool(found)


@pytest.mark.parametrize(
    ("given", "output", "problem"),
    [
        ("d/x.npz", "d", "holds the input"),
        ("x.npz", "d", ""),
        ("d/x.npz", "d/y.json", ""),
        ("d/x.npz", "y.json", ""),
        ("x.npz", "d/e", ""),
    ],
)
def test_a_folder_with_an_input_in_it_is_not_replaced(given: str, output: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    kind = KIND if not Path(output).suffix else RUN_FIGURES
    found = _refusal([tmp_path / given], Output(tmp_path / output, kind))
    assert problem in found
    assert bool(problem) == bool(found)


def test_an_empty_file_holds_nothing_to_lose(tmp_path: Path) -> None:
    (tmp_path / "out.json").touch()
    assert not _refusal([], Output(tmp_path / "out.json", RUN_FIGURES))
    (tmp_path / "out.json").write_text('{"generator": "my own"}')
    assert "was not written by" in _refusal([], Output(tmp_path / "out.json", RUN_FIGURES))


@pytest.mark.parametrize(("mark", "ours"), [("lstmith report", True), ("lstmith run", False), ("hand", False)])
def test_a_page_says_who_wrote_it(mark: str, ours: bool, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f'<html><head><meta name="generator" content="{mark}"></head></html>')
    assert bool(_refusal([], Output(tmp_path / "page.html", REPORT))) != ours
    (tmp_path / "page.html").write_text("<html></html>")
    assert _refusal([], Output(tmp_path / "page.html", REPORT))
