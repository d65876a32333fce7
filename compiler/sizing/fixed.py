"""Engines for one network alone, whose weights, formats and policy are constants of the netlist."""

from __future__ import annotations

from dataclasses import replace

from lstmith.boards.board import Board
from lstmith.compiler.quantise.fit import accumulator_bits
from lstmith.compiler.sizing.estimate import estimate
from lstmith.compiler.sizing.memories import state_blocks
from lstmith.compiler.sizing.report import SizingReport
from lstmith.compiler.sizing.size import weight_words
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import WEIGHT_WORD_BITS, EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import QuantNetwork

#: Least widths of sums and operands that an engine has.
LEAST_ACC, LEAST_OPERAND = 16, 9


def refuse_fixed(network: FloatNetwork) -> None:
    """Refuse what a fixed engine cannot begin with.

    Raises
    ------
    UserError
        If a layer has initial states, which only a bus could load.
    """
    for layer in network.layers:
        if layer.h0 is not None or layer.c0 is not None:
            problem = f"has no bus to load the initial states of layer {layer.name!r} through"
            raise UserError("option --fixed", problem, "leave it out, or set h0 and c0 to zero")


def for_fixed(
    network: QuantNetwork, config: EngineConfig, report: SizingReport, board: Board | None
) -> tuple[EngineConfig, SizingReport]:
    """The same engine for this network alone: precisions and widths that it needs, no rules that a policy could use.

    Its weights lie in block memories, which a bitstream fills.

    Raises
    ------
    UserError
        If the board has too few of them.
    """
    layers = network.layers
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in layers)
    engine = replace(
        config,
        fixed=True,
        skip=False,
        monitor=False,
        precisions=tuple(sorted({layer.precision for layer in layers})),
        weight_depth=weight_words(network, config.lanes),
        acc_width=max(LEAST_ACC, *(accumulator_bits(layer) for layer in layers)),
        operand_width=max(LEAST_OPERAND, span.bit_length() + 1),
    )
    if board is None:
        return engine, report
    blocks = engine.lanes * -(-engine.weight_depth * WEIGHT_WORD_BITS // board.bram_bits) + state_blocks(engine, board)
    if blocks > board.brams:
        problem = f"needs {blocks} block memories, {board.name} has {board.brams}"
        raise UserError("option --fixed", problem, "leave it out, or use a smaller network")
    cost = estimate(engine, board)
    return engine, replace(report, luts=cost.luts, dsps=cost.dsps, brams=blocks)
