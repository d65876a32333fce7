"""Rules about the sources themselves: the package list, who may import whom, file sizes, wording."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("golden", "rtl", "compiler", "host", "boards", "scripts", "training", "tuning", "workloads")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "hw_tests").rglob("*.py"))
MAX_LINES = 400
TEXT_SUFFIXES = {".py", ".md", ".toml", ".sh", ".yml", ".json", ".csv", ".html", ".j2", ".v", ".vlt"}

#: What a part may not import, and why it matters.
FORBIDDEN_IMPORTS = {
    "golden": ("amaranth", "onnx", "onnxruntime", "scipy"),  # NumPy only: it defines what is right
    "rtl": ("onnx", "onnxruntime"),  # hardware depends on sizes and formats, never on a model
}

#: Written in pieces, so that this file does not match itself.
FORBIDDEN_WORDS = re.compile("|".join(["/" + "work/", r"\.\./" + "shared", "issue" + " 2", "issues" + " show"]))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(path: Path) -> set[str]:
    """Absolute names of everything a file imports, at any depth."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add("." * node.level + (node.module or ""))
    return modules


def violations(path: Path, banned: tuple[str, ...]) -> set[str]:
    return {module for module in imported_modules(path) if module.split(".")[0] in banned}


def test_sources_are_found() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(FOLDERS)


def test_package_list_equals_folders() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {"lstmith." + ".".join(path.relative_to(ROOT).parent.parts): name(path.parent) for path in SOURCES}
    assert sorted(setuptools["packages"]) == sorted(found)
    assert setuptools["package-dir"] == found


def test_every_package_folder_has_an_init() -> None:
    assert not [name(path.parent) for path in SOURCES if not (path.parent / "__init__.py").is_file()]


def test_files_are_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in SOURCES + TESTS}
    assert not {file: lines for file, lines in lengths.items() if lines > MAX_LINES}


def test_imports_use_the_namespace() -> None:
    """``import rtl`` works by accident inside the repository and makes every class exist twice."""
    assert not {name(path): bad for path in SOURCES + TESTS if (bad := violations(path, FOLDERS))}


def test_parts_import_only_what_they_may() -> None:
    for folder, banned in FORBIDDEN_IMPORTS.items():
        files = (ROOT / folder).rglob("*.py")
        assert not {name(path): bad for path in files if (bad := violations(path, banned))}


def test_lower_parts_do_not_import_upper_ones() -> None:
    """``golden`` stands alone; ``rtl`` sees only ``golden``."""
    for folder, allowed in {"golden": {"golden"}, "rtl": {"golden", "rtl"}}.items():
        for path in (ROOT / folder).rglob("*.py"):
            used = {module.split(".")[1] for module in imported_modules(path) if module.startswith("lstmith.")}
            assert used <= allowed, name(path)


def texts() -> Iterator[Path]:
    """Every text of the project itself: no environment, no caches, nothing built."""
    yield from (ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / ".gitignore")
    for top in ROOT.iterdir():
        if top.name.startswith(".") or top.name == "build" or top.suffix == ".egg-info":
            continue
        files = top.rglob("*") if top.is_dir() else [top]
        yield from (path for path in files if path.suffix in TEXT_SUFFIXES)


def test_nothing_mentions_a_developers_machine() -> None:
    assert not [name(path) for path in texts() if FORBIDDEN_WORDS.search(path.read_text())]


def test_rules_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import rtl.lane\nfrom onnx import helper\n")
    assert violations(bad, FOLDERS) == {"rtl.lane"}
    assert violations(bad, FORBIDDEN_IMPORTS["golden"]) == {"onnx"}
    assert FORBIDDEN_WORDS.search("see " + "/" + "work/main")
