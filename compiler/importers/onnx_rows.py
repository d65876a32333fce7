"""Where rows that a dense layer reads come from: what lies between them and recurrent nodes is run on numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from lstmith.compiler.importers.onnx_graph import Scope, cut, run_piece

#: Steps and sequences to try where the graph leaves them open.
_SIZES = (3, 2)


@dataclass(frozen=True)
class Written:
    """What a recurrent node writes: Y, [T, D, N, H], or ``last`` Y_h, [D, N, H]; or with the sequences first."""

    directions: int
    units: int
    last: bool
    batch_first: bool

    def shape(self, steps: int, sequences: int) -> tuple[int, ...]:
        """Its shape for so many steps and sequences."""
        if self.batch_first:
            time = () if self.last else (steps,)
            return (sequences, *time, self.directions, self.units)
        shape = (self.directions, sequences, self.units)
        return shape if self.last else (steps, *shape)


@dataclass(frozen=True)
class RowsOfH:
    """What rows hold.

    Parameters
    ----------
    moved : bool
        Nothing but h of recurrent layers, moved but not changed, and zeros.
    time : int
        Which of the two other axes of their value is time, the other one being sequences; -1 if they are not so.
    """

    moved: bool = False
    time: int = -1


def rows_of_h(model: ModelProto, scope: Scope, name: str, axis: int, written: Mapping[str, Written | None]) -> RowsOfH:
    """What a value's rows hold, which lie along ``axis``.

    Parameters
    ----------
    model : ModelProto
        The flat graph.
    scope : Scope
    name : str
    axis : int
    written : mapping of str to Written
        Everything that runs on the core; None of values that are no h within -1..1.
    """
    piece = cut(scope, [name], lambda _, value: value in written)
    found = {value: written.get(value) for value in piece.inputs}
    sources = {value: source for value, source in found.items() if source is not None}
    if len(sources) < len(found) or not sources:
        return RowsOfH()
    steps, sequences = _sizes(scope, sources)
    rng = np.random.default_rng(0)
    sent = {
        value: rng.uniform(-1.0, 1.0, source.shape(steps, sequences)).astype(np.float32)
        for value, source in sources.items()
    }
    arrived = run_piece(model, piece, [name], sent)
    if arrived is None:
        return RowsOfH()
    values = np.moveaxis(arrived[0], axis, -1)
    known = np.concatenate([np.zeros(1, np.float32), *(value.ravel() for value in sent.values())])
    lead = values.shape[:-1]
    times = {(steps, sequences): 0, (sequences, steps): 1} if steps != sequences else {}
    return RowsOfH(bool(np.isin(values, known).all()), times.get(lead, -1))


def _sizes(scope: Scope, sources: Mapping[str, Written]) -> tuple[int, int]:
    """Steps and sequences to try: the graph's own where it fixes them."""
    steps, sequences = _SIZES
    for name, source in sources.items():
        shape = scope.shape_of(name)
        if shape is None or len(shape) != len(source.shape(steps, sequences)):
            continue
        own = shape if not source.batch_first else (*shape[1:-2], shape[-2], shape[0], shape[-1])
        steps, sequences = (own[0] or steps) if not source.last else steps, own[-2] or sequences
    return steps, sequences
