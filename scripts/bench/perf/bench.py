"""Speed and size of the engine beside what it is compared with, measured in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.cli.console import progress
from lstmith.compiler import compile_model
from lstmith.compiler.data import Sequences
from lstmith.compiler.program_image import build_memory_image
from lstmith.compiler.sizing.size import in_turn
from lstmith.datasets.speech import heldout_audio
from lstmith.flow.toolchain import workspace
from lstmith.golden.breakdown import TITLES, CycleClass
from lstmith.host.request import make_request
from lstmith.host.results import utilisation
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.cores import to_verilog
from lstmith.scripts.bench.area import synthesised
from lstmith.scripts.bench.perf.board import MODES, run_board, spent_per_step
from lstmith.scripts.bench.perf.clock import run_clock
from lstmith.scripts.bench.perf.history import IN_TURN
from lstmith.scripts.bench.perf.memory import run_memory
from lstmith.scripts.bench.perf.onnxruntime_time import float_times
from lstmith.scripts.bench.perf.options import run_options
from lstmith.scripts.bench.perf.peers import run_peers
from lstmith.scripts.bench.perf.scaling import run_scaling
from lstmith.scripts.bench.perf.symbols import run_symbols
from lstmith.scripts.bench.silero import POLICIES, heldout_request, save_features, silero_design
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy

STEPS, SETTLED = 12, 4


#: Gates of a unit, by kind.
GATES = {Kind.LSTM: 4, Kind.GRU: 3, Kind.RNN: 1}


@dataclass(frozen=True)
class Shape:
    """A dense W8A8 network, and how many of the multiplications of a step one cycle does."""

    units: int
    inputs: int
    lanes: int
    kind: Kind = Kind.LSTM

    @property
    def title(self) -> str:
        """As in the tables."""
        kind = "" if self.kind is Kind.LSTM else f"{self.kind.name} "
        return f"{kind}H={self.units} I={self.inputs}, {2 * self.lanes} MACs"

    @property
    def ideal(self) -> int:
        """Cycles of a step in which every multiplier has work."""
        products = -(-self.units // self.lanes) * (self.units + self.inputs) * GATES[self.kind]
        return -(-products // 2)


#: A multiple of lanes that yosys 0.70 maps: with twice four lanes of {4,8} its abc9 pass stops in an assertion.
SMALL_ARRAY = 6
SHAPES = (
    *(Shape(20, 1, lanes) for lanes in (2, 10)),
    Shape(16, 16, 16),
    *(Shape(128, 128, lanes) for lanes in (2, 8)),
    *(Shape(size, size, 64) for size in (128, 256, 512)),
    *(Shape(128, 128, 64, kind) for kind in (Kind.GRU, Kind.RNN)),
)
LANES = {
    "{8}": EngineConfig(lanes=SMALL_ARRAY, precisions=(8,), family="ecp5"),
    "{4,8}": EngineConfig(lanes=SMALL_ARRAY, precisions=(4, 8), family="ecp5"),
    "{4,8,16}, 40-bit sums": EngineConfig(
        lanes=SMALL_ARRAY, precisions=(4, 8, 16), family="ecp5", acc_width=40, operand_width=17
    ),
}
# Without DSP blocks; 11 bits are what the compiler gives Silero VAD.
LANES |= {f"digit {title}": replace(config, mac="digit") for title, config in LANES.items()}
LANES["digit {4,8}, 11-bit operands"] = replace(LANES["digit {4,8}"], operand_width=11)


#: What can be measured by itself, in this order.
PARTS = (
    *("cycles", "silero", "lanes", "memory", "symbols", "onnxruntime_us", "board"),
    *("peers", "options", "scaling", "clock"),
)
#: Hours rather than minutes.
LONG = ("clock",)


def run_perf(parts: Sequence[str], cache: Path, engines: Sequence[str]) -> dict[str, Any]:
    """Some parts of the bench, as JSON values.

    Parameters
    ----------
    parts : sequence of str
        Some of ``PARTS``.
    cache : Path
        Folder for what was placed and routed, see :func:`lstmith.scripts.bench.placement.place`.
    engines : sequence of str
        Whose clock, see :func:`lstmith.scripts.bench.perf.clock.run_clock`.

    Raises
    ------
    ToolError
        If a tool fails; its log is kept.
    """
    result: dict[str, Any] = {}
    with workspace("lstmith-bench-") as folder:
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "cycles": lambda: _cycles(folder),
            "silero": lambda: _silero(folder),
            "lanes": lambda: _lanes(folder),
            "memory": run_memory,
            "symbols": run_symbols,
            "onnxruntime_us": float_times,
            "board": lambda: run_board(folder),
            "peers": lambda: run_peers(folder, cache),
            "options": lambda: run_options(folder),
            "scaling": lambda: run_scaling(folder),
            "clock": lambda: run_clock(cache, engines),
        }
        for part in PARTS:
            if part in parts:
                result[part] = measures[part]()
    return result


def _cycles(folder: Path) -> dict[str, Any]:
    found = {}
    with progress("cycles of dense networks", len(SHAPES)) as report:
        for done, shape in enumerate(SHAPES):
            found[shape.title] = _dense_cycles(shape, folder)
            report(done + 1)
    return found


def _lanes(folder: Path) -> dict[str, Any]:
    with progress("area of lanes"):
        return {title: _lane_area(config, folder) for title, config in LANES.items()}


def _dense_cycles(shape: Shape, folder: Path) -> dict[str, Any]:
    """Cycles per step of the model that the RTL equals, once inputs wait."""
    rng = np.random.default_rng(shape.units)
    scale = 1 / np.sqrt(shape.units + shape.inputs)
    gates = GATES[shape.kind] * shape.units
    data = folder / "x.npz"
    # As PyTorch has it, which tells the kind by the number of gates.
    model = {
        "weight_ih_l0": rng.normal(0, scale, (gates, shape.inputs)),
        "weight_hh_l0": rng.normal(0, scale, (gates, shape.units)),
    }
    x = rng.normal(0, 1, (STEPS, shape.inputs)).astype(np.float32)
    np.savez(data, x=x)
    found: dict[str, Any] = {"ideal": shape.ideal}
    for together, suffix in ((1, ""), (2, IN_TURN)):
        # Dense steps read whole weights best: of digits every fold would wait two cycles.
        design = compile_model(model, data, lanes=shape.lanes, target="generic", planes=1, sequences=together)
        sequences = Sequences(np.stack([x] * together), np.full(together, STEPS), False, None, str(data))
        run = run_golden(make_request(design, sequences, [Policy(Mode.DENSE)]))
        assert run.breakdown is not None
        # Steps at the end of the last sequences hide nothing of a successor.
        settled = slice(SETTLED, STEPS - 1)
        mean = float(run.cycles[:, settled].mean())
        spent = dict(zip(CycleClass, run.breakdown.spent[:, settled].mean(axis=(0, 1)).tolist(), strict=True))
        figures = {"cycles_per_step": mean, "utilisation": shape.ideal / mean, "spent": _titled(spent)}
        found |= {name + suffix: value for name, value in figures.items()}
    return found


def _silero(folder: Path) -> dict[str, Any]:
    """Compilation, simulation and utilisation of Silero VAD on 64 lanes."""
    with progress("compiling and generating Silero VAD"):
        begun = time.perf_counter()
        design = silero_design(folder)
        compiled = time.perf_counter()
        policies = [Policy()] * len(design.network.layers)
        to_verilog(design.engine, build_memory_image(design.network, design.engine, policies))
        seconds = time.perf_counter() - begun
    save_features(folder / "heldout.npz", heldout_audio())
    request = heldout_request(design, folder / "heldout.npz")
    with progress("predicting Silero VAD"):
        modes = {}
        engines = {"": design.engine, ", two sequences": in_turn(design.engine)}
        for title, (turns, engine) in product(MODES, engines.items()):
            given = replace(request, design=replace(design, engine=engine), policies=[POLICIES[title]])
            run = run_golden(given)
            assert run.activity is not None
            modes[title + turns] = {
                "cycles_per_step": float(run.cycles[run.valid].mean()),
                "utilisation": utilisation(run.activity, int(run.cycles.sum()), design.engine),
                "spent": spent_per_step(run),
            }
    with progress("simulating Silero VAD"):
        simulated = RtlCore(request, "verilator", folder / "core").run(request)
    return {
        "compile_seconds": compiled - begun,
        "compile_and_generate_seconds": seconds,
        "modes": modes,
        "simulated_cycles_per_second": float(simulated.cycles.sum()) / simulated.seconds,
    }


def _titled(spent: Mapping[CycleClass, float]) -> dict[str, float]:
    """Cycles per step by title, without what is zero."""
    return {TITLES[kind]: count for kind, count in spent.items() if count}


def _lane_area(config: EngineConfig, folder: Path) -> dict[str, float]:
    """Cells of twice the lanes less those of the lanes, per lane."""
    small, large = (
        synthesised(SystolicArray(replace(config, lanes=count)), folder) for count in (config.lanes, 2 * config.lanes)
    )
    return {
        name: (getattr(large, name) - getattr(small, name)) / config.lanes
        for name in ("logic", "luts", "carries", "lut_rams", "ffs", "dsps")
    }
