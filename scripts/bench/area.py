"""What the adaptive parts of an engine take of an ECP5, by leaving them out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.lib import wiring

from lstmith.cli.console import steps
from lstmith.flow.families import SYNTHESIS
from lstmith.flow.toolchain import read_statistics, run_tool
from lstmith.rtl.array.lane import Lane
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.top import Top
from lstmith.scripts.bench.blocks import Table
from lstmith.spec.config import EngineConfig
from lstmith.spec.presets import preset

#: Silero's engine with digit planes, monitor, skip rules and active counts.
ADAPTIVE = preset("adaptive").engine
#: The same with digit planes alone.
ENGINE = replace(ADAPTIVE, monitor=False, skip=False, active_counts=1)


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
    return area_of(cells(component, folder, "ecp5"))


def cells(component: wiring.Component, folder: Path, family: str) -> dict[str, int]:
    """Cells by type of a component alone, on ECP5 or iCE40; parameters as for :func:`synthesised`."""
    (folder / "top.il").write_text(rtlil.convert(component, name="top", emit_src=False))
    script = f"read_rtlil top.il; {SYNTHESIS[family]} -top top; tee -q -o stat.json stat -json"
    run_tool("yosys", ["-q", "-l", "yosys.log", "-p", script], folder)
    return read_statistics(folder / "stat.json")


def area_of(found: dict[str, int]) -> Area:
    """What benches tell of a synthesis, given its cells by type."""
    names = ("LUT4", "CCU2C", "TRELLIS_DPR16X4", "TRELLIS_FF", "DP16KD", "MULT18X18D")
    return Area(*(found.get(name, 0) for name in names))


def run_area() -> dict[str, Any]:
    """Areas as JSON values: engines and lanes, each without and with what the claim is about."""
    pairs: dict[str, tuple[wiring.Component, wiring.Component]] = {
        "engine": (Top(ENGINE), Top(ADAPTIVE)),
        "lane": (_lane(replace(ENGINE, planes=1)), _lane(ENGINE)),
    }
    titles = {"engine": ("digit planes", "and all three"), "lane": ("lane of whole weights", "lane of digits")}
    found: dict[str, dict[str, int]] = {}
    growth: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder, steps() as report:
        for kind, components in pairs.items():
            for title, component in zip(titles[kind], components, strict=True):
                report(f"synthesising {title}")
                found[title] = _figures(synthesised(component, Path(folder)))
            plain, grown = (found[title]["logic"] for title in titles[kind])
            growth[titles[kind][1]] = 100 * (grown / plain - 1)
    return {"lanes": ENGINE.lanes, "areas": found, "growth_percent": growth}


def _lane(config: EngineConfig) -> Lane:
    return Lane(index=0, lanes=config.lanes, depth=config.weight_depth, mac=MacParameters.of(config))


def _figures(area: Area) -> dict[str, int]:
    return {**vars(area), "logic": area.logic}


def area_rows(result: dict[str, Any]) -> Table:
    """The areas as a table."""
    columns = ["engine", "LUT4", "CCU2C", "LUT RAM", "flip-flops", "block RAM", "multipliers", "logic", "growth"]
    rows: list[list[object]] = []
    for title, area in result["areas"].items():
        growth = result["growth_percent"].get(title)
        rows.append([title, *area.values(), "" if growth is None else f"{growth:.1f}%"])
    return columns, rows


def area_text(result: dict[str, Any]) -> str:
    """One line above the table."""
    return (
        f"A {result['lanes']}-lane ECP5 engine of {ENGINE.units} units with and without its adaptive rules, yosys "
        "(`lstmith bench area`); logic is LUT4 + 2 CCU2C + 4 per LUT-RAM cell:"
    )
