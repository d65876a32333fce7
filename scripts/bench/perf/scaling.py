"""How cycles, utilisation and cells grow with units and lanes; beyond any board's memory by the cycle model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmith.boards.board import Board
from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.cli.console import steps
from lstmith.compiler.sizing.estimate import USABLE_LUTS, estimate
from lstmith.golden.cycles import dense_breakdown
from lstmith.rtl.top import Top
from lstmith.scripts.bench.area import synthesised
from lstmith.scripts.bench.blank import blank_network
from lstmith.spec.config import EngineConfig

SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
LANES = (1, 2, 4, 8, 16, 32, 64, 128)
STEPS = 8
#: Where the estimate is held against synthesis: units and lanes.
POINTS = ((16, 2), (64, 8), (128, 16))
#: Words of a block memory.
_BLOCK = 1024


def scaling_config(units: int, lanes: int) -> EngineConfig:
    """What the compiler makes of an 8-bit network with as many inputs as units on a large ECP5."""
    words = -(-units // lanes) * 2 * units * 2
    return EngineConfig(
        lanes=lanes,
        precisions=(4, 8),
        family="ecp5",
        # Operands reach 255 in delta lists of values that are never negative.
        acc_width=max(24, (2 * units * 127 * 255).bit_length() + 1),
        weight_depth=-(-words // _BLOCK) * _BLOCK,
        units=units,
        inputs=units,
        planes=2,
        skip=True,
    )


def run_scaling(folder: Path) -> dict[str, Any]:
    """The grid by cycle model and estimate, and points by yosys, as JSON values.

    Parameters
    ----------
    folder : Path
        For the tools' files.
    """
    board = find_board(DEFAULT)
    grid = [grid_point(units, lanes, board) for units in SIZES for lanes in LANES if lanes <= units]
    points = []
    with steps() as report:
        for units, lanes in POINTS:
            config = scaling_config(units, lanes)
            report(f"synthesising {units} units on {lanes} lanes")
            area, cost = synthesised(Top(config), folder), estimate(config, board)
            points.append(
                {
                    "units": units,
                    "lanes": lanes,
                    "logic": area.logic,
                    "logic_estimated": cost.luts,
                    "dsps": area.dsps,
                    "dsps_estimated": cost.dsps,
                    "brams": area.brams,
                    "brams_estimated": cost.brams,
                }
            )
    return {"grid": grid, "points": points}


def grid_point(units: int, lanes: int, board: Board) -> dict[str, Any]:
    """One engine of the study, dense steps, inputs waiting."""
    config = scaling_config(units, lanes)
    network = blank_network([(units, units)], planes=config.planes)
    cycles = int(dense_breakdown(network, config, STEPS).cycles[0, -1])
    cost = estimate(config, board)
    fits = cost.luts <= board.luts * USABLE_LUTS[board.family] and cost.dsps <= board.dsps and cost.brams <= board.brams
    return {
        "units": units,
        "lanes": lanes,
        "cycles_per_step": cycles,
        # A lane multiplies two 8-bit weights per cycle.
        "utilisation": 4 * units * 2 * units / (2 * lanes * cycles),
        "luts": cost.luts,
        "dsps": cost.dsps,
        "brams": cost.brams,
        "fits": fits,
    }
