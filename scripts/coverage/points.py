"""Points that Verilator counts, lines and toggles, mapped back to the blocks that the Verilog was made of.

The Verilog keeps what Amaranth says of where each module and statement comes from. A *block* is a file of ``rtl``.
Points of engines with other parameters are one where they have the same name: of a toggle the signal, the bit and the
direction, of a line its statement and branch. A point counts as covered if it is in any engine and any instance. Wires
that only hold an expression's value have no name, and count as lines alone; parts of Amaranth's library are left out.
"""

from __future__ import annotations

import gzip
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: What a point is called among all engines: its block, ``line`` or ``toggle``, and a name.
Point = tuple[str, str, str]

_ENTRY = re.compile(r"^C '(.*)' (\d+)$")
_MODULE = re.compile(r"^module (\\\S+ |\w+)\s*\(")
_SOURCE = re.compile(r'src = "([^"]+):(\d+)"')
_TARGET = re.compile(r"^\s+(\\\S+ |\w+)\s*(?:\[[^\]]*\]\s*)?<?= ")
_ASSIGN = re.compile(r"^  assign (\\\S+ |\w+)")
#: A condition without a statement, which yosys writes at the head of every block.
_NOTHING = "$auto$verilog_backend"
#: How Verilator writes a character that no name in C has: here the dollar sign.
_DOLLAR = "__024"


@dataclass(frozen=True)
class _Part:
    """A module: its name, where it begins, and its file."""

    name: str
    first: int
    file: str


class SourceMap:
    """Where each line of a Verilog text comes from.

    Parameters
    ----------
    text : str
        As Amaranth writes it, with its attributes.
    root : Path
        Folder of the sources.
    """

    def __init__(self, text: str, root: Path):
        self._root = root
        self._lines = text.split("\n")
        self._parts = list(self._modules())
        self._owners: dict[int, str] = {}
        self._registers = self._where_registers()
        self._owned()

    def _modules(self) -> Iterator[_Part]:
        file = ""
        for number, line in enumerate(self._lines, 1):
            if line.startswith("(* src"):
                found = _SOURCE.search(line)
                file = found[1] if found else ""
            elif name := _MODULE.match(line):
                yield _Part(name[1].strip().lstrip("\\"), number, self._relative(file))
                file = ""

    def _relative(self, file: str) -> str:
        path = Path(file)
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else ""

    def _part(self, line: int) -> _Part | None:
        index = bisect_right([part.first for part in self._parts], line) - 1
        return self._parts[index] if index >= 0 else None

    def block(self, line: int) -> str:
        """The file of the module that a line is in; empty if it is not one of ``rtl``."""
        part = self._part(line)
        return part.file if part is not None and part.file.startswith("rtl/") else ""

    def _where_registers(self) -> dict[tuple[str, str], str]:
        """Where what a register takes is written, by module and the wire that it takes."""
        found: dict[tuple[str, str], str] = {}
        for number, line in enumerate(self._lines, 1):
            taken = re.match(r"^\s+\S.* <= (\\\S+ |\w+)\s*;$", line)
            above = _SOURCE.search(self._lines[number - 3]) if number > 2 else None
            part = self._part(number)
            if taken and above and part is not None:
                found[part.name, taken[1].strip()] = above[2]
        return found

    def _owned(self) -> None:
        """The statement of each line, by where it is written or by what it assigns."""
        owner, inside, pending = "", False, ""
        for number, line in enumerate(self._lines, 1):
            source = _SOURCE.search(line)
            if line.startswith("  (* src"):
                pending = source[2] if source else ""
                continue
            # What an always block holds is indented further than it.
            inside = inside and line.startswith("    ")
            if assign := _ASSIGN.match(line):
                self._owners[number] = source[2] if source else assign[1].strip()
            elif line.startswith("  always"):
                inside, owner = True, pending
            if inside:
                if _NOTHING in line:
                    continue
                target, part = _TARGET.match(line), self._part(number)
                if not owner and target and part is not None:
                    name = target[1].strip()
                    owner = self._registers.get((part.name, name), name)
                self._owners[number] = owner
            pending = ""

    def owner(self, line: int) -> str:
        """Of the statement at a line."""
        return self._owners.get(line, "")


def read_points(data: Path, source: SourceMap) -> Counter[Point]:
    """How often each point of a simulation was met.

    Parameters
    ----------
    data : Path
        What Verilator wrote.
    source : SourceMap
        Of the text that it simulated.
    """
    found = Counter[Point]()
    order = Counter[tuple[str, str, str, str]]()
    for field, count in _entries(data):
        line, kind = int(field.get("l", 0)), field.get("t", "")
        block = source.block(line)
        if not block:
            continue
        told = field.get("o", "")
        if kind == "toggle":
            signal, _, rest = told.partition("[") if "[" in told else told.partition(":")
            if signal.startswith(_DOLLAR):
                continue
            name = f"{re.sub(_DOLLAR + r'[0-9]+', '', signal)}{'[' if '[' in told else ':'}{rest}"
            found[block, "toggle", name] += count
        elif kind in ("line", "branch") and source.owner(line):
            place = field.get("h", ""), source.owner(line), told, kind
            # The n-th of its kind in the statement; Verilator lists them by line and column.
            order[place] += 1
            found[block, "line", f"{place[1]}: {told} {order[place]}"] += count
    return found


def _entries(data: Path) -> Iterator[tuple[dict[str, str], int]]:
    with data.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            entry = _ENTRY.match(line)
            if entry:
                pairs = (part.partition("\x02") for part in entry[1].split("\x01") if part)
                yield {key: value for key, _, value in pairs}, int(entry[2])


def signal_rose(data: Path, module: str, signal: str, change: str = "0->1") -> bool:
    """Whether a bit of a signal changed so in any module whose name ends so."""
    return any(
        count > 0 and field.get("o") == f"{signal}:{change}" and field.get("h", "").endswith(module)
        for field, count in _entries(data)
        if field.get("t") == "toggle"
    )


def store_points(path: Path, points: Counter[Point]) -> None:
    """Writes points, for :func:`stored_points`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump([[*point, count] for point, count in points.items()], file)


def stored_points(folder: Path) -> Counter[Point]:
    """All points that files of a folder hold."""
    found = Counter[Point]()
    for path in sorted(folder.glob("*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found.update({(block, kind, name): count for block, kind, name, count in json.load(file)})
    return found
