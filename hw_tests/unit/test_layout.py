"""Rules about the sources themselves: the package list, who may import whom, file sizes, wording."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What each folder may import of the project, from the bottom up: arrows point down only.
LAYERS: dict[str, set[str]] = {
    "spec": set(),
    "golden": {"spec"},
    "rtl": {"spec"},
    "boards": {"spec", "rtl"},
    "compiler": {"spec", "golden", "rtl", "boards"},
    "flow": {"spec", "golden", "rtl", "boards", "compiler"},
    "campaign": {"spec", "flow"},
    "host": {"spec", "golden", "rtl", "boards", "compiler", "flow", "campaign"},
    "package": {"spec", "rtl", "compiler", "host"},
    "cli": {"spec", "golden", "rtl", "boards", "compiler", "flow", "campaign", "host", "package"},
    "tuning": {"spec", "golden", "compiler", "campaign", "host", "cli"},
    "explore": {"spec", "golden", "boards", "compiler", "flow", "campaign", "cli", "tuning"},
    "training": {"spec", "golden", "compiler", "cli", "tuning"},
    "vad": {"spec", "compiler", "flow", "host", "cli"},
    "datasets": {"spec"},
    "workloads": {"spec", "golden", "compiler", "cli", "vad", "datasets"},
    "test_support": {"spec", "golden", "rtl", "compiler", "flow", "campaign", "host"},
    "scripts": {
        *("spec", "golden", "rtl", "boards", "compiler", "flow", "campaign", "host", "package", "cli"),
        *("tuning", "explore", "training", "vad", "datasets", "workloads", "test_support"),
    },
}
#: The same inside a layer: what each of its folders may import of it. Files that the table does not name stand on
#: top, put the folders together, and may import all of them.
PARTS: dict[str, dict[str, set[str]]] = {
    "rtl": {
        "cells": set(),
        "prim": set(),
        "bus": {"prim"},
        "fields": set(),
        "layouts": {"fields"},
        "interfaces": {"layouts"},
        "array": {"layouts", "prim"},
        "host_interfaces": {"layouts"},
        "lists": {"fields", "interfaces", "host_interfaces", "layouts", "prim"},
        "cell": {"fields", "interfaces", "host_interfaces", "layouts", "prim"},
        "sequencer": {"fields", "interfaces", "host_interfaces", "layouts", "prim"},
        "link": {"fields", "layouts", "prim", "bus", "engine"},
        "wrappers": {"fields", "layouts", "prim", "bus", "engine", "top"},
    },
    "compiler": {
        "limits": set(),
        "archive": set(),
        "runtime": set(),
        "options": set(),
        "programs": set(),
        "program_image": set(),
        "register_texts": set(),
        "importers": {"archive", "runtime"},
        "quantise": {"limits"},
        "sizing": {"limits", "options", "program_image", "programs", "quantise"},
    },
}
#: Where a package's folder is not called as the package.
ELSEWHERE = {"test_support": "hw_tests/support"}
FOLDERS = {package: ELSEWHERE.get(package, package) for package in LAYERS}
#: What builds and sets up, before the package is there; and what a package's user runs, without this one.
APART = (ROOT / "scripts" / "setup", ROOT / "package" / "soc")
SOURCES = sorted(
    path for folder in FOLDERS.values() for path in (ROOT / folder).rglob("*.py") if not set(APART) & set(path.parents)
)
TESTS = sorted(set((ROOT / "hw_tests").rglob("*.py")) - set(SOURCES))
MAX_LINES = 400
TEXT_SUFFIXES = {".py", ".md", ".toml", ".sh", ".yml", ".json", ".csv", ".html", ".j2", ".v", ".vlt", ".c", ".h"}

#: What a part may not import, and why it matters.
FORBIDDEN_IMPORTS = {
    "spec": ("amaranth", "onnx", "onnxruntime", "scipy"),  # NumPy only: everybody may import it
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


def module_of(path: Path) -> str:
    """The name a source file is imported by, without ``lstmith.``."""
    for package, folder in FOLDERS.items():
        if path.is_relative_to(ROOT / folder):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            return ".".join((package, *(part for part in parts if part != "__init__")))
    raise ValueError(f"{path} is in no package")


def used_modules(path: Path) -> set[str]:
    """Modules of the project that a file imports, without ``lstmith.``."""
    own = module_of(path).split(".")
    used = set()
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.ImportFrom):
            package = own if path.name == "__init__.py" else own[:-1]
            base = [] if not node.level else ["lstmith", *package[: len(package) + 1 - node.level]]
            module = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
            known = {name for name in names if name.removeprefix("lstmith.") in MODULES}
            used |= known | ({module} if len(known) < len(names) else set())
        elif isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
    return {module.removeprefix("lstmith.") for module in used if module.startswith("lstmith.")}


MODULES = {module_of(path): path for path in SOURCES}


def part_of(layer: str, module: str) -> str:
    """The folder or file of a layer that a module is or is in; empty if it is elsewhere, or the layer itself."""
    own, _, rest = module.partition(".")
    return rest.partition(".")[0] if own == layer else ""


def test_sources_are_found() -> None:
    assert {module.split(".")[0] for module in MODULES} == set(LAYERS)


def test_package_list_equals_folders() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    inits = [path for path in SOURCES if path.name == "__init__.py"]
    found = {f"lstmith.{module_of(path)}": name(path.parent) for path in inits}
    assert sorted(setuptools["packages"]) == sorted(found)
    assert setuptools["package-dir"] == found


def test_every_package_folder_has_an_init() -> None:
    assert not [name(path.parent) for path in SOURCES if not (path.parent / "__init__.py").is_file()]


def test_files_are_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in SOURCES + TESTS}
    assert not {file: lines for file, lines in lengths.items() if lines > MAX_LINES}


def test_imports_use_the_namespace() -> None:
    """``import rtl`` works by accident inside the repository and makes every class exist twice."""
    assert not {name(path): bad for path in SOURCES + TESTS if (bad := violations(path, tuple(LAYERS)))}


def test_parts_import_only_what_they_may() -> None:
    for folder, banned in FORBIDDEN_IMPORTS.items():
        files = (ROOT / FOLDERS[folder]).rglob("*.py")
        assert not {name(path): bad for path in files if (bad := violations(path, banned))}


def test_imports_point_down() -> None:
    """Every folder imports only what the table of layers allows."""
    wrong = {}
    for module, path in MODULES.items():
        own = module.split(".")[0]
        upward = {used for used in used_modules(path) if used.split(".")[0] not in LAYERS[own] | {own}}
        if upward:
            wrong[name(path)] = upward
    assert not wrong


@pytest.mark.parametrize("layer", PARTS)
def test_imports_inside_a_layer_point_down(layer: str) -> None:
    """No folder of a layer knows another one but those that the table puts below it."""
    parts, wrong = PARTS[layer], {}
    for module, path in MODULES.items():
        if (own := part_of(layer, module)) in parts:
            others = {part for used in used_modules(path) if (part := part_of(layer, used))} - {own}
            if others - parts[own]:
                wrong[name(path)] = others - parts[own]
    assert not wrong


@pytest.mark.parametrize("layer", PARTS)
def test_parts_are_those_of_the_layer(layer: str) -> None:
    """The table names every folder, and nothing that is not there."""
    there = {part_of(layer, module) for module in MODULES} - {""}
    folders = {path.parent.name for path in (ROOT / FOLDERS[layer]).glob("*/__init__.py")}
    assert folders <= set(PARTS[layer]) <= there


def test_layers_have_no_cycle() -> None:
    """The table itself points down: each folder only imports folders above it in the table."""
    order = list(LAYERS)
    assert not [folder for folder in order if LAYERS[folder] - set(order[: order.index(folder)])]


@pytest.mark.parametrize("layer", PARTS)
def test_parts_have_no_cycle(layer: str) -> None:
    """Parts that are not in the table, such as the engine, stand above all that are."""
    parts, order = PARTS[layer], list(PARTS[layer])
    assert not [part for part in order if parts[part] & set(order[order.index(part) :])]


def test_files_import_in_no_cycle() -> None:
    """Imports that only type checkers see count as well: they tie files together just as much."""
    edges = {module: used_modules(path) & set(MODULES) - {module} for module, path in MODULES.items()}
    remaining: set[str] = set()
    while remaining != set(edges):
        # What imports nothing that is left, or is imported by nothing that is left, is in no cycle.
        remaining = set(edges)
        wanted = set().union(*edges.values())
        edges = {module: used & remaining for module, used in edges.items() if used & remaining and module in wanted}
    assert not edges


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
    assert violations(bad, tuple(LAYERS)) == {"rtl.lane"}
    assert violations(bad, FORBIDDEN_IMPORTS["golden"]) == {"onnx"}
    assert FORBIDDEN_WORDS.search("see " + "/" + "work/main")
