"""Which tests claim a file: the one of its name, then those that import it, by however many steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Folders that are mutated.
BLOCKS = ("rtl", "golden", "compiler")
#: Nothing but cells of a family, which Amaranth's simulator cannot run: `hw_tests/netlist` simulates them.
_CELLS = ("rtl/array/mac/dual.py", "rtl/prim/ecp5.py")
#: Folders of tests that need no simulator of their own, no synthesis and no board.
_TIERS = ("fast", "unit")
#: At most so many steps from a test to a file that it claims.
_STEPS = 4


@cache
def _imports(root: Path, path: Path) -> frozenset[Path]:
    """Files of the repository that a file imports, besides itself."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
    return frozenset(_named(root, names)) - {path}


def _named(root: Path, modules: set[str]) -> Iterator[Path]:
    for module in modules:
        if module.startswith(("lstmith.", "hw_tests.")):
            path = root / module.removeprefix("lstmith.").replace(".", "/")
            yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists())


@cache
def _steps(root: Path, test: Path) -> dict[Path, int]:
    """Files that a test imports, and by how many steps; the helpers of tests are none."""
    found, edge = dict[Path, int](), {test}
    for step in range(1, _STEPS + 1):
        reached, waiting, seen = set[Path](), list(edge), set(edge)
        while waiting:
            for path in _imports(root, waiting.pop()) - seen:
                seen.add(path)
                if path.is_relative_to(root / "hw_tests"):
                    waiting.append(path)
                else:
                    reached.add(path)
        edge = reached - found.keys()
        found |= dict.fromkeys(edge, step)
    return found


def files(root: Path) -> list[str]:
    """Files of the blocks that may be mutated, as paths from the root."""
    found = (path for block in BLOCKS for path in sorted((root / block).rglob("*.py")))
    names = (path.relative_to(root).as_posix() for path in found if path.name != "__init__.py")
    return [name for name in names if name not in _CELLS]


@cache
def _tests(root: Path) -> list[Path]:
    return [test for tier in _TIERS for test in sorted((root / "hw_tests" / tier).rglob("test_*.py"))]


def claiming(root: Path, file: str) -> list[Path]:
    """Tests that claim a file, those that are about it first.

    Parameters
    ----------
    root : Path
        Folder of the repository.
    file : str
        Path from there.

    Returns
    -------
    list of Path
        The tests of the file's name, then those of its folder and of the folders around it, then all others; of each
        those that import it themselves, then those that import what imports it, those that import the least first.
    """
    path = root / file
    own = root / "hw_tests" / "fast" / Path(file).with_name(f"test_{path.name}")

    def rank(test: Path) -> tuple[bool, bool, bool, int, int]:
        steps, named = _steps(root, test), test.stem.startswith(f"test_{path.stem}")
        return test != own, not named, not own.is_relative_to(test.parent), steps.get(path, _STEPS), len(steps)

    return sorted((test for test in _tests(root) if test == own or path in _steps(root, test)), key=rank)
