"""Mutants of a Python file: one small fault each, at a place of its syntax tree."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
#: What holds no behaviour: types, decorators' options, and the wording of errors. Cells of a family (``Instance``) are
#: apart, too: no simulator of these tiers knows what they do, netlist tests do.
_APART = (ast.Import, ast.ImportFrom, ast.Raise, ast.JoinedStr)
#: Options of calls that hold none either: a check of the program itself, and which registers a reset leaves alone.
_OPTIONS_APART = ("strict", "reset_less")
#: What takes a number of bits first.
_WIDE = ("Signal", "In", "Out", "signed", "unsigned")

#: Name of the function that tells which scopes run.
TOLD = "__told_scope__"


@dataclass(frozen=True)
class Mutant:
    """One fault of a file.

    Attributes
    ----------
    file : str
        Path from the root of the repository.
    scope : str
        Its function or class, as ``Outer.inner``; empty at the top of the file.
    name : str
        Its function, its line, what stood there and what stands there now; the same as long as that line is.
    text : str
        The whole file with the fault.
    """

    file: str
    scope: str
    name: str
    text: str

    @property
    def label(self) -> str:
        """File and name, by which the list of equivalent mutants knows it."""
        return f"{self.file}: {self.name}"


def _is_domain(node: ast.expr) -> bool:
    """Whether it is ``m.d.comb``, ``m.d.sync`` or ``m.d["name"]``."""
    inner = node.value if isinstance(node, ast.Attribute | ast.Subscript) else None
    return isinstance(inner, ast.Attribute) and inner.attr == "d"


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _dropped(node: ast.AugAssign) -> Iterator[tuple[str, ast.AST]]:
    """The statement without one of its assignments, or none at all if there is one."""
    values = node.value.elts if isinstance(node.value, ast.List) else []
    if len(values) < 2:
        yield "assignment dropped", ast.Pass()
        return
    for index, value in enumerate(values):
        rest = ast.List([*values[:index], *values[index + 1 :]], ast.Load())
        yield f"assignment dropped: {_short(value)}", ast.AugAssign(node.target, node.op, rest)


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name, values = _called(node), node.args
    if name == "Mux" and len(values) == 3:
        yield "arms swapped", ast.Call(node.func, [values[0], values[2], values[1]], [])
    if name in ("If", "Elif") and isinstance(node.func, ast.Attribute) and len(values) == 1:
        zero = ast.Compare(values[0], [ast.Eq()], [ast.Constant(0)])
        yield "condition inverted", ast.Call(node.func, [zero], [])


def _in_width(node: ast.expr) -> Iterator[ast.Constant]:
    """Numbers that make a width larger; what is taken off it makes it smaller."""
    if isinstance(node, ast.Constant):
        yield node
    for part in ast.iter_child_nodes(node):
        subtracted = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and part is node.right
        if isinstance(part, ast.expr) and not subtracted:
            yield from _in_width(part)


def _narrower(tree: ast.AST) -> dict[int, list[tuple[str, ast.AST]]]:
    """What may stand for each number of bits, by its node.

    One bit more would hold nothing that is ever read, so a width gets one less. The only bit of a flag stays. The end
    of a slice is a width, too: what takes it cuts off the rest.
    """
    widths, ends = list[ast.expr](), list[ast.expr]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Slice) and node.upper is not None:
            ends.append(node.upper)
        elif isinstance(node, ast.Call) and node.args:
            if _called(node) in _WIDE:
                widths.append(node.args[0])
            elif _called(node) == "Const":
                widths += node.args[1:]
            elif _called(node) == "StructLayout" and isinstance(node.args[0], ast.Dict):
                widths += node.args[0].values
    found: dict[int, list[tuple[str, ast.AST]]] = {}
    for width in widths + ends:
        for constant in _in_width(width):
            bits = constant.value if isinstance(constant.value, int) else 0
            smaller = not isinstance(bits, bool) and bits > (constant in widths)
            found[id(constant)] = [("constant", ast.Constant(bits - 1))] if smaller else []
    return found


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in the place of a node, and the operator's name."""
    match node:
        case ast.AugAssign(target=target) if _is_domain(target):
            yield from _dropped(node)
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in _OPERATORS:
            yield "operator", ast.AugAssign(target, _OPERATORS[type(op)](), value)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            yield "operator", ast.BinOp(left, _OPERATORS[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield "operator", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Invert() | ast.Not() | ast.USub(), operand=operand):
            yield "operator", operand
        case ast.Compare(left=left, ops=[op], comparators=values) if type(op) in _COMPARISONS:
            yield "comparison", ast.Compare(left, [_COMPARISONS[type(op)]()], values)
        case ast.Constant(value=bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield "constant", ast.Constant(value + 1)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "arms swapped", ast.IfExp(test, orelse, body)
        case ast.Call():
            yield from _of_call(node)


def _places(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Nodes that may be changed, and the function they are in."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or isinstance(node, _APART):
                continue
            if isinstance(node, ast.keyword) and node.arg in _OPTIONS_APART:
                continue
            if isinstance(node, ast.Call) and _called(node) == "Instance":
                continue
            if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
                # Only another process runs it, which has the file as it is.
                continue
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            inner = f"{scope}.{node.name}".lstrip(".") if named else scope  # type: ignore[attr-defined]
            yield inner, node
            yield from _places(node, inner)


def told_scopes(file: str, text: str) -> str:
    """A file whose module, classes and functions call ``TOLD`` with its name and their own when they run."""
    tree = ast.parse(text)
    for scope, node in [("", tree), *_places(tree)]:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            call = ast.Call(ast.Name(TOLD, ast.Load()), [ast.Constant(file), ast.Constant(scope)], [])
            # A docstring and what is imported from the future come first.
            future = [isinstance(each, ast.ImportFrom) and each.module == "__future__" for each in node.body]
            place = future.index(True) + 1 if any(future) else int(ast.get_docstring(node) is not None)
            node.body.insert(place, ast.Expr(call))
    return ast.unparse(ast.fix_missing_locations(tree))


def mutants(file: str, text: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text.

    Parameters
    ----------
    file : str
        Path from the root of the repository.
    text : str
        What it holds.

    Returns
    -------
    list of Mutant
        Each is valid Python and differs from ``text`` at one place.
    """
    source, lines = text.encode(), text.splitlines()
    starts = [0]
    for row in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(row))
    found, seen = [], Counter[str]()
    tree = ast.parse(text)
    narrower = _narrower(tree)
    for scope, node in _places(tree):
        for kind, changed in narrower[id(node)] if id(node) in narrower else _changes(node):
            begin = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            ast.fix_missing_locations(changed)
            new = ast.unparse(changed)
            if isinstance(node, ast.expr):
                new = f"({new})"
            line = lines[node.lineno - 1].strip()  # type: ignore[attr-defined]
            told = kind if kind.startswith("assignment") else f"{_short(node)} -> {_short(changed)}"
            name = f"{scope or 'module'}: {line}: {told}"
            seen[name] += 1
            if seen[name] > 1:
                name += f" (place {seen[name]})"
            found.append(Mutant(file, scope, name, (source[:begin] + new.encode() + source[end:]).decode()))
    return found
