"""Tables of docs/link.md and docs/spi.md, made from ``spec/link_map.py`` and the boards: run this module after changes.

A test compares the documents with :func:`tables`.
"""

from __future__ import annotations

import enum
import inspect
import re
import struct
from pathlib import Path

from lstmith.boards.catalogue import BOARDS
from lstmith.rtl.link.spi import CYCLES_MIN
from lstmith.scripts.bench.blocks import markdown, replace_block
from lstmith.spec import link_identity, link_map
from lstmith.spec.link_map import RECORDS, Command, Feature, FlashStatus, LinkRegister, Mode, Status, StreamFlag
from lstmith.spec.register_table import entry_of

#: Sizes by the letters of ``struct``.
_KINDS = {"B": "u8", "H": "u16", "I": "u32", "s": "bytes"}


def document(name: str) -> Path:
    """Where a block stands."""
    return Path("docs") / f"{name.partition(':')[0]}.md"


def tables() -> dict[str, str]:
    """Every block's text by its name."""
    return {
        "link:limits": _limits(),
        "link:commands": _members(Command, "command"),
        "link:statuses": _members(Status, "status"),
        "link:bodies": _bodies(),
        "link:flags": _members(StreamFlag, "flag"),
        "link:registers": _registers(),
        "link:modes": _members(Mode, "mode"),
        "link:flash": _members(FlashStatus, "bit"),
        "link:features": _members(Feature, "bit"),
        "link:records": _records(),
        "link:identity": _identity(),
        "spi:pins": _pins(),
    }


def _members(kind: type[enum.IntEnum] | type[enum.IntFlag], title: str) -> str:
    """An enumeration with the comments beside its members."""
    comments = dict(re.findall(r"^    (\w+) = .*?#: (.*)$", inspect.getsource(kind), re.MULTILINE))
    rows: list[list[object]] = [[f"`{member.name}`", int(member), comments.get(member.name, "")] for member in kind]
    return _table([title, "value", "meaning"], rows)


def _table(columns: list[str], rows: list[list[object]]) -> str:
    """What a table of a protocol leaves empty is not a missing figure."""
    return markdown(columns, [[_plain(cell) or " " for cell in row] for row in rows])


def _plain(cell: object) -> str:
    """A comment's references as Markdown."""
    text = re.sub(r":class:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", str(cell))
    return text.replace("``", "`").replace("|", "\\|")


def _limits() -> str:
    names = {
        "FRAME_BYTES": "most bytes of a frame before COBS, CRC included",
        "FRAME_BYTES_MIN": "fewest",
        "READ_WORDS": "most words of a READ",
        "WRITE_WORDS": "most words of a WRITE",
        "STREAM_VALUES": "most values of a STREAM",
        "NARROW_VALUES": "most values of a NARROW",
        "ANSWER_WORDS": "most result words of an answer",
        "LINK_VERSION": "version of all this",
    }
    return _table(["name", "value", "meaning"], [[f"`{k}`", getattr(link_map, k), v] for k, v in names.items()])


def _bodies() -> str:
    fields = {
        "READ": ("READ_HEAD", "count, address bits 0-15, address bits 16-23"),
        "WRITE": ("WRITE_HEAD", "address bits 0-15, address bits 16-23"),
        "STREAM": ("STREAM_HEAD", "flags and index of the active count or of the program, release, from"),
        "FETCH": ("FETCH_HEAD", "release, from"),
        "NARROW": (
            "NARROW_HEAD",
            "as of STREAM, shift in bits 0-3 and no sign in bit 4, release, from",
        ),
    }
    then = {"WRITE": "u32 per word", "STREAM": "int16 per value", "NARROW": "u8 or i8 per value"}
    rows: list[list[object]] = []
    for command, (name, meaning) in fields.items():
        at = 0
        for letter, field in zip(getattr(link_map, name)[1:], meaning.split(", "), strict=True):
            rows.append([f"`{command}`", at, _KINDS[letter], field])
            at += struct.calcsize(f"<{letter}")
        if command in then:
            rows.append([f"`{command}`", at, "...", then[command]])
    return _table(["command", "byte of the body", "type", "field"], rows)


def _registers() -> str:
    rows: list[list[object]] = [
        [f"`{entry.name.upper()}`", f"{entry.address:#08x}", entry.access, entry.meaning]
        for entry in map(entry_of, LinkRegister)
    ]
    return _table(["register", "bus address", "access", "meaning"], rows)


def _records() -> str:
    rows: list[list[object]] = []
    for kind, record in RECORDS.items():
        rows.append([f"`{kind.name}`, {record.words} words", "kind", 0, "0-1", int(kind)])
        for field in record.fields:
            bits = f"{field.bit}-{field.bit + field.width - 1}" if field.width > 1 else str(field.bit)
            rows.append(["", f"`{field.name}`", field.word, bits, "signed" if field.signed else ""])
    return _table(["record", "field", "word", "bits", ""], rows)


def _identity() -> str:
    names = {
        "IDENTITY_FORMAT": (
            "magic 0x4C53544D, version, window, ring size as a power of two, features, clock in Hz, baud, commit, "
            "board's name, format of designs"
        ),
        "CONFIG_FORMAT": (
            "lanes, weight_depth, units, inputs, layers, active counts (bits 0-3) and programs - 1 (4-7), "
            "precisions (bits 0/1/2: 4/8/16 bit; 7: without delta), "
            "acc_width, operand_width, c_width, requant_width, flags, "
            "kinds (bits 1/2/3: GRU/RNN/dense; 0: no LSTM; 7: verdicts), symbols"
        ),
    }
    rows: list[list[object]] = []
    at = 0
    for name, meaning in names.items():
        letters = re.findall(r"(\d*)([BHIs])", getattr(link_identity, name))
        for (count, letter), field in zip(letters, meaning.split(", "), strict=True):
            size = struct.calcsize(f"<{count}{letter}")
            kind = f"{size} bytes" if letter == "s" else _KINDS[letter]
            rows.append([at, kind, field])
            at += size
    rows.append([at, f"{link_identity.IDENTITY_BYTES - at} bytes", "zero"])
    return _table(["byte", "type", "field"], rows)


def _pins() -> str:
    """Every board with SPI, as amaranth-boards names its pins."""
    names = ("select", "copi", "cipo", "sck", "irq", "ready")
    rows: list[list[object]] = []
    for board in BOARDS:
        if (pins := board.spi) is None:
            continue
        connector = " ".join(map(str, pins.connector)) if pins.connector else "headers"
        places = [f"`{getattr(pins, name)}`" for name in names]
        fastest = f"{board.clock_mhz / CYCLES_MIN:.2f} MHz"
        rows.append([board.title, connector, *places, fastest])
    return _table(["board", "connector", *names, "SCK up to"], rows)


def main() -> None:
    """Renew every block of the documents."""
    for name, text in tables().items():
        replace_block(document(name), name, text)


if __name__ == "__main__":
    main()
