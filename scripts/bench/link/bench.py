"""``lstmith bench link``: Silero VAD through the virtual board, and what its link carries, survives and tolerates."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.boards.catalogue import BOARDS, DEFAULT, find_board
from lstmith.boards.top import SIMULATED, simulation_verilog
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.program_image import build_memory_image
from lstmith.datasets.speech import demo_audio
from lstmith.flow.identity import build_identity
from lstmith.host.accelerator import Accelerator
from lstmith.host.board_sim import CLOCKS_PER_BIT, VirtualBoard
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.choices import check_known
from lstmith.scripts.bench.link.faults import run_moments
from lstmith.scripts.bench.silero import silero_design
from lstmith.scripts.bench.stamps import MEASURED, stamp, told
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy import Mode, Policy
from lstmith.test_support.link_fuzz import baud_tolerated, build_probe, fuzz
from lstmith.test_support.serial_bench import SerialBench
from lstmith.test_support.timed_line import TimedLine
from lstmith.vad.silero import features

#: As many as the bitstream of `make demo`.
LANES = 32
FRAMES = 300  #: 9.6 s of speech
POLICIES = {"dense": Policy(Mode.DENSE), "auto, thresholds": Policy(Mode.AUTO, 0, 1, 8, 8)}
#: Where time is measured: the board's clock, bauds, of how many steps one's h is asked for, and milliseconds that a
#: host's reaction may take.
CLOCK_HZ, BAUDS, EVERY, ROUND_TRIPS = 48_000_000, (3_000_000, 12_000_000), (1, 8), (0.0, 1.0, 2.0)
#: Steps that only fill the pipeline, further ones that are timed, multiples of ``EVERY``, and steps alone.
FILLING, STREAMED, ALONE = 24, 96, 5
#: Sessions with a fault, and frames of noise.
MOMENTS, FUZZED = 500, 100_000
#: Waits of the driver in simulated time, of which nothing is known beforehand.
_PATIENCE = 100.0

Report = Callable[..., None]
Counter = Callable[[int], None]


def run_link(report: Report, parts: list[str], effort: float = 1.0) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    report : callable
        Takes a stage's name and how much of it is done, 0 to 1.
    parts : list of str
        Of ``PARTS``.
    effort : float
        Factor on frames, sessions and noise.

    Returns
    -------
    dict of str to Any
        Figures of every part, and when they were measured.

    Raises
    ------
    UserError
        If there is no such part.
    """
    check_known("--part", parts, PARTS)
    figures = {name: PARTS[name](report, effort) for name in PARTS if name in parts}
    return {**figures, MEASURED: dict.fromkeys(figures, stamp())}


def _scaled(count: int, effort: float) -> int:
    return max(10, round(count * effort))


def _counted(report: Report, stage: str, total: int) -> Counter:
    """Progress within a stage."""
    report(stage, 0.0)
    return lambda done: report(stage, done / total)


def _silero(report: Report, folder: Path) -> tuple[Design, npt.NDArray[np.float32]]:
    report("compiling Silero VAD")
    design = silero_design(folder, lanes=LANES)
    assert design.graph is not None
    return design, features(demo_audio().samples, HostGraph(design.graph))


def _exactness(report: Report, effort: float) -> dict[str, Any]:
    """Silero through pins, pseudo-terminal and driver."""
    with tempfile.TemporaryDirectory(prefix="lstmith-") as name:
        design, x = _silero(report, Path(name))
    x = x[: _scaled(FRAMES, effort)]
    given = Sequences(x[None], np.array([len(x)]), True, None, "speech")
    report("building the virtual board")
    modes = {}
    with VirtualBoard(design, find_board(DEFAULT)) as board, Accelerator(board.port) as accelerator:
        accelerator.load(design)
        for mode, policy in POLICIES.items():
            report(f"{mode} through the virtual board")
            request = make_request(design, given, [policy])
            run = accelerator.run(request)
            golden = run_golden(request, run.idle)
            modes[mode] = {
                "cycles_per_step": float(run.cycles.mean()),
                "mismatches": mismatches(run, golden),
                "cycle_mismatches": int(np.count_nonzero(run.cycles != golden.cycles)),
                "seconds": run.seconds,
            }
    return {"frames": len(x), "lanes": design.engine.lanes, "clocks_per_bit": CLOCKS_PER_BIT, "modes": modes}


def _throughput(report: Report, effort: float) -> dict[str, Any]:
    """In the board's own time, which passes only while the driver waits."""
    with tempfile.TemporaryDirectory(prefix="lstmith-") as name:
        design, x = _silero(report, Path(name))
        image = build_memory_image(design.network, design.engine, [Policy(Mode.DELTA)])
        identity = build_identity(find_board(DEFAULT), replace(design.engine, family="generic"))
        rows = []
        for baud in BAUDS:
            identity = replace(identity, clock_hz=CLOCK_HZ, baud=baud)
            verilog = simulation_verilog(identity, image, image_tag(image, design.engine))
            report(f"building the board for {baud / 1e6:g} Mbaud")
            with SerialBench(verilog, SIMULATED, Path(name) / f"board_{baud}", CLOCK_HZ // baud) as bench:
                for every, delay in product(EVERY, ROUND_TRIPS):
                    report(f"streaming at {baud / 1e6:g} Mbaud, h of one step in {every}, {delay:g} ms to react")
                    figures = _timed(TimedLine(bench, CLOCK_HZ, delay / 1e3), design, x, every)
                    rows.append({"baud": baud, "every": every, "ms": delay, **figures})
    return {"lanes": design.engine.lanes, "rows": rows}


def _timed(line: TimedLine, design: Design, x: npt.NDArray[np.float32], every: int) -> dict[str, float]:
    """Steps per second among others, and milliseconds of a step alone."""
    accelerator = Accelerator(line, patience=_PATIENCE)
    accelerator.load(design, check=False)

    def seconds(work: Callable[[], object]) -> float:
        before = line.cycles
        work()
        return (line.cycles - before) / CLOCK_HZ

    few = seconds(lambda: accelerator.infer(x[:FILLING], every=every))
    many = seconds(lambda: accelerator.infer(x[: FILLING + STREAMED], every=every))
    one = seconds(lambda: list(accelerator.infer(iter(x[:1]))))
    more = seconds(lambda: list(accelerator.infer(iter(x[: 1 + ALONE]))))
    return {"steps_per_second": STREAMED / (many - few), "alone_ms": 1e3 * (more - one) / ALONE}


def _faults(report: Report, effort: float) -> dict[str, Any]:
    count = _scaled(MOMENTS, effort)
    report("building the virtual board")
    return {fault: asdict(tally) for fault, tally in run_moments(count, _counted(report, "faults", count)).items()}


def _noise(report: Report, effort: float) -> dict[str, Any]:
    count = _scaled(FUZZED, effort)
    report("building the link")
    with tempfile.TemporaryDirectory(prefix="lstmith-") as name, build_probe(Path(name)) as probe:
        tolerated = baud_tolerated(probe)
        return asdict(fuzz(probe, np.random.default_rng(0), count, _counted(report, "noise", count))) | tolerated


#: What can be measured by itself.
PARTS: dict[str, Callable[[Report, float], dict[str, Any]]] = {
    "silero": _exactness,
    "throughput": _throughput,
    "faults": _faults,
    "noise": _noise,
}


def link_tables(result: dict[str, Any]) -> dict[str, Table]:
    """A table for every part that was measured, by its title."""
    made = {"silero": _silero_table, "throughput": _throughput_table, "faults": _faults_table, "noise": _noise_table}
    return {name: table(result[name]) for name, table in made.items() if name in result}


def _silero_table(figures: dict[str, Any]) -> Table:
    columns = ["policy", "frames", "cycles per step", "mismatches", "wrong cycles", "seconds"]
    rows: list[list[object]] = [
        [
            mode,
            figures["frames"],
            f"{found['cycles_per_step']:.1f}",
            found["mismatches"],
            found["cycle_mismatches"],
            f"{found['seconds']:.0f}",
        ]
        for mode, found in figures["modes"].items()
    ]
    return columns, rows


def _throughput_table(figures: dict[str, Any]) -> Table:
    columns = ["Mbaud", "h of", "reaction of the host in ms", "steps per second", "step alone in ms"]
    rows: list[list[object]] = [
        [
            f"{one['baud'] / 1e6:g}",
            "every step" if one["every"] == 1 else f"one step in {one['every']}",
            f"{one['ms']:g}",
            f"{one['steps_per_second']:,.0f}",
            f"{one['alone_ms']:.2f}",
        ]
        for one in figures["rows"]
    ]
    return columns, rows


def _faults_table(figures: dict[str, Any]) -> Table:
    columns = ["fault", "sessions", "lost", "wrong results", "next session failed"]
    rows: list[list[object]] = [
        [fault, found["sessions"], found["lost"], found["wrong"], found["stuck"]] for fault, found in figures.items()
    ]
    return columns, rows


def _noise_table(figures: dict[str, Any]) -> Table:
    columns = ["frames", "hangs", "unintended accesses", "wrong answers", "right frames not answered"]
    names = ("frames", "hangs", "unintended", "wrong_answers", "silent")
    return columns, [[figures[name] for name in names]]


def link_text(result: dict[str, Any]) -> str:
    """What was measured, in words and tables; parts that were not measured are left out."""
    made = {"silero": _silero_text, "throughput": _throughput_text, "faults": _faults_text, "noise": _noise_text}
    tables = link_tables(result)
    parts = [f"{made[name](result[name])}\n\n{markdown(*found)}" for name, found in tables.items()]
    return "\n".join([f"{told(result[MEASURED])}\n", *parts])


def _silero_text(figures: dict[str, Any]) -> str:
    return (
        f"Silero VAD with {figures['lanes']} lanes, by the driver through the virtual board: a Verilated board top "
        f"behind a pseudo-terminal, {figures['clocks_per_bit']} clock cycles per bit (`lstmith bench link`). "
        "Every h, c and list is compared with the golden model:"
    )


def _throughput_text(figures: dict[str, Any]) -> str:
    return (
        f"Silero VAD with {figures['lanes']} lanes streamed over a serial port, by the clock of a board with "
        f"{CLOCK_HZ // 1_000_000} MHz; the host takes no time, but reacts late "
        "(`lstmith bench link --part throughput`):"
    )


def _faults_text(figures: dict[str, Any]) -> str:
    return (
        f"{sum(found['sessions'] for found in figures.values())} sessions through the virtual board whose host was "
        "killed, whose port was closed, or whose board was reset in the middle of a random write, each followed by an "
        "undisturbed one; all results up to the fault are compared (`lstmith bench link --part faults`):"
    )


def _noise_text(figures: dict[str, Any]) -> str:
    fewest = min(1e6 * board.clock_mhz / board.baud for board in BOARDS)
    return (
        f"Frames of {len(figures['by_kind'])} kinds, right, repeated, reordered, damaged, overlong and ill-formed, to "
        "the link in Verilator; what it sends and what it tells the engine is compared with a model, and a right frame "
        "after each has to be answered (`lstmith bench link --part noise`). The host's baud may be "
        f"{figures['slow']:.1f} % too low or {figures['fast']:.1f} % too high, at {figures['cycles_per_bit']:g} cycles "
        f"per bit; boards have {fewest:g} or more:"
    )
