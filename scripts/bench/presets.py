"""Presets on their boards: what they take, how fast they are, and how they were verified."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import find_board
from lstmith.cli.console import steps
from lstmith.compiler.design import Design
from lstmith.compiler.files import read_json, whole_file
from lstmith.flow import TimingError, build, synthesise
from lstmith.flow.attempt import Progress
from lstmith.golden.cycles import dense_breakdown
from lstmith.golden.network import FloatNetwork
from lstmith.scripts.bench.area import area_of
from lstmith.scripts.bench.blank import blank_network
from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.stamps import MEASURED, stamp
from lstmith.spec.presets import PRESETS, Preset, Tier, preset

#: Rows by name of the preset, each with the commit and the day it was measured: part of the repository.
RECORD = Path("scripts/bench/recorded/presets.json")
#: Cells of a preset without a board are counted for this family.
FAMILY = "ecp5"
SEED, STEPS = 1, 8


def run_presets(names: Sequence[str]) -> dict[str, Any]:
    """Measure some presets, and keep their rows as soon as each is done.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict
        Rows of all presets that were ever measured, by name.

    Raises
    ------
    UserError
        If there is no such preset, or the recorded rows are damaged.
    """
    chosen = [preset(name) for name in names]
    rows = load_rows()
    for each in chosen:
        found = {**_measured(each), MEASURED: stamp()}
        # Another preset may have been measured meanwhile.
        rows = load_rows() | {each.name: found}
        with whole_file(RECORD) as draft:
            draft.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
    return rows


def load_rows() -> dict[str, Any]:
    """The recorded rows by name of the preset.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    return read_json(RECORD, "restore it from the repository") if RECORD.exists() else {}


def preset_design(chosen: Preset) -> Design:
    """A preset's engine with a network of the size that it is for, all of whose weights are zero.

    What memories hold changes no cell and no path.
    """
    units, inputs = chosen.serves
    network = blank_network([(units, inputs)], max(chosen.engine.precisions), chosen.engine.planes)
    return Design(chosen.engine, network, FloatNetwork(()), chosen.board or FAMILY)


def _measured(chosen: Preset) -> dict[str, Any]:
    """Cycles by the model that the RTL equals, cells by yosys or nextpnr, and the clock where there is a board."""
    design = preset_design(chosen)
    one_count = replace(chosen.engine, active_counts=1)
    account = dense_breakdown(design.network, one_count, STEPS, chosen.engine.sequences)
    # The first steps are shorter; the last of two sequences in turn hides nothing of a successor.
    cycles = float(account.cycles[:, STEPS // 2 : -1].mean())
    with steps() as report:
        report(f"preset {chosen.name}")
        built = _core(design, report) if chosen.board is None else _bitstream(design, chosen.board, report)
    names = ("luts", "carries", "ffs", "brams", "spram", "dsps", "fmax_mhz", "target_mhz", "seconds", "tool_versions")
    return {"cycles_per_step": cycles, **{name: built[name] for name in names}}


def _core(design: Design, report: Progress) -> dict[str, Any]:
    found = synthesise(design, FAMILY, report)
    # As nextpnr counts: with the lookup tables of carries and small memories.
    return {**found, "luts": area_of(found["cells"]).logic}


def _bitstream(design: Design, board: str, report: Progress) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
        try:
            return build(design, board, Path(folder) / "build", seed=SEED, progress=report)
        except TimingError as error:
            # A clock that is missed is a result too.
            return error.result


def met(row: dict[str, Any]) -> bool:
    """Whether a row is of a bitstream that reaches its board's clock."""
    return row["fmax_mhz"] is not None and row["fmax_mhz"] >= row["target_mhz"]


def preset_rows(rows: dict[str, Any]) -> Table:
    """Presets in their order; what was not measured is a dash."""
    columns = ["preset", "for", "board", "lanes", "LUT", "MHz (reached)", "cycles per step", "us per step"]
    columns += ["verified", "run on hardware", "measured"]
    return columns, [_cells(each, rows.get(each.name)) for each in PRESETS]


def _cells(chosen: Preset, row: dict[str, Any] | None) -> list[object]:
    board = f"none ({FAMILY.upper()} cells)" if chosen.board is None else find_board(chosen.board).title
    verified = ", ".join(tier for tier in Tier if tier in chosen.tiers and tier is not Tier.HARDWARE)
    hardware = "yes" if Tier.HARDWARE in chosen.tiers else "no"
    figures: list[object] = [""] * 4 if row is None else [row["luts"], *_clock(row)]
    measured = "not yet" if row is None else row[MEASURED]
    return [f"`{chosen.name}`", chosen.purpose, board, chosen.engine.lanes, *figures, verified, hardware, measured]


def _clock(row: dict[str, Any]) -> list[object]:
    """MHz, cycles and time of a step at the board's clock."""
    cycles = f"{row['cycles_per_step']:,.0f}"
    if row["fmax_mhz"] is None:
        return ["", cycles, ""]
    clock = f"{row['target_mhz']:g} ({row['fmax_mhz']:.1f})"
    return [clock, cycles, f"{row['cycles_per_step'] / row['target_mhz']:,.1f}" if met(row) else "clock missed"]


#: Above and below the table.
_ABOVE = (
    "`lstmith bench presets` makes this table of `lstmith.spec.presets`. MHz is the board's clock and, in brackets, "
    f"what nextpnr reached with seed {SEED}. A bitstream includes the host link. Without a board, LUT is of the core. "
    "Cycles are those of a dense step at the widest weights, by the model that the RTL equals.\n"
)
_BELOW = (
    "*random*: random networks, policies and stalls on Icarus and Verilator. *text*: the Verilog written for a "
    "compiled network. *netlist*: what yosys makes of the core, simulated. These three run a small version with "
    "all options and compare every value and cycle with the golden model. *placed*: the bitstream "
    "meets its board's clock.\n"
)


def preset_text(rows: dict[str, Any]) -> str:
    """The block of the documents."""
    return f"{_ABOVE}\n{markdown(*preset_rows(rows))}\n{_BELOW}"
