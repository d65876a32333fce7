"""Small engines on ECP5: what a bus that can load any network takes, beside one fixed network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.cli.console import steps
from lstmith.compiler.design import Design
from lstmith.compiler.pipeline import compile_model
from lstmith.golden.cycles import dense_breakdown
from lstmith.rtl.top import Top
from lstmith.scripts.bench.area import synthesised
from lstmith.scripts.bench.blocks import Table
from lstmith.spec.presets import preset

UNITS, INPUTS = preset("tiny").serves
#: Steps whose cycles are counted, and of the network's data.
STEPS = 8
#: Lanes, and whether changes are listed.
ENGINES = {"one lane, dense": (1, False), "two lanes, dense": (2, False), "two lanes, delta": (2, True)}
_SEED = 1


def small_design(*, fixed: bool, lanes: int = 1, delta: bool = False) -> Design:
    """A random layer with 8-bit weights, spread as PyTorch's initial ones, on the smallest engine for it."""
    rng, spread = np.random.default_rng(_SEED), UNITS**-0.5
    shapes: dict[str, tuple[int, ...]] = {
        "W_ih": (4 * UNITS, INPUTS), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,),
    }  # fmt: skip
    arrays = {name: rng.uniform(-spread, spread, shape).astype(np.float32) for name, shape in shapes.items()}
    x = rng.normal(size=(8, 64, INPUTS)).astype(np.float32)
    board = preset("tiny").board
    assert board is not None
    design = compile_model(arrays, x, target=board, lanes=lanes, planes=1, delta=delta, fixed=fixed)
    if fixed:
        return design
    # As small as one that may be loaded with other networks gets.
    return replace(design, engine=replace(design.engine, precisions=(8,), skip=False, rows_per_cycle=1))


def run_small(folder: Path) -> dict[str, Any]:
    """Cells and cycles of each engine, programmable and fixed, as JSON values by title."""
    found = {}
    with steps() as report:
        for title, (lanes, delta) in ENGINES.items():
            for kind in ("programmable", "fixed"):
                report(f"synthesising {title}, {kind}")
                design = small_design(fixed=kind == "fixed", lanes=lanes, delta=delta)
                area = synthesised(Top(design.engine, design.image()), folder)
                cycles = int(dense_breakdown(design.network, design.engine, STEPS).cycles[0, -1])
                found[f"{title}, {kind}"] = {**vars(area), "logic": area.logic, "cycles_per_step": cycles}
    return found


def small_rows(result: dict[str, Any]) -> Table:
    """The engines as a table."""
    columns = [
        "engine",
        "LUT4",
        "CCU2C",
        "LUT RAM",
        "flip-flops",
        "block RAM",
        "multipliers",
        "logic",
        "cycles per step",
    ]
    return columns, [[title, *row.values()] for title, row in result.items()]


def small_text() -> str:
    """One line above the table."""
    return (
        f"A layer of {UNITS} units and {INPUTS} input with 8-bit weights, on engines that take any network of this "
        "size through their bus, and as a fixed design (`compile --fixed`):"
    )
