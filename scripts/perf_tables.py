"""Tables of the speed bench, figures that others published, and the check against the last recorded run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from lstmith.compiler.files import whole_file
from lstmith.golden.errors import UserError

from .blocks import Table, markdown

#: Runs so far, oldest first; part of the repository, so that growth shows.
HISTORY = Path("docs/perf.json")
#: How much a lane may grow.
AREA_MARGIN = 1.05
#: Rounding of figures that a run leaves in JSON.
EXACT = 1e-6
#: Cycles per step of elastic-ai.creator where it was measured on the same shape, in GHDL: fixed point as
#: generated (PyPI 0.67.0) and the pipelined integer core of its repository (0960c90).
PEER_CYCLES = {
    "H=20 I=1, 4 MACs": "891 fixed point, 781.5 integer",
    "H=128 I=128, 4 MACs": "35,619.5 integer",
    "H=128 I=128, 16 MACs": "10,296.5 integer",
}
#: What papers say of themselves: (work, device, figure, source).
QUOTED = (
    (
        "EdgeDRNN",
        "MiniZed, GRU of 5 M parameters",
        "0.5 ms, 20.2 GOp/s effective, 2.42 W",
        "arXiv 1912.12193, 2012.13600",
    ),
    ("Spartus", "Zynq-7100, LSTM 1024", "1 us per step, 9.4 TOp/s effective", "arXiv 2108.02297"),
    ("ESE", "XCKU060, 200 MHz", "282 GOp/s sparse, 41 W", "arXiv 1612.00694"),
    ("hls4ml", "LSTM 20, top tagging", "2,080 multiplications per step; latency not found", "arXiv 2207.00559"),
    ("elastic-ai.creator", "Spartan-7 S15", "32,873 samples/s", "arXiv 2604.19293"),
)


def cycle_table(result: dict[str, Any]) -> Table:
    """Dense networks."""
    columns = ["dense W8A8", "cycles per step", "ideal", "utilisation", "elastic-ai.creator, quoted"]
    rows: list[list[object]] = [
        [
            title,
            f"{found['cycles_per_step']:,.0f}",
            f"{found['ideal']:,}",
            f"{found['utilisation']:.2%}",
            PEER_CYCLES.get(title, ""),
        ]
        for title, found in result["cycles"].items()
    ]
    return columns, rows


def silero_table(result: dict[str, Any]) -> Table:
    """Silero VAD on 64 lanes."""
    found = result["silero"]
    rows: list[list[object]] = []
    for title, mode in found["modes"].items():
        rows.append([f"{title}: cycles per step", f"{mode['cycles_per_step']:.1f}"])
        rows.append([f"{title}: utilisation", f"{mode['utilisation']:.2%}"])
    rows += [
        ["compile and generate, seconds", f"{found['compile_and_generate_seconds']:.1f}"],
        ["simulated cycles per second", f"{found['simulated_cycles_per_second']:,.0f}"],
    ]
    return ["Silero VAD, 64 lanes", "figure"], rows


def lane_table(result: dict[str, Any]) -> Table:
    """Area of a lane."""
    columns = ["ECP5 lane", "logic", "LUT4", "CCU2C", "LUT RAM", "flip-flops", "multipliers"]
    rows: list[list[object]] = [
        [title, *(f"{value:g}" for value in found.values())] for title, found in result["lanes"].items()
    ]
    return columns, rows


def clock_table(result: dict[str, Any]) -> Table:
    """Clock by seed."""
    columns = ["engine", "median MHz", "by seed"]
    rows: list[list[object]] = [
        [title, f"{found['median_mhz']:.1f}", ", ".join(f"{mhz:.1f}" for mhz in found["mhz"].values())]
        for title, found in result.get("clock", {}).items()
    ]
    return columns, rows


def float_table(result: dict[str, Any]) -> Table:
    """onnxruntime on this machine."""
    rows: list[list[object]] = [
        [f"{workload}, {network}" if len(networks) > 1 else workload, f"{microseconds:.1f}"]
        for workload, networks in result["onnxruntime_us"].items()
        for network, microseconds in networks.items()
    ]
    return ["onnxruntime, one thread", "us per step"], rows


def quoted_table() -> Table:
    """What others published."""
    return ["quoted, not measured here", "on", "figure", "source"], [list(row) for row in QUOTED]


def perf_tables(result: dict[str, Any]) -> dict[str, Table]:
    """Everything for the terminal."""
    tables = {"cycles": cycle_table(result), "Silero VAD": silero_table(result), "area": lane_table(result)}
    if "clock" in result:
        tables["clock"] = clock_table(result)
    return tables | {"onnxruntime": float_table(result), "others": quoted_table()}


def perf_text(result: dict[str, Any]) -> str:
    """The block of the results page."""
    ghdl = (
        f"GHDL is at {result['ghdl']}; this bench does not drive it yet" if result["ghdl"] else "GHDL is not installed"
    )
    parts = [
        "Speed and size (`lstmith bench perf`). Dense networks on the generic target, random weights, cycles of the "
        "model that the RTL equals, inputs waiting. elastic-ai.creator was not run again here "
        f"({ghdl}); its cycles are quoted from an earlier measurement in GHDL 5.0.1:",
        markdown(*cycle_table(result)),
        markdown(*silero_table(result)),
        "Area: an array of eight lanes less one of four, per lane (yosys); logic is LUT4 + 2 CCU2C + 4 per LUT-RAM "
        "cell:",
        markdown(*lane_table(result)),
    ]
    if "clock" in result:
        parts += ["Engines with all options on ULX3S 85F, every port used, nextpnr:", markdown(*clock_table(result))]
    parts += [
        "The networks' LSTM layers in onnxruntime on the machine of this run, one thread, one step at a time:",
        markdown(*float_table(result)),
        markdown(*quoted_table()),
    ]
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def exact_figures(result: dict[str, Any]) -> dict[str, float]:
    """What must not change unnoticed: cycles."""
    dense = {title: found["cycles_per_step"] for title, found in result["cycles"].items()}
    return dense | {f"Silero, {title}": found["cycles_per_step"] for title, found in result["silero"]["modes"].items()}


def history() -> list[dict[str, Any]]:
    """Recorded runs.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    if not HISTORY.exists():
        return []
    try:
        runs: list[dict[str, Any]] = json.loads(HISTORY.read_text())
    except ValueError as error:
        raise UserError(str(HISTORY), f"is not JSON ({error})", "restore it from the repository") from None
    return runs


def record(result: dict[str, Any]) -> None:
    """Append a run."""
    entry = {
        "date": date.today().isoformat(),
        "cycles": exact_figures(result),
        "logic": {title: found["logic"] for title, found in result["lanes"].items()},
        "clock_mhz": {title: found["median_mhz"] for title, found in result.get("clock", {}).items()},
    }
    with whole_file(HISTORY) as draft:
        draft.write_text(json.dumps([*history(), entry], indent=1) + "\n")


def regressions(result: dict[str, Any], last: dict[str, Any]) -> Iterator[str]:
    """What is worse than in a recorded run, one line each."""
    for title, cycles in exact_figures(result).items():
        before = last["cycles"].get(title, cycles)
        if abs(cycles - before) > EXACT:
            yield f"{title}: {cycles:.1f} cycles per step, recorded are {before:.1f}"
    for title, found in result["lanes"].items():
        before = last["logic"].get(title, found["logic"])
        if found["logic"] > before * AREA_MARGIN:
            yield f"lane {title}: {found['logic']:g} cells of logic, recorded are {before:g}"
