"""What the adaptive parts of an engine take of an ECP5, by leaving them out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.lib import wiring

from lstmith.boards.build import SYNTHESIS
from lstmith.boards.toolchain import read_statistics, run_tool
from lstmith.golden.config import EngineConfig
from lstmith.rtl.lane import Lane
from lstmith.rtl.top import Top

from .blocks import Table
from .console import steps

#: Silero's engine with mixed images and as many active counts as its workload uses, without adaptive rules.
ENGINE = EngineConfig(
    lanes=64,
    precisions=(4, 8),
    family="ecp5",
    acc_width=24,
    weight_depth=2048,
    units=128,
    inputs=128,
    mixed=True,
)
MASKS = 4
#: The same with one rule after the other, and with all.
VARIANTS: dict[str, dict[str, Any]] = {
    "mixed images": {},
    "and monitor": {"monitor": True},
    "and skip rules": {"skip": True},
    "and active counts": {"masks": MASKS},
    "and all three": {"monitor": True, "skip": True, "masks": MASKS},
}
FEWEST = ("mixed images", "and all three")


@dataclass(frozen=True)
class Area:
    """Cells of one synthesis; ``logic`` is LUT4 + 2 CCU2C + 4 per LUT-RAM cell."""

    luts: int
    carries: int
    lut_rams: int
    ffs: int
    brams: int
    dsps: int

    @property
    def logic(self) -> int:
        """Look-up tables, with those inside carry and memory cells."""
        return self.luts + 2 * self.carries + 4 * self.lut_rams


def synthesised(component: wiring.Component, folder: Path) -> Area:
    """Cells of a component alone.

    Parameters
    ----------
    component : Component
    folder : Path
        For the tool's files.
    """
    (folder / "top.il").write_text(rtlil.convert(component, name="top", emit_src=False))
    script = f"read_rtlil top.il; {SYNTHESIS['ecp5']} -top top; tee -q -o stat.json stat -json"
    run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script], folder)
    cells = read_statistics(folder / "stat.json")
    names = ("LUT4", "CCU2C", "TRELLIS_DPR16X4", "TRELLIS_FF", "DP16KD", "MULT18X18D")
    return Area(*(cells.get(name, 0) for name in names))


def run_area(*, every: bool = False) -> dict[str, Any]:
    """Areas as JSON values; all variants, or the two that the claim needs."""
    chosen = VARIANTS if every else {name: VARIANTS[name] for name in FEWEST}
    found: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name, steps() as report:
        folder = Path(name)
        for title, parts in chosen.items():
            report(f"synthesising {title}")
            found[title] = _figures(synthesised(Top(replace(ENGINE, **parts)), folder))
        for title, mixed in (("lane", False), ("lane, mixed images", True)):
            found[title] = _figures(synthesised(Lane(replace(ENGINE, mixed=mixed), 0), folder))
    plain = found["mixed images"]["logic"]
    return {
        "lanes": ENGINE.lanes,
        "areas": found,
        "growth_percent": {title: 100 * (found[title]["logic"] / plain - 1) for title in chosen},
        "lane_growth_percent": 100 * (found["lane, mixed images"]["logic"] / found["lane"]["logic"] - 1),
    }


def _figures(area: Area) -> dict[str, int]:
    return {**vars(area), "logic": area.logic}


def area_rows(result: dict[str, Any]) -> Table:
    """The areas as a table."""
    columns = ["engine", "LUT4", "CCU2C", "LUT RAM", "flip-flops", "block RAM", "multipliers", "logic", "growth"]
    rows: list[list[object]] = []
    for title, area in result["areas"].items():
        growth = result["growth_percent"].get(title)
        if title == "lane, mixed images":
            growth = result["lane_growth_percent"]
        rows.append([title, *area.values(), "" if growth is None else f"{growth:.1f}%"])
    return columns, rows


def area_text(result: dict[str, Any]) -> str:
    """One line above the table."""
    return (
        f"A {result['lanes']}-lane ECP5 engine of {ENGINE.units} units with and without its adaptive rules, yosys "
        "(`lstmith bench area`); logic is LUT4 + 2 CCU2C + 4 per LUT-RAM cell:"
    )
