"""Rows per cycle: whether a cell unit that takes a unit every cycle pays for a network, or one in four cycles does."""

from __future__ import annotations

from dataclasses import replace

from lstmith.boards.board import Board
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.sizing.choose import cycles_per_step, some_steps
from lstmith.compiler.sizing.estimate import estimate, fits
from lstmith.compiler.sizing.report import SizingReport
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantLayer, QuantNetwork

#: Part of the cycles that it must save at least, since it takes up to a fourth more logic.
WORTH = 0.04
#: With fewer lanes a step waits for the way through the pipeline, not for the drain.
FEWEST_LANES = 32
#: Part of the cycles that one row per cycle may cost: it takes a tenth less logic of an engine of few lanes.
MAY_COST = 0.01
#: Thresholds such as ``lstmith tune`` finds, top plane and low plane, in LSBs of an 8-bit grid. Without any the lists
#: of a network are too long to wait for a drain.
THETA, LOW_THETA = 1, 8


def for_drain(
    network: QuantNetwork, config: EngineConfig, report: SizingReport, board: Board | None, calibration: Calibration
) -> tuple[EngineConfig, SizingReport]:
    """The same engine with as many rows per cycle as pay for steps of calibration data.

    With many lanes a fold drains longer than its list takes: engines with two planes, one layer and one sequence have
    four rows where steps take clearly fewer cycles with them, on devices that have room. With few lanes the list takes
    much longer than the drain: they have one row where steps hardly take more cycles with it.
    """
    rows = other_rows(config)
    if not rows:
        return config, report
    other, most = replace(config, rows_per_cycle=rows[0]), 1 + MAY_COST if rows == (1,) else 1 - WORTH
    if board is not None and not fits(other, board):
        return config, report
    x = network.quantise_input(some_steps(calibration))
    policies = [_typical(layer, config) for layer in network.layers]
    now, then = (cycles_per_step(network, engine, policies, x) for engine in (config, other))
    if then > most * now:
        return config, report
    if board is None:
        return other, report
    cost = estimate(other, board)
    return other, replace(report, luts=cost.luts, dsps=cost.dsps, brams=cost.brams)


def other_rows(config: EngineConfig) -> tuple[int, ...]:
    """Rows per cycle that may be of use to an engine with two: four, one, or none."""
    if config.rows_per_cycle != 2:
        return ()
    if config.few_lanes:
        return (1,)
    able = config.planes > 1 and config.layers == 1 and config.sequences == 1
    return (4,) if able and config.lanes >= FEWEST_LANES else ()


def _typical(layer: QuantLayer, config: EngineConfig) -> Policy:
    """A policy that makes lists short, as it may be used later."""
    if not config.delta:
        return Policy(Mode.DENSE)
    finer = 1 << 8 - min(8, layer.h_grid.shift)
    low = LOW_THETA * finer if layer.planes == 2 else None
    return Policy(Mode.AUTO if config.planes > 1 else Mode.DELTA, THETA * finer, THETA * finer, low, low)
