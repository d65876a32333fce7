"""Value changes of a netlist's nets: counted from a VCD file, and sorted by what drives the net."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

#: Bytes read at a time.
CHUNK = 1 << 22

#: Classes of nets, in the order of the tables.
CLASSES = MEMORIES, MULTIPLIERS, SUMS, CELL_UNIT, CONTROL = (
    "weight memories",
    "multipliers",
    "sums and slots",
    "cell unit",
    "lists, control",
)

_VARIABLE = re.compile(rb"\$var\s+\w+\s+(\d+)\s+(\S+)\s+\\?(\S+)\s*(?:\[\d+:(\d+)\]\s*)?\$end")
_CLOCK_PINS = {"CLK", "CLKA", "CLKB", "WCK"}
_ARRAY = "engine.array"
#: The part that works once per unit, whatever the lists hold.
_CELL_UNIT = "engine.drain"

#: A net's name and the bit's index in it.
Bit = tuple[str, int]


@dataclass
class _Vector:
    """A variable of several bits, by all its names: which of them are known, and their values."""

    names: set[str]
    lowest: int
    width: int
    known: int = 0
    value: int = 0

    def change(self, digits: bytes) -> list[Bit]:
        """Take a value, most significant digit first; returns the bits that became 0 or 1."""
        # Left out digits repeat an unknown first one, and are zero otherwise.
        digits = digits.rjust(self.width, digits[:1] if digits[:1] in b"xz" else b"0")
        value = int(digits.translate(_ONES), 2)
        known = int(digits.translate(_KNOWN), 2)
        changed = known & (value ^ self.value | ~self.known)
        self.value, self.known = value, known
        return [bit for bit in self.bits() if changed >> (bit[1] - self.lowest) & 1]

    def bits(self) -> list[Bit]:
        """All bits under every name."""
        return [(name, self.lowest + index) for name in self.names for index in range(self.width)]


_ONES, _KNOWN = bytes.maketrans(b"xz", b"00"), bytes.maketrans(b"01xz", b"1100")


def count_toggles(file: BinaryIO) -> Counter[Bit]:
    """Count how often every bit became 0 or 1 after the dump began.

    Parameters
    ----------
    file : binary file
        A VCD file of one scope, one value change per line. It is read as a stream.

    Returns
    -------
    Counter
        Every bit of the file, by name, without the backslash of an escaped one, and index; under each of
        its names if it has several. Values of the dump's first time are no changes; a change to ``x`` or
        ``z`` is none, one from it is. What a net does between two times is not in such a file.
    """
    scalars, vectors = _read_variables(file)
    _skip_first_time(file, vectors)
    counts: Counter[bytes] = Counter()
    toggles: Counter[Bit] = Counter()
    for lines in _chunks(file):
        for digits, code in _vector_changes(lines):
            toggles.update(vectors[code].change(digits))
        for line, number in Counter(lines).items():
            if line[:1] in (b"0", b"1"):
                counts[line[1:]] += number
    for code, bits in scalars.items():
        toggles.update(dict.fromkeys(bits, counts[code]))
    for vector in vectors.values():
        for bit in vector.bits():
            toggles.setdefault(bit, 0)
    return toggles


def _skip_first_time(file: BinaryIO, vectors: dict[bytes, _Vector]) -> None:
    """Read up to the second time, taking the vectors' values."""
    times = 0
    for line in file:
        times += line.startswith(b"#")
        if times == 2:
            break
        for digits, code in _vector_changes([line.rstrip()]):
            vectors[code].change(digits)


def _read_variables(file: BinaryIO) -> tuple[dict[bytes, set[Bit]], dict[bytes, _Vector]]:
    """Variables of one bit and of several, by their code in the file, which equal ones share."""
    scalars: dict[bytes, set[Bit]] = {}
    vectors: dict[bytes, _Vector] = {}
    for line in file:
        if found := _VARIABLE.match(line.strip()):
            width, code, name, lowest = int(found[1]), found[2], found[3].decode(), int(found[4] or 0)
            if width == 1:
                scalars.setdefault(code, set()).add((name, lowest))
            else:
                vectors.setdefault(code, _Vector(set(), lowest, width)).names.add(name)
        elif line.startswith(b"$enddefinitions"):
            break
    return scalars, vectors


def _chunks(file: BinaryIO) -> Iterator[list[bytes]]:
    """The rest of a file as lists of whole lines."""
    rest = b""
    while block := file.read(CHUNK):
        *lines, rest = (rest + block).split(b"\n")
        yield lines
    yield [rest]


def _vector_changes(lines: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Digits and code of every change of several bits."""
    for line in lines:
        if line[:1] == b"b":
            digits, _, code = line[1:].partition(b" ")
            yield digits, code


def net_classes(netlist: Path, top: str) -> dict[Bit, str]:
    """The class of every net but the clock's, one of ``CLASSES``.

    Parameters
    ----------
    netlist : Path
        Of a flat ECP5 netlist, yosys' JSON.
    top : str

    Returns
    -------
    dict
        By name and bit; a net with several names is there once.
    """
    module = json.loads(netlist.read_text())["modules"][top]
    drivers, multiplied, clocks = _connections(module["cells"])
    found: dict[Bit, str] = {}
    seen = set(clocks)
    for name, net in module["netnames"].items():
        for index, bit in enumerate(net["bits"]):
            if not isinstance(bit, int) or bit in seen:
                continue
            seen.add(bit)
            cell, kind = drivers.get(bit, ("", ""))
            found[name, index] = _class_of(cell, kind, bit in multiplied)
    return found


def _connections(cells: dict[str, Any]) -> tuple[dict[int, tuple[str, str]], set[int], set[int]]:
    """Name and type of each net's driver; nets that the lanes multiply; nets that clock anything."""
    drivers: dict[int, tuple[str, str]] = {}
    multiplied: set[int] = set()
    clocks: set[int] = set()
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "output":
                drivers |= dict.fromkeys(bits, (name, cell["type"]))
            elif pin in _CLOCK_PINS:
                clocks |= set(bits)
            elif cell["type"] == "MULT18X18D" and name.startswith(_ARRAY):
                multiplied |= set(bits)
    return drivers, multiplied, clocks


def _class_of(cell: str, kind: str, is_multiplied: bool) -> str:
    if cell.startswith(_ARRAY):
        if kind == "DP16KD":
            return MEMORIES
        return MULTIPLIERS if kind == "MULT18X18D" or is_multiplied else SUMS
    return CELL_UNIT if cell.startswith(_CELL_UNIT) else CONTROL
