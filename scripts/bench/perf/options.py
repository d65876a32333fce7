"""What options of an engine cost: one lane of 8-bit weights that is always dense, and each option added to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmith.cli.console import steps
from lstmith.golden.cycles import dense_breakdown
from lstmith.rtl.top import Top
from lstmith.scripts.bench.area import cells, synthesised
from lstmith.scripts.bench.blank import blank_network
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig
from lstmith.spec.presets import preset

STEPS = 8
#: What stands in the way of no other option; it drains as larger engines do.
LEAST = replace(preset("tiny").engine, rows_per_cycle=2)
UNITS, INPUTS = preset("tiny").serves
#: More than there are inputs, as in most embeddings.
SYMBOLS = 256
_DELTA = replace(LEAST, delta=True)
_PLANES = replace(_DELTA, planes=2)
BASE = "1 lane {8}, always dense"
#: Engines by what they have beyond another one, which is named beside them.
ENGINES: dict[str, tuple[EngineConfig, str]] = {
    BASE: (LEAST, ""),
    "a second lane": (replace(LEAST, lanes=2), BASE),
    "4 bit": (replace(LEAST, precisions=(4, 8)), BASE),
    "16 bit, sums of 40 bits": (replace(LEAST, precisions=(8, 16), acc_width=40, operand_width=17), BASE),
    "peepholes": (replace(LEAST, peepholes=True), BASE),
    **{
        f"{title} layers": (replace(LEAST, kinds=(Kind.LSTM, kind)), BASE)
        for title, kind in (("GRU", Kind.GRU), ("plain", Kind.RNN), ("dense", Kind.DENSE))
    },
    "layers of all kinds": (replace(LEAST, kinds=tuple(Kind)), BASE),
    "four active counts": (replace(LEAST, active_counts=4), BASE),
    "a second layer": (replace(LEAST, layers=2), BASE),
    "a second sequence in turn": (replace(LEAST, sequences=2), BASE),
    "a second program": (replace(LEAST, programs=2), BASE),
    "symbols": (replace(LEAST, symbols=SYMBOLS), BASE),
    "verdicts": (replace(LEAST, verdicts=True), BASE),
    "delta": (_DELTA, BASE),
    "both lists, digit planes": (_PLANES, "delta"),
    "symbols and delta": (replace(_DELTA, symbols=SYMBOLS), "delta"),
    "skip rules": (replace(_DELTA, skip=True), "delta"),
    "monitor": (replace(_PLANES, monitor=True), "both lists, digit planes"),
    "one row per cycle, for a slow clock": (replace(LEAST, rows_per_cycle=1), BASE),
}
#: The least on the small family, whose look-up tables and flip-flops come in pairs.
ICE40 = replace(LEAST, family="ice40", rows_per_cycle=1, c_width=16, requant_width=16)
ICE40_ENGINES = {BASE: ICE40, "delta": replace(ICE40, delta=True)}
_ICE40_CELLS = {"luts": "SB_LUT4", "carries": "SB_CARRY", "brams": "SB_RAM40_4K", "dsps": "SB_MAC16"}


def run_options(folder: Path) -> dict[str, Any]:
    """Cells of every engine, as JSON values.

    Parameters
    ----------
    folder : Path
        For the tool's files.

    Returns
    -------
    dict
        ``ecp5`` by title, with the logic an option adds and the cycles of a dense step, and ``ice40``.
    """
    found: dict[str, dict[str, Any]] = {}
    with steps() as report:
        for title, (config, base) in ENGINES.items():
            report(f"synthesising {title}")
            area = synthesised(Top(config), folder)
            cycles = int(
                dense_breakdown(blank_network([(UNITS, INPUTS)], planes=config.planes), config, STEPS).cycles[0, -1]
            )
            row = {**vars(area), "logic": area.logic, "cycles_per_step": cycles}
            added = {"added": area.logic - found[base]["logic"], "to": base} if base else {}
            found[title] = {**row, **added}
        small = {}
        for title, config in ICE40_ENGINES.items():
            report(f"synthesising {title} for iCE40")
            small[title] = _ice40_row(cells(Top(config), folder, "ice40"))
    return {"ecp5": found, "ice40": small}


def _ice40_row(found: dict[str, int]) -> dict[str, int]:
    row = {name: found.get(cell, 0) for name, cell in _ICE40_CELLS.items()}
    return row | {"ffs": sum(count for cell, count in found.items() if cell.startswith("SB_DFF"))}
