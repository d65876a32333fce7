"""Whether a network can fit an engine at all, told by its sizes alone: before calibration, which takes minutes."""

from __future__ import annotations

import numpy as np

from lstmith.boards.board import Board
from lstmith.compiler.sizing.choose import KINDS
from lstmith.compiler.sizing.size import for_sequences, size_engine
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.config import PRECISIONS
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

#: Operands as narrow as they can be, so that nothing is refused that would fit after calibration.
_NARROW = Grid(8, -128, 127)


def refuse_early(
    network: FloatNetwork,
    board: Board | None,
    *,
    precision: int | None = None,
    lanes: int | None = None,
    mac: str = "dsp",
    delta: bool = True,
    sequences: int = 1,
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
    delta : bool
    sequences : int

    Raises
    ------
    UserError
        As :func:`.size.size_engine` and :func:`.size.for_sequences`.
    """
    lowest = min(PRECISIONS if board is None else board.precisions)
    bits = lowest if precision is None else precision
    empty = QuantNetwork(tuple(_empty(layer, bits) for layer in network.layers))
    refusals = []
    kinds = KINDS if mac == "auto" else (mac,)
    for kind in kinds:
        try:
            config, report = size_engine(empty, board, lanes=lanes, mac=kind, delta=delta)
            for_sequences(empty, config, report, board, sequences)
        except UserError as error:
            refusals.append(error)
    if len(refusals) == len(kinds):
        raise refusals[0]


def _empty(layer: FloatLayer, precision: int) -> QuantLayer:
    """A layer of zeros, which take no memory."""
    rows = np.broadcast_to(np.int64(0), 4 * layer.units)
    return QuantLayer(
        precision=precision,
        weights=np.broadcast_to(np.int64(0), (4 * layer.units, layer.inputs + layer.units)),
        mantissa=rows,
        shift=rows,
        bias=rows,
        x_grid=_NARROW,
        h_grid=_NARROW,
        c_frac=15,
        x_lsb=1.0,
        peep=None if layer.peep is None else np.broadcast_to(np.int64(0), layer.peep.shape),
    )
