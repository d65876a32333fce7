"""Clocks by seed of placement: Silero VAD's bitstream by lanes, the presets on their boards, and the engine alone."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.boards.clock import with_clock
from lstmith.cli.console import steps
from lstmith.compiler.files import read_json, whole_file
from lstmith.flow.attempt import Progress
from lstmith.flow.seeds import reached_clocks
from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.boards import UNITS, small_design
from lstmith.scripts.bench.choices import check_known
from lstmith.scripts.bench.perf.clock import ENGINES, WANTED_MHZ
from lstmith.scripts.bench.placement import SEEDS, place, ring_source
from lstmith.scripts.bench.presets import preset_design
from lstmith.scripts.bench.silero import silero_design
from lstmith.scripts.bench.stamps import MEASURED, stamp
from lstmith.spec.errors import UserError
from lstmith.spec.presets import PRESETS

#: Figures by row and seed, each with the commit and the day it was measured: part of the repository.
RECORD = Path("scripts/bench/recorded/clocks.json")
#: MHz that Silero's bitstream is built for, by lanes: with its board's own clock nextpnr would stop much earlier.
ASKED_MHZ = {16: 105.0, 32: 105.0, 64: 100.0}
#: Lanes of Silero's bitstream by row.
LINKED = {f"{lanes} lanes with the link": lanes for lanes in ASKED_MHZ}
#: Presets with the link on their boards, by row.
PRESET_ROWS = {f"preset {each.name}, {find_board(each.board).title}": each for each in PRESETS if each.board}
#: The small network with the link on a small board, by row: any such network, and this one alone.
SMALL_BOARD = find_board("icebreaker")
SMALL_ROWS = {
    f"{UNITS} units, {SMALL_BOARD.title}": False,
    f"{UNITS} units, fixed, {SMALL_BOARD.title}": True,
}
#: The engine alone, with all options.
ALONE = next(iter(ENGINES))
ROWS = (*LINKED, *PRESET_ROWS, *SMALL_ROWS, f"{ALONE}, alone")
#: Width of the histogram's bars in MHz.
BIN_MHZ = 5
#: Of the median: what may be counted on, since tools and designs differ.
MARGIN = 0.9


def run_clocks(rows: Sequence[str], seeds: Sequence[int], cache: Path) -> dict[str, Any]:
    """Measure some rows, and keep each figure as soon as it is there.

    Parameters
    ----------
    rows : sequence of str
        Some of ``ROWS``.
    seeds : sequence of int
    cache : Path
        See :func:`lstmith.scripts.bench.placement.place`.

    Returns
    -------
    dict
        By row and seed: ``mhz``, ``minutes`` of a processor or None, and where a path was told, how much of it is
        wires. Rows and seeds that were never measured are missing.

    Raises
    ------
    UserError
        If there is no such row or seed, or the recorded figures are damaged.
    ToolError
        If a tool fails.
    """
    check_known("--only", rows, ROWS, "; ")
    check_known("--seeds", seeds, SEEDS)
    with steps() as report:
        for row in rows:
            for seed, found in _measured(row, seeds, cache, report):
                # Another row may have been measured meanwhile.
                recorded = load_clocks()
                before = recorded.setdefault(row, {}).get(str(seed), {})
                if found["minutes"] is None and before.get("mhz") == found["mhz"]:
                    found["minutes"] = before["minutes"]
                recorded[row][str(seed)] = {**found, MEASURED: stamp()}
                with whole_file(RECORD) as draft:
                    draft.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    return load_clocks()


def load_clocks() -> dict[str, Any]:
    """The recorded figures by row and seed.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    return read_json(RECORD, "restore it from the repository") if RECORD.exists() else {}


def _measured(row: str, seeds: Sequence[int], cache: Path, report: Progress) -> Iterator[tuple[int, dict[str, Any]]]:
    asked = ASKED_MHZ.get(LINKED.get(row, 0))
    if row in LINKED:
        with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
            design = silero_design(Path(folder), lanes=LINKED[row])
    elif row in PRESET_ROWS:
        design = preset_design(PRESET_ROWS[row])
    elif row in SMALL_ROWS:
        with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
            design = small_design(Path(folder), SMALL_BOARD.name, fixed=SMALL_ROWS[row])
    else:
        source = ring_source(ENGINES[ALONE][0])
        for seed in seeds:
            found = place(ALONE, source, find_board(DEFAULT), WANTED_MHZ, cache, report, [seed])
            yield seed, {name: found[name][str(seed)] for name in ("mhz", "minutes")}
        return
    board = find_board(design.target)
    for seed, figures in reached_clocks(design, with_clock(board, asked) if asked else board, seeds, report):
        path = figures["critical_path"]
        wires = sum(step["delay"] for step in path if step["type"] == "routing")
        kept = {name: figures[name] for name in ("minutes", "luts", "ffs", "target_mhz")}
        ends = {"from": path[0]["cell"], "to": path[-1]["cell"]} if path else {}
        yield seed, {"mhz": figures["fmax_mhz"], **kept, **ends, "wires_ns": round(wires, 1)}


def median_clock(row: str) -> float:
    """MHz that may be counted on of a row: the median of its seeds less 10 %.

    Raises
    ------
    UserError
        If the row was never measured.
    """
    found = load_clocks().get(row)
    if not found:
        raise UserError(str(RECORD), f"has no row {row!r}", f"run lstmith bench clocks --only {row!r}")
    return MARGIN * statistics.median(each["mhz"] for each in found.values())


def clock_rows(recorded: dict[str, Any]) -> Table:
    """Rows with what each seed reached."""
    columns = [
        "engine",
        "built for MHz",
        *(f"seed {seed}" for seed in SEEDS),
        "median",
        "least",
        "most",
        "median less 10 %",
    ]
    return [*columns, "LUT", "processor minutes", MEASURED], [
        _cells(row, recorded[row]) for row in ROWS if row in recorded
    ]


def _cells(row: str, by_seed: dict[str, Any]) -> list[object]:
    clocks = [found["mhz"] for found in by_seed.values()]
    median = statistics.median(clocks)
    minutes = [found["minutes"] for found in by_seed.values() if found["minutes"] is not None]
    found = [by_seed.get(str(seed)) for seed in SEEDS]
    luts = [each["luts"] for each in by_seed.values() if "luts" in each]
    return [
        row,
        ", ".join(sorted({f"{each['target_mhz']:g}" for each in by_seed.values() if "target_mhz" in each})),
        *("" if each is None else f"{each['mhz']:.1f}" for each in found),
        *(f"{value:.1f}" for value in (median, min(clocks), max(clocks), MARGIN * median)),
        max(luts) if luts else "",
        f"{statistics.median(minutes):.1f}" if minutes else "",
        max(each[MEASURED] for each in by_seed.values()),
    ]


def histogram_rows(recorded: dict[str, Any]) -> Table:
    """How many seeds of each row reached which clock, one mark for each; without clocks that none reached."""
    rows = [row for row in ROWS if row in recorded]
    bins = {row: [_bin(found["mhz"]) for found in recorded[row].values()] for row in rows}
    every = [each for found in bins.values() for each in found]
    lines: list[list[object]] = [
        [f"{low} to {low + BIN_MHZ}", *("#" * bins[row].count(low) for row in rows)] for low in sorted(set(every))
    ]
    return ["MHz", *rows], lines


def _bin(mhz: float) -> int:
    return int(mhz // BIN_MHZ) * BIN_MHZ


def clocks_text(recorded: dict[str, Any]) -> str:
    """The block of the document."""
    missing = {row: [seed for seed in SEEDS if str(seed) not in recorded.get(row, {})] for row in ROWS}
    left = "; ".join(f"{row}, seed {', '.join(map(str, seeds))}" for row, seeds in missing.items() if seeds)
    if not recorded:
        return f"Not measured yet (`lstmith bench clocks`): {left}.\n"
    left = f"\nNot measured yet: {left}.\n" if left else ""
    board = find_board(DEFAULT)
    return (
        f"Silero VAD's W8A8 core with its link on the {board.title}, presets and a layer of {UNITS} units with "
        "their link on their boards, and the "
        f"engine with all options alone, behind three pins and asked for {WANTED_MHZ} MHz: what nextpnr reached by "
        "seed of placement (`lstmith bench clocks`). Processor minutes are the median of the seeds, with the synthesis "
        "before the first.\n\n"
        f"{markdown(*clock_rows(recorded))}{left}\nOne mark for each seed:\n\n{markdown(*histogram_rows(recorded))}"
    )
