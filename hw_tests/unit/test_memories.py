"""Estimated block memories: the memories are those of the hardware, and as many blocks as synthesis takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from amaranth.back import rtlil

from lstmith.boards.catalogue import find_board
from lstmith.compiler.sizing.estimate import MEDIAN_ERRORS, estimate, told_error
from lstmith.compiler.sizing.memories import BLOCK, Memory, state_memories
from lstmith.flow.toolchain import count_cells
from lstmith.rtl.top import Top
from lstmith.scripts.bench.estimates import BOARDS, RESOURCES, compared, errors, fitted, held_out, load
from lstmith.spec.config import EngineConfig
from lstmith.spec.presets import PRESETS

#: Engines with every option that adds a memory.
ENGINES = {each.name: replace(each.small(), inputs=6) for each in PRESETS} | {
    name: config
    for name, config in fitted().items()
    if name in ("a second layer", "peepholes", "symbols and delta", "layers of all kinds", "verdicts", "monitor")
}
#: What is in lookup tables whatever its size: decisions of the monitor, words that wait to be issued.
SMALL = ("decisions", "issuer")


def built(config: EngineConfig) -> Iterator[tuple[int, int, str]]:
    """Width, depth and style of the memories that the hardware has beside banks of weights."""
    module, style = "", ""
    for line in rtlil.convert(Top(config), name="top", emit_src=False).splitlines():
        words = line.split()
        if line.startswith("module"):
            module = words[1]
        elif words[:2] == ["attribute", "\\ram_style"]:
            style = words[2].strip('"')
        elif found := re.match(r"\s*memory width (\d+) size (\d+) (\S+)", line):
            width, depth, name = int(found[1]), int(found[2]), found[3]
            if not (style == "distributed" or any(small in module + name for small in SMALL) or "bank.ram" in module):
                yield (16, 16, style) if name.endswith("_line") else (width, depth, style)
            style = ""


@pytest.mark.drawn(6)
@pytest.mark.parametrize("name", ENGINES)
def test_memories_are_those_of_the_hardware(name: str) -> None:
    told = Counter[tuple[int, int, str]]()
    for memory in state_memories(ENGINES[name]):
        told[memory.width, memory.depth, memory.style] += memory.count
    assert told == Counter(built(ENGINES[name]))


def test_blocks_are_those_of_synthesis() -> None:
    """Of every engine that was synthesised: DSP blocks are told exactly, of one engine in ten one block memory more."""
    engines = {**fitted(), **held_out()}
    wrong, rows = {}, load()
    for name, row in rows.items():
        config = engines[name]
        cost, found = estimate(config, find_board(BOARDS[config.family])), count_cells(row["cells"])
        assert cost.dsps == found["dsps"], name
        if cost.brams != found["brams"]:
            wrong[name] = (cost.brams, found["brams"])
    assert all(abs(told - counted) <= 1 for told, counted in wrong.values()), wrong
    assert len(wrong) <= -(-len(rows) // 10), wrong


def test_estimates_hold_on_engines_that_were_not_fitted() -> None:
    """The errors that are told are those of the recorded engines, and small."""
    unseen = [one for one in compared(load()) if one["held_out"] and one["family"] == "ecp5"]
    found = tuple(round(100 * errors(unseen, name)[0]) for name in RESOURCES)
    assert found == MEDIAN_ERRORS["ecp5"]
    assert found[0] <= 6
    assert told_error("ecp5") == f"median error {found[0]} %, {found[1]} %, {found[2]} %"
    assert told_error("gowin") == "not measured for this family"


@pytest.mark.parametrize(
    ("width", "depth", "family", "blocks"),
    [
        (16, 1024, "ecp5", 1),
        (36, 512, "ecp5", 1),
        (24, 1024, "ecp5", 2),
        (16, 64, "ecp5", 0),
        (22, 64, "ecp5", 1),
        (16, 256, "ice40", 1),
        (35, 512, "ice40", 5),
        (10, 4, "ice40", 0),
        (22, 128, "gowin", 1),
    ],
)
def test_what_becomes_a_block(width: int, depth: int, family: str, blocks: int) -> None:
    assert Memory("any", width, depth).blocks(family) == blocks
    assert Memory("any", width, depth, 3, BLOCK).blocks(family) == 3 * max(blocks, 1)
