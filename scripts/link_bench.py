"""``lstmith bench link``: Silero VAD through the virtual board, the link's throughput, and faults at random moments."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.boards.identity import build_identity
from lstmith.compiler.calibration import Calibration
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.host_graph import HostGraph
from lstmith.compiler.quantise import quantise
from lstmith.compiler.size import size_engine
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.golden.policy import Mode, Policy
from lstmith.host.board_sim import CLOCKS_PER_BIT, VirtualBoard
from lstmith.host.link.errors import LinkError
from lstmith.host.link.faulty import FaultyLine
from lstmith.host.link.model import DeviceModel
from lstmith.host.link_fuzz import build_probe, fuzz
from lstmith.host.overlay import Overlay
from lstmith.host.problem import make_problem
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.host.self_test import BYTE_BITS

from .blocks import Table
from .silero import features
from .silero_bench import silero_design
from .speech import demo_audio

FRAMES = 312  #: 10 s of speech
BAUD = 3_000_000
POLICIES = {
    "dense": Policy(Mode.DENSE),
    "delta": Policy(Mode.DELTA),
    "auto, 4 bit": Policy(Mode.AUTO, tau_x=4, tau_h=4, refresh=8, theta_h=1),
}
#: Steps whose streaming is timed; before and after them the pipeline fills and drains.
STREAMED = 200
#: Sessions with a fault, and frames of noise.
MOMENTS, FUZZED = 500, 100_000
#: A device model answers at once.
_PATIENCE = 1e-3

Report = Callable[..., None]


def run_link(report: Report) -> dict[str, Any]:
    """All figures; see :func:`link_rows`."""
    with tempfile.TemporaryDirectory(prefix="lstmith-") as name:
        report("compiling")
        design = silero_design(Path(name))
    assert design.graph is not None
    x = features(demo_audio().samples, HostGraph(design.graph))[:FRAMES]
    report("building the virtual board")
    begun = time.perf_counter()
    with VirtualBoard(design, find_board(DEFAULT)) as board:
        built = time.perf_counter() - begun
        with Overlay(board.port) as overlay:
            overlay.load(design)
            modes = {}
            for mode, policy in POLICIES.items():
                report(f"{mode} through the virtual board")
                modes[mode] = _mode(overlay, design, x, policy)
            report("streaming")
            streaming = _streaming(overlay, board, design, x)
    report(f"{MOMENTS} sessions with faults")
    moments = run_moments(MOMENTS)
    report(f"{FUZZED} frames of noise")
    with tempfile.TemporaryDirectory(prefix="lstmith-") as name, build_probe(Path(name)) as probe:
        fuzzed = asdict(fuzz(probe, np.random.default_rng(0), FUZZED))
    return {
        "moments": moments,
        "fuzz": fuzzed,
        "lanes": design.engine.lanes,
        "frames": len(x),
        "clocks_per_bit": CLOCKS_PER_BIT,
        "build_seconds": built,
        "modes": modes,
        "streaming": streaming,
    }


def _mode(overlay: Overlay, design: Design, x: npt.NDArray[np.float32], policy: Policy) -> dict[str, Any]:
    given = Sequences(x[None], np.array([len(x)]), True, None, "speech")
    problem = make_problem(design, given, [policy])
    run, golden = overlay.run(problem), run_golden(problem)
    return {
        "cycles_per_step": float(run.cycles.mean()),
        "mismatches": mismatches(run, golden),
        "cycle_mismatches": int(np.count_nonzero(run.cycles != golden.cycles)),
        "seconds": run.seconds,
    }


def _streaming(overlay: Overlay, board: VirtualBoard, design: Design, x: npt.NDArray[np.float32]) -> dict[str, Any]:
    """In the board's own time: its clock cycles, as bits on the wire."""

    def cycles(work: Callable[[], object]) -> int:
        before = board.cycles()
        work()
        return board.cycles() - before

    few = cycles(lambda: overlay.infer(x[:50]))
    many = cycles(lambda: overlay.infer(x[: 50 + STREAMED]))
    alone = cycles(lambda: list(overlay.infer(iter(x[:50]))))
    payload = 2 * max(design.network.inputs, 1 + design.network.layers[-1].units)
    bits = (many - few) / STREAMED / CLOCKS_PER_BIT
    return {
        "payload_bytes": payload,
        "share": payload * BYTE_BITS / bits,
        "steps_per_second": BAUD / bits,
        "step_ms_alone": 1e3 * alone / 50 / CLOCKS_PER_BIT / BAUD,
    }


def run_moments(count: int) -> dict[str, int]:
    """Sessions with a device model that is reset, or whose port goes, at a random moment; then an undisturbed one.

    Returns
    -------
    dict
        ``sessions``; ``lost``: of them, those that ended in an error; ``wrong``: those that returned something else
        than golden; ``stuck``: undisturbed ones behind them that failed.
    """
    rng = np.random.default_rng(0)
    design, policies = _small_design(rng), [Policy(Mode.DELTA)]
    x = rng.normal(0, 1, (12, design.network.inputs))
    with Overlay("golden") as golden:
        golden.load(design, policies)
        want = golden.infer(x)
    identity = build_identity(find_board(DEFAULT), design.engine)
    device, tally = DeviceModel(identity), dict.fromkeys(("sessions", "lost", "wrong", "stuck"), 0)

    def session(line: FaultyLine) -> bool:
        with Overlay(line, patience=_PATIENCE) as overlay:
            overlay.load(design, policies)
            return np.array_equal(overlay.infer(x), want) and np.array_equal(
                np.array(list(overlay.infer(iter(x)))), want
            )

    upload, again = FaultyLine(device, rng), FaultyLine(device, rng)
    session(upload)
    session(again)
    for index in range(count):
        fresh = index % 5 == 0
        device = DeviceModel(identity) if fresh else device
        moment = int(rng.integers(1, (upload if fresh else again).writes))
        kind = ("reset_after", "cut_after")[index % 2]
        tally["sessions"] += 1
        try:
            tally["wrong"] += not session(FaultyLine(device, rng, **{kind: moment}))
        except LinkError:
            tally["lost"] += 1
        try:
            tally["stuck"] += not session(FaultyLine(device, rng))
        except LinkError:
            tally["stuck"] += 1
    return tally


def _small_design(rng: np.random.Generator) -> Design:
    units, inputs = 6, 5
    rows = 4 * units
    layer = FloatLayer("small", rng.normal(0, 0.4, (rows, inputs)), rng.normal(0, 0.4, (rows, units)), np.zeros(rows))
    source = FloatNetwork((layer,))
    network = quantise(source, Calibration(rng.normal(0, 1, (4, 50, inputs))), precision=[8]).network
    engine, _ = size_engine(network, None, lanes=3)
    return Design(engine, network, source)


def link_rows(result: dict[str, Any]) -> Table:
    """Per policy."""
    columns = ["policy", "frames", "cycles per step", "mismatches", "wrong cycles", "seconds"]
    rows: list[list[object]] = [
        [
            mode,
            result["frames"],
            f"{figures['cycles_per_step']:.1f}",
            figures["mismatches"],
            figures["cycle_mismatches"],
            f"{figures['seconds']:.0f}",
        ]
        for mode, figures in result["modes"].items()
    ]
    return columns, rows


def link_text(result: dict[str, Any]) -> str:
    """What was measured, in words."""
    streaming, moments, fuzzed = result["streaming"], result["moments"], result["fuzz"]
    return (
        f"Silero VAD with {result['lanes']} lanes on 10 s of speech, by the driver through the virtual board: "
        f"a Verilated board top behind a pseudo-terminal, {result['clocks_per_bit']} clock cycles per bit "
        "(`lstmith bench link`). "
        "Every h, c and list is compared with the golden model. "
        f"Without records, steps stream at {100 * streaming['share']:.0f} % of what the wire carries: "
        f"{streaming['steps_per_second']:.0f} steps per second at 3 Mbaud; a step alone takes "
        f"{streaming['step_ms_alone']:.2f} ms on the wire and in the engine. "
        f"{moments['sessions']} sessions with a device model that was reset, or whose port went, at a random moment: "
        f"{moments['wrong']} returned a wrong number, {moments['lost']} were reported as lost, "
        f"{moments['stuck']} of the sessions behind them failed. {fuzzed['frames']} frames of noise, flipped, cut, "
        f"repeated and ill-formed ones to the link in Verilator: {fuzzed['hangs']} hangs, "
        f"{fuzzed['unintended']} unintended accesses of the engine, {fuzzed['silent']} right frames behind them "
        "without an answer."
    )
