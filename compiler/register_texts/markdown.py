"""The register reference: docs/registers.md."""

from __future__ import annotations

from collections.abc import Iterator

from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import MEMORIES
from lstmith.spec.link_map import LinkRegister
from lstmith.spec.register_map import Entry
from lstmith.spec.register_table import TABLE
from lstmith.spec.registers import FrontRegister

_ABOVE = """# Registers

`lstmith generate` writes CORE.json, which holds the same map for one core. This page is made from
`spec/register_table.py` and `spec/core_map.py`, with `python -m lstmith.compiler.register_texts.reference`.

Addresses count 32-bit words; a processor behind AXI4-Lite or Wishbone sees four times as much, in bytes. Bits that no
field names read as 0 and are ignored in writes. A register or memory that an engine was not built with is not there.

What may be accessed while the engine runs (`STATUS.busy`):

| while running | meaning |
|---|---|
| all | as when idle |
| read | it may be read; a write is refused |
| none | a read and a write are refused |

The native bus ignores a write that is refused, or that goes to no register or memory, and reads 0. A wrapper answers it
with an error and sets `IRQ_STATUS.refused`: AXI4-Lite with SLVERR where something is there and with DECERR where
nothing is, Wishbone with `wb_err_o`. Wrappers also refuse what goes against the access of the table, and a write with
some of the four byte enables; one without any is done, and writes nothing.
"""
_BELOW = """
## Memories
A window has a power of two of words, and words that stand for nothing are ignored. While the engine runs, all memories
are closed.

| memory | first word | access | bits | what a word's place tells |
|---|---|---|---:|---|
"""
_KINDS = {
    FrontRegister: "a wrapper (`generate --bus axi` or `wishbone`)",
    LinkRegister: "a bitstream's host link",
}
#: Two engines that differ in all that a register tells: what is the same in both is the same in every one.
_SAMPLES = (
    EngineConfig(lanes=2, precisions=(4,), planes=2, skip=True, monitor=True, layers=2, active_counts=2),
    EngineConfig(lanes=3, precisions=(8,), units=5, inputs=6, weight_depth=7),
)


def register_reference() -> str:
    """The page, for every core that can be generated."""
    lines = ["", "## List", "| address | register | access | while running | after a reset | meaning |"]
    lines.append("|---|---|---|---|---|---|")
    lines += map(_row, TABLE)
    for entry in TABLE:
        lines += _fields(entry)
    rows = [
        f"| `{memory.name}` | `0x{memory.base:06X}` | {memory.access} | {memory.bits} | {memory.meaning} |"
        for memory in MEMORIES
    ]
    return _ABOVE + "\n".join(lines) + "\n" + _BELOW + "\n".join(rows) + "\n"


def _row(entry: Entry) -> str:
    kind = _KINDS.get(type(entry.register))
    where = f" Only in {kind}." if kind else ""
    cells = [f"`0x{entry.address:06X}`", f"`{entry.name.upper()}`", entry.access, entry.running, _after_reset(entry)]
    return f"| {' | '.join(cells)} | {entry.meaning}.{where} |"


def _after_reset(entry: Entry) -> str:
    if entry.image:
        return "0, or the network's if it is inside"
    values = {entry.reset(each) for each in _SAMPLES} if entry.reset else {0}
    return f"`0x{values.pop():X}`" if len(values) == 1 else "what was built"


def _fields(entry: Entry) -> Iterator[str]:
    yield from ("", f"### {entry.name.upper()}", "| bits | field | meaning |", "|---|---|---|")
    for field in entry.fields:
        last = field.bit + field.width - 1
        bits = f"{field.bit}" if last == field.bit else f"{last}:{field.bit}"
        yield f"| {bits} | `{field.name}` | {field.meaning}{', signed' if field.signed else ''} |"
