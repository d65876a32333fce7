"""Where an engine's lanes go on an ECP5: along the rows of multipliers, each beside its weights."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: A group is nine tiles wide: four multipliers in a row of their own, four block memories in another.
_MULTIPLIERS = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))
_MEMORIES = ((0, "EBR0"), (2, "EBR1"), (4, "EBR2"), (6, "EBR3"))
#: Blocks of a lane in a netlist: its number, then the multiplier's where it is one.
_BLOCK = re.compile(r"\.array\.lane_(\d+)\.(?:mac\.multiplier_(\d)|bank\..*)")

Place = tuple[int, int, str]


@dataclass(frozen=True)
class Grid:
    """Where a device has its blocks, as nextpnr counts tiles.

    Parameters
    ----------
    columns : tuple of int
        First tile of every group, from left to right.
    multipliers, memories : tuple of int
        Rows of tiles; the first of ``multipliers`` has the most room beside it.
    """

    columns: tuple[int, ...]
    multipliers: tuple[int, ...]
    memories: tuple[int, ...]

    def path(self) -> list[Place]:
        """All multipliers, each beside the one before: right to left in the first row, and back in the next."""
        return [
            (column + offset, row, name)
            for turn, row in enumerate(self.multipliers)
            for column in self.columns[:: 1 if turn % 2 else -1]
            for offset, name in _MULTIPLIERS[:: 1 if turn % 2 else -1]
        ]


GRIDS = {
    "LFE5U-25F": Grid((4, 13, 22, 33, 42, 51, 60), (13,), (25, 37)),
    "LFE5U-45F": Grid((4, 13, 22, 31, 42, 51, 60, 69, 78), (46, 22), (10, 34, 58)),
    "LFE5U-85F": Grid((4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114), (58, 34, 10), (22, 46, 70, 82)),
}
GRIDS["LFE5UM5G-85F"] = GRIDS["LFE5U-85F"]


def place_lanes(netlist: Path, device: str, top: str = "top") -> int:
    """Fix the multipliers and weight memories of all lanes, in the order of the systolic chain.

    nextpnr's placer moves single cells; where most multipliers of a device are used, it neither finds
    this order nor, in reasonable time, any. What is not a lane's keeps the start of the path, beside lane 0.

    Parameters
    ----------
    netlist : Path
        JSON of yosys; rewritten. Left alone for other devices, and where lanes have no multipliers.
    device : str
    top : str
        Name of the module.

    Returns
    -------
    int
        Cells that were given a place.
    """
    if device not in GRIDS:
        return 0
    content = json.loads(netlist.read_text())
    cells = content["modules"][top]["cells"]
    multipliers: dict[tuple[int, int], str] = {}
    memories: list[tuple[int, str]] = []
    for name, cell in cells.items():
        if (match := _BLOCK.search(name)) is None:
            continue
        if cell["type"] == "MULT18X18D" and match[2]:
            multipliers[int(match[1]), int(match[2])] = name
        elif cell["type"] == "DP16KD":
            memories.append((int(match[1]), name))
    grid = GRIDS[device]
    path = grid.path()
    if not multipliers or len(multipliers) > len(path):
        return 0
    # The first lane begins a group.
    begin = (len(path) - len(multipliers)) // len(_MULTIPLIERS) * len(_MULTIPLIERS)
    places = dict(zip(sorted(multipliers), path[begin:], strict=False))
    found = {multipliers[key]: place for key, place in places.items()}
    found |= _beside(memories, {lane: places[lane, 0] for lane, _ in memories}, grid)
    for name, (x, y, block) in found.items():
        cells[name]["attributes"]["BEL"] = f"X{x}/Y{y}/{block}"
    netlist.write_text(json.dumps(content))
    return len(found)


def _beside(memories: list[tuple[int, str]], multipliers: dict[int, Place], grid: Grid) -> dict[str, Place]:
    """A place for every lane's memories, as many as there are, that keeps the squares of the distances small."""
    from scipy.optimize import linear_sum_assignment  # comes with the tools that the netlist came from

    free = np.array([(x + offset, y) for y in grid.memories for x in grid.columns for offset, _ in _MEMORIES])
    blocks = [name for _ in grid.memories for _ in grid.columns for _, name in _MEMORIES]
    wanted = np.array([multipliers[lane][:2] for lane, _ in memories]).reshape(-1, 1, 2)
    apart = free[None] - wanted
    # A lane's memories rather lie on the same side of its multipliers.
    cost = (apart**2).sum(axis=2) + 64 * (apart[..., 1] < 0)
    return {
        memories[memory][1]: (*free[place].tolist(), blocks[place])
        for memory, place in zip(*linear_sum_assignment(cost), strict=True)
    }
