"""Every file of the hardware and of the golden model has a test of its own name here."""

from __future__ import annotations

import ast
from pathlib import Path

from hw_tests.cocotb.test_units import GROUPS

ROOT = Path(__file__).parents[2]
FAST = Path(__file__).parent
#: Files without a test of their own, and why.
EXCEPTIONS = {
    "rtl/array/mac/dual.py": "a cell of iCE40, which only its netlist has: hw_tests/netlist/test_dual_mac.py",
    "rtl/prim/ecp5.py": "cells of ECP5, which only its netlist has: hw_tests/netlist/test_cell_parts.py",
    "rtl/array/mac/sums.py": "the adders of both MACs: test_dsp.py and test_digit.py",
}
#: Most exceptions, of all files with hardware in them.
SHARE = 0.1


def _has_hardware(file: Path) -> bool:
    """Whether it drives anything: the others name ports, fields and shapes."""
    tree = ast.parse(file.read_text())
    return any(isinstance(node, ast.Attribute) and node.attr in ("d", "submodules") for node in ast.walk(tree))


def _without_test(files: list[Path]) -> set[str]:
    names = {file: file.relative_to(ROOT) for file in files}
    return {name.as_posix() for name in names.values() if not (FAST / name.with_name(f"test_{name.name}")).exists()}


def test_hardware_has_tests_of_its_own_name() -> None:
    parts = [file for file in sorted((ROOT / "rtl").rglob("*.py")) if _has_hardware(file)]
    assert _without_test(parts) == set(EXCEPTIONS)
    assert len(EXCEPTIONS) <= SHARE * len(parts)


def test_golden_has_tests_of_its_own_name() -> None:
    files = [file for file in sorted((ROOT / "golden").rglob("*.py")) if file.name != "__init__.py"]
    assert _without_test(files) == set()


def test_simulators_run_every_check() -> None:
    """What defines checks here is in a group of the simulators' tier."""
    grouped = {name for names in GROUPS.values() for name in names}
    defined = {
        ".".join((*file.relative_to(FAST / "rtl").parent.parts, file.stem.removeprefix("test_")))
        for file in (FAST / "rtl").rglob("test_*.py")
        if any(isinstance(node, ast.FunctionDef) and node.name == "checks" for node in ast.parse(file.read_text()).body)
    }
    assert grouped == defined
