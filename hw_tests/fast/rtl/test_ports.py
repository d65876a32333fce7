"""Every port of a part has a line of its own in the part's docstring, with its direction."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

RTL = Path(__file__).parents[3] / "rtl"
FILES = [file for file in sorted(RTL.rglob("*.py")) if file.name != "__init__.py"]
#: Most lines of a function.
LONGEST = 120
LINE = re.compile(r"^ *(\w+)(?:_\*)? : (In|Out)\(", re.MULTILINE)


def _ports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Names and directions that a class or function gives to ports: keys of dictionaries, and annotations."""
    for part in ast.walk(node):
        if isinstance(part, ast.Dict):
            items = zip(part.keys, part.values, strict=True)
            pairs = [(key.value, value) for key, value in items if isinstance(key, ast.Constant)]
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            pairs = [(part.target.id, part.annotation)]
        else:
            continue
        for name, made in pairs:
            if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id in ("In", "Out"):
                yield str(name), made.func.id


def _undescribed(text: str) -> list[str]:
    """Parts whose docstrings tell other ports than they have."""
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and (ports := set(_ports(node))):
            told = {(name, direction) for name, direction in LINE.findall(ast.get_docstring(node) or "")}
            # Fields that depend on the precisions are made by a function and told by their common beginning.
            told = {(name, direction) for name, direction in told if not name.startswith("operand_negative")}
            found += [f"{node.name}.{name}" for name, _ in sorted(ports ^ told)]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(RTL)))
def test_every_port_has_its_line(file: Path) -> None:
    assert _undescribed(file.read_text()) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(RTL)))
def test_functions_are_short(file: Path) -> None:
    lengths = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_a_missing_line_is_found() -> None:
    text = """
class Part:
    "b : Out(1)"

    def __init__(self):
        super().__init__({"a": In(1), "b": In(2)})
"""
    assert _undescribed(text) == ["Part.a", "Part.b", "Part.b"]
