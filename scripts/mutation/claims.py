"""Which tests claim a file: the fast one of its name, or those that import it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

#: Folders that are mutated.
BLOCKS = ("rtl", "golden", "compiler")
#: Folders of tests that need no simulator, no synthesis and no board.
_TIERS = ("fast", "unit")
#: At most so many tests of those that import a file, the smallest ones: they are about it.
_MOST = 4


@cache
def _imports(test: Path) -> frozenset[str]:
    """Modules of the package that a test names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(test.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
    return frozenset(name for name in names if name.startswith("lstmith."))


def files(root: Path) -> list[str]:
    """Files of the blocks that may be mutated, as paths from the root."""
    found = (path for block in BLOCKS for path in sorted((root / block).rglob("*.py")))
    return [path.relative_to(root).as_posix() for path in found if path.name != "__init__.py"]


def claiming(root: Path, file: str) -> list[Path]:
    """Tests that claim a file; none if no test names it."""
    path = Path(file)
    fast = root / "hw_tests" / "fast" / path.with_name(f"test_{path.name}")
    if fast.exists():
        return [fast]
    module = "lstmith." + file.removesuffix(".py").replace("/", ".")
    tests = [test for tier in _TIERS for test in sorted((root / "hw_tests" / tier).rglob("test_*.py"))]
    about = [test for test in tests if module in _imports(test)]
    about.sort(key=lambda test: (test.stem != f"test_{path.stem}", len(_imports(test)), test.as_posix()))
    return about[:_MOST]
