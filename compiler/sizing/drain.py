"""Rows per cycle: whether a cell unit that takes a unit every cycle pays for a network."""

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
#: Thresholds such as ``lstmith tune`` finds, top plane and low plane, in LSBs of an 8-bit grid. Without any the lists
#: of a network are too long to wait for a drain.
THETA, LOW_THETA = 1, 8


def for_drain(
    network: QuantNetwork, config: EngineConfig, report: SizingReport, board: Board | None, calibration: Calibration
) -> tuple[EngineConfig, SizingReport]:
    """The same engine with four rows per cycle where steps of calibration data take clearly fewer cycles with them.

    With many lanes a fold drains longer than its list takes. Engines with two planes, one layer and one sequence may
    have it, on devices that have room.
    """
    if not may_drain_faster(config):
        return config, report
    quick = replace(config, rows_per_cycle=4)
    if board is not None and not fits(quick, board):
        return config, report
    x = network.quantise_input(some_steps(calibration))
    policies = [_typical(network.layers[0])]
    now, then = (cycles_per_step(network, engine, policies, x) for engine in (config, quick))
    if then > (1 - WORTH) * now:
        return config, report
    if board is None:
        return quick, report
    cost = estimate(quick, board)
    return quick, replace(report, luts=cost.luts, dsps=cost.dsps, brams=cost.brams)


def may_drain_faster(config: EngineConfig) -> bool:
    """Whether four rows per cycle may be of use to an engine with two."""
    able = config.rows_per_cycle == 2 and config.planes > 1 and config.layers == 1 and config.sequences == 1
    return able and config.lanes >= FEWEST_LANES


def _typical(layer: QuantLayer) -> Policy:
    """A policy that makes lists short, as it may be used later."""
    finer = 1 << 8 - min(8, layer.h_grid.shift)
    low = LOW_THETA * finer if layer.planes == 2 else None
    return Policy(Mode.AUTO, THETA * finer, THETA * finer, low, low)
