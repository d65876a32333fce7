"""Whether a network can fit an engine at all, told by its sizes alone: before calibration, which takes minutes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmith.boards.board import Board
from lstmith.compiler.options import CompileOptions
from lstmith.compiler.program_image import check_fit
from lstmith.compiler.quantise.fit import check_operands, recurrent_grid
from lstmith.compiler.sizing.choose import KINDS
from lstmith.compiler.sizing.size import for_sequences, limits_for, size_engine
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.codes import Verdict
from lstmith.spec.config import PRECISIONS
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

#: Operands as narrow as they can be, so that nothing is refused that would fit after calibration.
_NARROW, _UNSIGNED = Grid(8, -128, 127), Grid(8, 0, 127)


def refuse_options(
    network: FloatNetwork, options: CompileOptions, counts: Sequence[tuple[int, ...]] | None = None
) -> None:
    """Refuse what no calibration data can make fit, of what ``compile`` was told; see :func:`refuse_early`.

    Parameters
    ----------
    network : FloatNetwork
    options : CompileOptions
    counts : sequence of tuple of int, or None
        Active counts of each layer.
    """
    refuse_early(
        network,
        options.board,
        precision=options.weight_bits,
        lanes=options.lanes,
        mac=options.mac,
        planes=options.engine_planes,
        delta=options.delta,
        sequences=options.sequences,
        activation_bits=options.activation_bits,
        counts=counts,
    )


def refuse_early(
    network: FloatNetwork,
    board: Board | None,
    *,
    precision: int | None = None,
    lanes: int | None = None,
    mac: str = "dsp",
    planes: int = 1,
    delta: bool = True,
    sequences: int = 1,
    activation_bits: int | None = None,
    counts: Sequence[tuple[int, ...]] | None = None,
) -> None:
    """Refuse sizes and options that no calibration data can make fit, as sizing would after it.

    Parameters
    ----------
    network : FloatNetwork
    board : Board or None
    precision : int or None
        Weight bits; None takes the fewest that the board has.
    lanes : int or None
    mac : str
        ``dsp``, ``digit`` or ``auto``.
    planes : int
        Digit planes of the engine.
    delta : bool
    sequences : int
    activation_bits : int or None
        Operand bits; None takes what goes with the weights.
    counts : sequence of tuple of int, or None
        Active counts of each layer.

    Raises
    ------
    UserError
        As :func:`.size.size_engine`, :func:`.size.for_sequences` and :func:`.fit.check_operands`.
    ValueError
        If no engine has such sizes.
    """
    offered = PRECISIONS if board is None else board.precisions
    bits = min(offered) if precision is None else precision
    limits = limits_for(board, planes)
    empty = empty_network(network, board, bits, planes, counts)
    refusals = []
    kinds = KINDS if mac == "auto" else (mac,)
    for kind in kinds:
        try:
            config, report = size_engine(empty, board, lanes=lanes, mac=kind, planes=planes, delta=delta)
            config, _ = for_sequences(empty, config, report, board, sequences)
            check_fit(empty, config)
        except UserError as error:
            refusals.append(error)
    if len(refusals) == len(kinds):
        raise refusals[0]
    if activation_bits is not None:
        widest = max(offered) if precision is None else precision
        span = recurrent_grid(activation_bits).span
        check_operands(network.layers[0].name, span, activation_bits, widest, limits)


def empty_network(
    network: FloatNetwork,
    board: Board | None,
    precision: int,
    planes: int,
    counts: Sequence[tuple[int, ...]] | None = None,
) -> QuantNetwork:
    """A network of the same sizes whose weights are all zero and take no memory, for what depends on sizes alone.

    Parameters
    ----------
    network : FloatNetwork
    board : Board or None
    precision : int
        Weight bits.
    planes : int
        Digit planes of the engine.
    counts : sequence of tuple of int, or None
        Active counts of each layer.
    """
    active = counts or [()] * len(network.layers)
    split = limits_for(board, planes).layer_planes(precision)
    return QuantNetwork(tuple(_empty(*layer, precision, split) for layer in zip(network.layers, active, strict=True)))


def _empty(layer: FloatLayer, counts: tuple[int, ...], precision: int, planes: int) -> QuantLayer:
    """A layer of zeros, which take no memory."""
    rows = np.broadcast_to(np.int64(0), len(layer.w_ih))
    return QuantLayer(
        precision=precision,
        planes=planes,
        weights=np.broadcast_to(np.int64(0), (len(layer.w_ih), layer.inputs + layer.w_hh.shape[1])),
        mantissa=rows,
        shift=rows,
        bias=rows,
        x_grid=_UNSIGNED if layer.symbols else _NARROW,
        h_grid=_NARROW,
        c_frac=15,
        x_lsb=1.0,
        peep=None if layer.peep is None else np.broadcast_to(np.int64(0), layer.peep.shape),
        counts=counts,
        reduced_bias=np.broadcast_to(np.int64(0), (len(counts), len(layer.w_ih))),
        idle_h=np.broadcast_to(np.int64(0), layer.units),
        kind=layer.kind,
        squash=layer.squash,
        symbols=layer.symbols,
        verdict=Verdict.NONE if counts else layer.verdict,
    )
