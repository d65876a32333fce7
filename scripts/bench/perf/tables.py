"""Tables of the speed bench, and figures that others published."""

from __future__ import annotations

from typing import Any

from lstmith.golden.breakdown import TITLES, CycleClass
from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.perf.board import board_table
from lstmith.scripts.bench.perf.history import IN_TURN
from lstmith.scripts.bench.stamps import MEASURED, told

#: Cycles per step of elastic-ai.creator's pipelined integer core, of its repository at 0960c90, where it was measured
#: on the same shape in GHDL 5.0.1; its package on PyPI does not hold that core.
PEER_CYCLES = {
    "H=20 I=1, 4 MACs": "781.5",
    "H=128 I=128, 4 MACs": "35,619.5",
    "H=128 I=128, 16 MACs": "10,296.5",
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
    ("elastic-ai.creator", "Spartan-7 S15", "17,534 inferences/s, 3.8 uJ each", "arXiv 2310.16842"),
    ("elastic-ai.creator", "Spartan-7 S15", "32,873 samples/s", "arXiv 2604.19293"),
)


def cycle_table(result: dict[str, Any]) -> Table:
    """Dense networks."""
    columns = [
        "dense W8A8",
        "cycles per step",
        "ideal",
        "utilisation",
        "busy",
        "two sequences in turn",
        "utilisation",
        "elastic-ai.creator's integer core, quoted",
    ]
    rows: list[list[object]] = [
        [
            title,
            f"{found['cycles_per_step']:,.0f}",
            f"{found['ideal']:,}",
            f"{found['utilisation']:.2%}",
            f"{found['spent'].get(TITLES[CycleClass.BUSY], 0) / found['cycles_per_step']:.2%}",
            f"{found[f'cycles_per_step{IN_TURN}']:,.1f}",
            f"{found[f'utilisation{IN_TURN}']:.2%}",
            PEER_CYCLES.get(title, ""),
        ]
        for title, found in result["cycles"].items()
    ]
    return columns, rows


def peer_table(result: dict[str, Any]) -> Table:
    """The same small LSTM by others and by us."""
    columns = [
        "H=20 I=1, 8 bit, 4 MACs, ECP5-25",
        "cycles per step",
        "of ideal",
        "LUT4",
        "CCU2C",
        "LUT RAM",
        "flip-flops",
        "multipliers",
        "block RAM",
        "MHz, median",
        "us per step",
    ]
    cells = ("luts", "carries", "lut_rams", "ffs", "dsps", "brams")
    rows: list[list[object]] = [
        [
            title,
            row["cycles_per_step"],
            f"{row['ideal'] / row['cycles_per_step']:.1%}",
            *(row[name] for name in cells),
            f"{row['median_mhz']:.1f}",
            f"{row['us_per_step']:.2f}",
        ]
        for title, row in result["peers"]["rows"].items()
    ]
    return columns, rows


def option_table(result: dict[str, Any]) -> Table:
    """What options cost."""
    columns = ["H=20 I=1 on ECP5", "adds logic", "to", "logic", "LUT4", "CCU2C", "LUT RAM", "flip-flops"]
    columns += ["multipliers", "block RAM", "cycles per step"]
    names = ("logic", "luts", "carries", "lut_rams", "ffs", "dsps", "brams", "cycles_per_step")
    rows: list[list[object]] = [
        [title, row.get("added", ""), row.get("to", ""), *(row[name] for name in names)]
        for title, row in result["options"]["ecp5"].items()
    ]
    return columns, rows


def small_option_table(result: dict[str, Any]) -> Table:
    """The least on iCE40."""
    names = ("luts", "carries", "ffs", "dsps", "brams")
    rows: list[list[object]] = [
        [title, *(row[name] for name in names)] for title, row in result["options"]["ice40"].items()
    ]
    return ["the same on iCE40, one row per cycle", "SB_LUT4", "SB_CARRY", "flip-flops", "SB_MAC16", "EBR"], rows


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


def spent_table(result: dict[str, Any]) -> Table:
    """Where cycles go: a column for each class that occurs, a row for each run that does not only work."""
    runs = {
        f"{title}{turns}": found[f"spent{suffix}"]
        for title, found in result.get("cycles", {}).items()
        for turns, suffix in (("", ""), (", two sequences", IN_TURN))
    }
    modes = result.get("silero", {}).get("modes", {})
    runs |= {f"Silero VAD, {title}": mode["spent"] for title, mode in modes.items()}
    runs |= {
        f"Silero VAD, {row}, {title}, each step alone": cycles["spent"]
        for row, engine in result.get("board", {}).get("engines", {}).items()
        for title, cycles in engine["cycles"].items()
    }
    runs = {title: spent for title, spent in runs.items() if set(spent) != {TITLES[CycleClass.BUSY]}}
    kinds = [title for title in TITLES.values() if any(title in spent for spent in runs.values())]
    rows: list[list[object]] = [
        [title, *(f"{spent.get(kind, 0):,.2f}" for kind in kinds)] for title, spent in runs.items()
    ]
    return ["cycles per step", *kinds], rows


def lane_table(result: dict[str, Any]) -> Table:
    """Area of a lane."""
    columns = ["ECP5 lane", "logic", "LUT4", "CCU2C", "LUT RAM", "flip-flops", "multipliers"]
    rows: list[list[object]] = [
        [title, *(f"{value:.0f}" for value in found.values())] for title, found in result["lanes"].items()
    ]
    return columns, rows


def memory_table(result: dict[str, Any]) -> Table:
    """Weight memory."""
    columns = ["W8, lanes as the compiler chooses", "lanes", "bits of weights", "bits of words", "waste", "of memory"]
    rows: list[list[object]] = [
        [
            title,
            found["lanes"],
            f"{found['weight_bits']:,}",
            f"{found['word_bits']:,}",
            f"{found['waste']:.1%}",
            f"{found['used']:.1%}",
        ]
        for title, found in result["memory"].items()
    ]
    return columns, rows


def symbol_table(result: dict[str, Any]) -> Table:
    """Embeddings on the host, and as columns of the first layer."""
    columns = [
        "W8A8",
        "symbols",
        "I",
        "lanes",
        "steps",
        "columns of x",
        "before",
        "cycles",
        "before",
        "words",
        "before",
    ]
    rows: list[list[object]] = [
        [
            title,
            found["symbols"],
            found["inputs"],
            found["lanes"],
            mode,
            f"{found['after'][mode]['x_columns_per_step']:.2f}",
            f"{found['before'][mode]['x_columns_per_step']:.2f}",
            f"{found['after'][mode]['cycles_per_step']:,.1f}",
            f"{found['before'][mode]['cycles_per_step']:,.1f}",
            f"{found['after']['words_per_lane']:,}",
            f"{found['before']['words_per_lane']:,}",
        ]
        for title, found in result["symbols"].items()
        for mode in ("dense", "auto")
    ]
    return columns, rows


def clock_table(result: dict[str, Any]) -> Table:
    """Clock by seed."""
    columns = ["engine", "median MHz", "by seed"]
    rows: list[list[object]] = [
        [title, f"{found['median_mhz']:.1f}", ", ".join(f"{mhz:.1f}" for mhz in found["mhz"].values())]
        for title, found in result["clock"].items()
    ]
    return columns, rows


def float_table(result: dict[str, Any]) -> Table:
    """onnxruntime on this machine."""
    rows: list[list[object]] = [
        [f"{workload}, {network}" if len(networks) > 1 else workload, f"{microseconds:.1f}"]
        for workload, networks in result["onnxruntime_us"].items()
        for network, microseconds in networks.items()
    ]
    return ["us per step", "onnxruntime, one thread"], rows


def scaling_table(result: dict[str, Any]) -> Table:
    """Cycles per step by units and lanes, with utilisation."""
    grid = result["scaling"]["grid"]
    lanes = sorted({point["lanes"] for point in grid})
    found = {(point["units"], point["lanes"]): point for point in grid}
    rows: list[list[object]] = [
        [units, *(_grid_cell(found.get((units, count))) for count in lanes)]
        for units in sorted({point["units"] for point in grid})
    ]
    return ["H = I", *(f"{count} lane{'s' if count > 1 else ''}" for count in lanes)], rows


def _grid_cell(point: dict[str, Any] | None) -> str:
    if point is None:
        return ""
    return f"{point['cycles_per_step']:,} ({point['utilisation']:.1%}){'' if point['fits'] else ' *'}"


def point_table(result: dict[str, Any]) -> Table:
    """The estimate beside synthesis, and the clock."""
    columns = ["H = I", "lanes", "logic", "estimate", "multipliers", "estimate", "block RAM", "estimate"]
    rows: list[list[object]] = [
        [
            point["units"],
            point["lanes"],
            *(point[f"{name}{which}"] for name in ("logic", "dsps", "brams") for which in ("", "_estimated")),
        ]
        for point in result["scaling"]["points"]
    ]
    return columns, rows


def quoted_table() -> Table:
    """What others published."""
    return ["quoted, not measured here", "on", "figure", "source"], [list(row) for row in QUOTED]


#: Parts with their tables: the heading on the terminal, and the text above the table in the results page.
_SECTIONS: tuple[tuple[str, str, Any, str], ...] = (
    (
        "peers",
        "Beside a peer",
        peer_table,
        "The same small LSTM by elastic-ai.creator's generator and by ours: cycles of its VHDL in GHDL and of our "
        "cycle model, which the RTL equals; cells by the same yosys, clock by the same nextpnr, median of three "
        "seeds. Its weights and biases are constants and its activations straight lines; ours can be rewritten, but in "
        "*fixed* engines, and have tables. How it is measured: [decision "
        "19](../decisions/0019-how-peers-are-measured.md).",
    ),
    (
        "options",
        "What options cost",
        option_table,
        "What options cost: the least engine for that LSTM, and each option added to it or to what it needs (yosys); "
        "logic is LUT4 + 2 CCU2C + 4 per LUT-RAM cell ([decision 22](../decisions/0022-small-engines.md)):",
    ),
    ("options", "The least engine on iCE40", small_option_table, ""),
    (
        "cycles",
        "Cycles of dense steps",
        cycle_table,
        "Dense networks on the generic target, random weights, cycles of the model that the RTL equals, inputs "
        "waiting. *utilisation* is the ideal, every multiplier at work, over the cycles; in *busy* ones the array has "
        "weights to add, of a GRU a quarter of them zero and of a plain layer half ([decision "
        "40](../decisions/0040-kinds-of-layers.md)). The right column is quoted from an earlier measurement of "
        "elastic-ai.creator's repository at 0960c90 in GHDL:",
    ),
    ("silero", "Silero VAD", silero_table, ""),
    (
        "silero",
        "Where cycles go",
        spent_table,
        "Where these cycles go, per step; Silero VAD's include its first and last step. "
        f"*{TITLES[CycleClass.BUSY]}* is work, every other column is a reason why the array had none "
        "(`golden/breakdown.py`). Runs that spend every "
        "cycle on work are left out:",
    ),
    (
        "lanes",
        "Area of a lane",
        lane_table,
        "Area: an array of twelve lanes less one of six, per lane (yosys); logic is LUT4 + 2 CCU2C + 4 per LUT-RAM "
        "cell:",
    ),
    (
        "memory",
        "Weight memory",
        memory_table,
        "Weight memory of the workloads, networks of one shape once; words are 16 bits, and wasted where the last fold "
        "has more lanes than units:",
    ),
    (
        "symbols",
        "Symbols",
        symbol_table,
        "Workloads that embed symbols, with a column of the first layer for each of them in place of the embedding's "
        "I inputs: columns of x and cycles per step on held-out data, and weight words per lane; *before* is with the "
        "embedding on the host ([decision 52](../decisions/0052-symbols.md)):",
    ),
    ("clock", "Clock", clock_table, "Engines alone on ULX3S 85F, every port used, nextpnr:"),
    (
        "board",
        "A step on the board",
        board_table,
        "Silero VAD's LSTM on the ULX3S 85F with its link, on held-out speech: a step among others, and one *alone*, "
        "from a complete input in the link to its last result, in an idle engine, which has all but the last values by "
        "then. Time is by the board's default clock "
        "and by what may be counted on of that engine ([clocks.md](clocks.md)); the last column compares a step alone "
        "with the same layer's in onnxruntime, one thread, in the same run:",
    ),
    (
        "onnxruntime_us",
        "Time in onnxruntime",
        float_table,
        "The networks' LSTM layers in onnxruntime on the machine of this run: one thread, one step at a time, the "
        "fastest of several blocks of steps. [presets.md](presets.md) has the engine's times:",
    ),
    (
        "scaling",
        "Scaling",
        scaling_table,
        "Cycles of a dense W8A8 step (and how many of the multipliers work), by units and lanes; * does not fit ULX3S "
        "85F by the estimate:\n\n![Cycles per step over units, and logic over lanes](../scaling.png)",
    ),
    (
        "scaling",
        "The estimate beside yosys",
        point_table,
        "The compiler's estimate beside yosys, which puts small memories into lookup tables:",
    ),
)


def perf_tables(result: dict[str, Any]) -> dict[str, Table]:
    """Everything that was measured, for the terminal."""
    tables = {heading: make(result) for part, heading, make, _ in _SECTIONS if part in result}
    return {**tables, "What others published": quoted_table()}


def perf_text(result: dict[str, Any]) -> str:
    """The block of the results page."""
    parts = [f"Speed and size (`lstmith bench perf`). {told(result.get(MEASURED, {}))}"]
    if lacking := result.get("peers", {}).get("missing"):
        parts.append(f"In the last run a peer could not be measured ({lacking}).")
    for part, heading, make, text in _SECTIONS:
        if part in result:
            parts += [f"## {heading}", *([text] if text else []), markdown(*make(result))]
    parts += ["## What others published", markdown(*quoted_table())]
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)
