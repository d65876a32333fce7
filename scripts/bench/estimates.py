"""How far estimates of cells are from synthesis, on engines that the estimate was fitted to and on others."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.boards.catalogue import find_board
from lstmith.cli.console import steps
from lstmith.compiler.files import read_json, whole_file
from lstmith.compiler.sizing.estimate import estimate
from lstmith.compiler.sizing.size import size_engine
from lstmith.explore.builds import left_out
from lstmith.flow.attempt import run_yosys
from lstmith.flow.processes import processor_seconds
from lstmith.flow.toolchain import count_cells, logic_cells, read_statistics
from lstmith.rtl.rtlil import to_rtlil
from lstmith.rtl.top import Top
from lstmith.scripts.bench.blank import blank_network
from lstmith.scripts.bench.blocks import markdown, replace_block
from lstmith.scripts.bench.clocks import PRESET_ROWS, SMALL_ROWS, load_clocks
from lstmith.scripts.bench.perf.options import ENGINES as OPTIONS
from lstmith.scripts.bench.presets import load_rows
from lstmith.scripts.bench.stamps import MEASURED, stamp
from lstmith.spec.config import EngineConfig

#: Cells by engine, part of the repository: what the constants of ``compiler/sizing/estimate.py`` were fitted to.
RECORD = Path("scripts/bench/recorded/estimates.json")
DOCUMENT, BLOCK = Path("docs/results/estimates.md"), "bench:estimates"
RESOURCES = ("luts", "dsps", "brams")
BOARDS = {"ecp5": "ulx3s-85f", "ice40": "icebreaker", "gowin": "tang-nano-9k"}


def engine(
    *shapes: tuple[int, int],
    bits: int = 8,
    planes: int = 2,
    lanes: int,
    mac: str = "dsp",
    rows: int = 2,
    delta: bool = True,
    family: str = "ecp5",
) -> EngineConfig:
    """What the compiler makes of a stack of layers, each (units, inputs), on the board of a family."""
    network = blank_network(shapes, bits, planes)
    config, _ = size_engine(network, find_board(BOARDS[family]), lanes=lanes, mac=mac, planes=planes, delta=delta)
    return config if config.rows_per_cycle == 1 else replace(config, rows_per_cycle=rows)


def fitted() -> dict[str, EngineConfig]:
    """Engines that the estimate was fitted to, by title."""
    chosen = [
        engine((20, 1), lanes=2),
        engine((16, 16), bits=4, lanes=4),
        engine((32, 12), bits=16, lanes=8),
        engine((64, 32), planes=1, lanes=8),
        engine((64, 64), lanes=16, mac="digit"),
        engine((32, 16), bits=4, lanes=8, mac="digit"),
        engine((48, 24), bits=16, lanes=6, mac="digit"),
        engine((32, 8), (32, 32), lanes=8),
        engine((128, 64), planes=1, lanes=16, delta=False),
        engine((100, 40), bits=16, planes=1, lanes=10),
        engine((64, 40), lanes=32, rows=4),
        engine((32, 8), planes=1, lanes=2, family="ice40"),
        engine((32, 8), planes=1, lanes=2, family="gowin"),
    ]
    return {**{title(config): config for config in chosen}, **{name: config for name, (config, _) in OPTIONS.items()}}


def held_out() -> dict[str, EngineConfig]:
    """Engines that the estimate never saw, by title."""
    chosen = [
        engine((40, 10), lanes=5),
        engine((96, 32), bits=4, lanes=12),
        engine((24, 24), bits=16, lanes=3),
        engine((64, 16), lanes=8, mac="digit"),
        engine((80, 20), planes=1, lanes=20, delta=False),
        engine((32, 16), (32, 32), bits=16, planes=1, lanes=4),
        engine((12, 3), planes=1, lanes=3),
        engine((48, 48), lanes=24, rows=4),
        engine((50, 20), (30, 50), bits=4, lanes=10),
        engine((60, 30), planes=1, lanes=15, mac="digit", delta=False),
        engine((128, 128), lanes=32),
        engine((16, 6), lanes=1),
        engine((24, 8), bits=4, lanes=2),
        engine((36, 9), lanes=6, mac="digit"),
        engine((28, 14), bits=16, lanes=7),
        engine((40, 20), planes=1, lanes=10),
        engine((32, 32), planes=1, lanes=4, delta=False),
        engine((20, 5), bits=4, planes=1, lanes=5),
        engine((64, 8), bits=16, planes=1, lanes=2),
        engine((44, 22), lanes=4, mac="digit"),
        engine((56, 12), bits=4, planes=1, lanes=14),
        engine((32, 4), (16, 32), lanes=4),
        engine((24, 6), bits=16, planes=1, lanes=6, delta=False),
        engine((72, 36), bits=4, lanes=9, mac="digit"),
        engine((48, 10), lanes=12, rows=4),
        engine((160, 40), lanes=10),
        engine((20, 1), planes=1, lanes=4, family="ice40"),
        engine((20, 1), planes=1, lanes=2, delta=False, family="ice40"),
        engine((20, 1), bits=4, planes=1, lanes=2, family="gowin"),
        engine((40, 4), planes=1, lanes=1, delta=False, family="gowin"),
    ]
    return {title(config): config for config in chosen}


def title(config: EngineConfig) -> str:
    """An engine in a few words."""
    bits = ",".join(map(str, config.precisions))
    parts = [
        f"{config.family} H={config.units} I={config.inputs}",
        f"{config.lanes} {config.mac} lanes {{{bits}}}",
        *(["two planes"] if config.planes == 2 else []),
        *([f"{config.layers} layers"] if config.layers > 1 else []),
        *(["four rows per cycle"] if config.rows_per_cycle == 4 else []),
        *([] if config.delta else ["always dense"]),
    ]
    return ", ".join(parts)


def synthesised(config: EngineConfig) -> dict[str, Any]:
    """Cells of the core alone by type, and seconds that yosys took, by the clock and of a processor."""
    begun, before = time.monotonic(), processor_seconds()
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "top.il").write_text(to_rtlil(Top(config), "top"))
        reused = run_yosys(folder, "top.il", config.family, "top")
        cells = read_statistics(folder / "stat.json")
    used = {} if reused else {"processor_seconds": round(processor_seconds() - before, 1)}
    return {"cells": cells, "seconds": round(time.monotonic() - begun, 1), **used}


def record(names: Sequence[str] | None = None) -> dict[str, Any]:
    """Synthesise engines that were not yet, and keep the row of each as soon as it is there."""
    engines: Mapping[str, EngineConfig] = {**fitted(), **held_out()}
    with steps() as report:
        for name, config in engines.items():
            rows = load()
            if name in rows if names is None else name not in names:
                continue
            report(f"synthesising {name}")
            found = {**synthesised(config), "engine": json.loads(config.to_json()), MEASURED: stamp()}
            with whole_file(RECORD) as draft:
                draft.write_text(json.dumps(load() | {name: found}, indent=1, sort_keys=True) + "\n")
    return load()


def load() -> dict[str, Any]:
    """The recorded rows by title."""
    return read_json(RECORD, "restore it from the repository") if RECORD.exists() else {}


def compared(rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Estimated and counted cells of every recorded engine, and whether the estimate was fitted to it."""
    engines = {**fitted(), **held_out()}
    unseen = held_out().keys()
    found = []
    for name in (each for each in engines if each in rows):
        config, cells = engines[name], rows[name]["cells"]
        cost, counted = estimate(config, find_board(BOARDS[config.family])), count_cells(cells)
        pairs = {
            "luts": (cost.luts, logic_cells(cells)),
            "dsps": (cost.dsps, counted["dsps"]),
            "brams": (cost.brams, counted["brams"]),
        }
        found.append({"name": name, "family": config.family, "held_out": name in unseen, **pairs})
    return found


def errors(found: Sequence[Mapping[str, Any]], resource: str) -> tuple[float, float]:
    """Median relative error of an estimate, and R2, over engines that `compared` gave."""
    estimated, counted = np.array([one[resource] for one in found], dtype=float).T
    spread = ((counted - counted.mean()) ** 2).sum()
    r2 = 1 - ((estimated - counted) ** 2).sum() / spread if spread else float("nan")
    return float(np.median(np.abs(estimated - counted) / counted)), float(r2)


def page(rows: Mapping[str, Any]) -> str:
    """The block of the documents: engines that the estimate never saw, and how far it is off by group."""
    found = compared(rows)
    unseen = [one for one in found if one["held_out"]]
    columns = ["engine", *(f"{name}: {kind}" for name in RESOURCES for kind in ("estimated", "counted")), MEASURED]
    cells: dict[bool, list[list[object]]] = {True: [], False: []}
    for one in unseen:
        told = [one["name"], *(value for name in RESOURCES for value in one[name]), rows[one["name"]][MEASURED]]
        cells[one["family"] == "ecp5"].append(told)
    groups = []
    for title, held in (("fitted to", False), ("held out", True)):
        # The small families are estimated as nextpnr counts, with the link.
        chosen = [one for one in found if one["held_out"] is held and one["family"] == "ecp5"]
        for name in RESOURCES if chosen else ():
            median, r2 = errors(chosen, name)
            groups.append([title, len(chosen), name, f"{100 * median:.1f} %", f"{r2:.3f}"])
    return (
        f"Cells of cores by yosys, beside what `lstmith` estimates (`python -m lstmith.scripts.bench.estimates`): "
        f"{len(unseen)} of {len(held_out())} engines that nothing was fitted to were synthesised. Of ECP5:\n\n"
        f"{markdown(['engines', 'how many', 'of', 'median error', 'R2'], list(groups))}\n"
        f"Each of those that were held out:\n\n{markdown(columns, cells[True])}\n"
        "Those of other families, whose estimates hold a bitstream's link, which is not in the counted cells:\n\n"
        f"{markdown(columns, cells[False])}"
    )


def placed_figures() -> list[dict[str, Any]]:
    """ECP5 designs that ``bench clocks`` and ``bench presets`` placed, beside what the other designs tell of each.

    Returns
    -------
    list of dict
        ``name``, ``luts``, ``seeds``, and pairs of ``expected`` and ``found``, the median of the seeds, of ``mhz`` and
        ``minutes``, which presets do not tell.
    """
    builds = [
        (row, found["luts"], found["mhz"], found["minutes"])
        for row, seeds in load_clocks().items()
        for found in seeds.values()
        if "luts" in found and _on_ecp5(row)
    ]
    placed = {row for row, *_ in builds}
    for row, preset in PRESET_ROWS.items():
        found = load_rows().get(preset.name, {})
        if row not in placed and found.get("fmax_mhz") and find_board(preset.board or "").family == "ecp5":
            builds.append((row, found["luts"], found["fmax_mhz"], None))
    figures: dict[str, dict[str, Any]] = {
        row: {"name": row, "luts": luts, "seeds": sum(each[0] == row for each in builds)} for row, luts, *_ in builds
    }
    for name, place in (("mhz", 2), ("minutes", 3)):
        known = [each for each in builds if each[place] is not None]
        values = [float(each[place]) for each in known]
        told = left_out([each[1] for each in known], values)
        for row in {each[0]: None for each in known}:
            mine = [index for index, each in enumerate(known) if each[0] == row]
            figures[row][name] = (float(told[mine[0]]), float(np.median([values[index] for index in mine])))
    return list(figures.values())


def _on_ecp5(row: str) -> bool:
    """Whether a row of ``bench clocks`` is of a device of that family."""
    if row in PRESET_ROWS:
        return find_board(PRESET_ROWS[row].board or "").family == "ecp5"
    return row not in SMALL_ROWS


def placed_text(figures: Sequence[Mapping[str, Any]]) -> str:
    """What placement was expected to give, beside what it gave."""
    columns = ["design with its link", "LUTs", "seeds", "MHz: expected", "reached", "minutes: expected", "taken"]
    cells, median = [], {}
    for name in ("mhz", "minutes"):
        off = [abs(one[name][0] / one[name][1] - 1) for one in figures if name in one]
        median[name] = f"{100 * float(np.median(off)):.1f} % of {len(off)} designs"
    for one in figures:
        told = [f"{value:.1f}" for name in ("mhz", "minutes") for value in one.get(name, ())]
        cells.append([one["name"], one["luts"], one["seeds"], *told, *[""] * (4 - len(told))])
    return (
        "\nClock and processor minutes of a build are powers of its lookup tables ([`explore/builds.py`]"
        "(../../explore/builds.py)). Of each design on ECP5 that `lstmith bench clocks` and `lstmith bench presets` "
        "placed, the medians of its seeds beside what the other designs tell; an estimate is off by a median of "
        f"{median['mhz']} for the clock, {median['minutes']} for the time:\n\n{markdown(columns, cells)}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Synthesise what is missing, and write how far the estimates are off."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--recorded", action="store_true", help="write what is recorded, without more syntheses")
    rows = load() if parser.parse_args(arguments).recorded else record()
    replace_block(DOCUMENT, BLOCK, page(rows) + placed_text(placed_figures()))


if __name__ == "__main__":
    main()
