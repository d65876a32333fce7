"""Whether a model's first layers read symbols: the data must name them, and the target must hold their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.archive import read_archive
from lstmith.compiler.calls import reads_by_name
from lstmith.compiler.data import Sequences, SequenceSource, arrays_of
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.importer import Model, ModelSource, read_model
from lstmith.compiler.options import CompileOptions
from lstmith.compiler.sizing.early import refuse_options
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError

_SUFFIX = "give an .npz file that numpy.savez wrote"


def with_symbols(
    read: Model,
    given: ModelSource,
    layer: str | None,
    calibration: SequenceSource | Feeds,
    options: CompileOptions,
    *,
    head: bool = False,
) -> Model:
    """The model with a column per symbol in place of its embeddings, if it has any and the target holds the columns.

    Parameters
    ----------
    read : Model
        The model as it is.
    given, layer
        Where it came from.
    calibration
        As given to ``compile``: the graph's inputs by their names; or ``x``, which names symbols if it is one number
        per step where the first layer takes several.
    options : CompileOptions
    head : bool
        As it was read.

    Raises
    ------
    UserError
        If ``x`` names symbols and the target does not hold their columns.
    """
    arrays = _arrays(calibration)
    by_name = arrays is None or (read.plan is not None and reads_by_name(arrays, read.plan, read.network))
    if arrays is not None and not by_name:
        x = arrays.get("x", np.zeros(0))
        if x.ndim not in (2, 3) or x.shape[-1] != 1 or read.network.inputs == 1:
            return replace(read, remarks=(*read.remarks, *_one_hot(read, x)))
    found = read_model(given, layer, symbols=True, head=head)
    if not any(network.symbols for network in found.networks):
        return read
    try:
        _check_room(found, options)
    except UserError as refusal:
        if not by_name:
            raise
        remark = f"the embedding stays on the host: its columns do not fit ({refusal})"
        return replace(read, remarks=(*read.remarks, remark))
    return replace(found, remarks=(*found.remarks, *chosen_columns(read, found)))


def chosen_columns(plain: Model, found: Model) -> list[str]:
    """What is told of each network that reads symbols.

    Parameters
    ----------
    plain, found : Model
        The model without symbols, and with them.
    """
    return [
        f"{new.layers[0].name!r} reads symbols: a column for each of {new.symbols} in place of"
        f" {old.inputs} inputs, of which a step takes one"
        for old, new in zip(plain.networks, found.networks, strict=False)
        if new.symbols
    ]


def _arrays(calibration: SequenceSource | Feeds) -> Mapping[str, npt.NDArray[Any]] | None:
    """The data by the names of its fields; None of calls, which are by name."""
    if isinstance(calibration, Feeds):
        return None
    if isinstance(calibration, Sequences):
        return {"x": calibration.x}
    if isinstance(calibration, str | Path):
        return read_archive(Path(calibration), _SUFFIX)
    return arrays_of(calibration, "calibration")


def _one_hot(read: Model, x: npt.NDArray[Any]) -> list[str]:
    """Recordings of zeros and a single one per step are told of: as symbols they would take a single entry."""
    if read.network.inputs < 2 or x.shape[-1:] != (read.network.inputs,) or x.dtype.kind not in "fiub":
        return []
    ones = (x == 1).sum(axis=-1)
    # Padding behind a sequence's end is zero.
    if not ones.any() or not np.isin(x, (0, 1)).all() or ones.max() > 1 or (ones == 0).mean() > 0.5:
        return []
    return [
        f"x is one-hot: with the numbers of its ones as x, of width 1, a step would take one column of"
        f" {read.network.inputs}"
    ]


def _widest(read: Model) -> list[FloatNetwork]:
    return sorted(read.networks, key=lambda network: -network.layers[0].inputs)


def _check_room(read: Model, options: CompileOptions) -> None:
    """Refuse columns that the target has no room for, with those of all other layers."""
    layers = [layer for network in _widest(read) for layer in network.layers]
    # What counts here is the widths; a chain of all layers has one that reads symbols.
    every = FloatNetwork((layers[0], *(replace(layer, symbols=False) for layer in layers[1:])))
    try:
        refuse_options(every, options)
    except ValueError as error:
        raise UserError(read.source, f"does not fit any engine ({error})", "use a smaller table") from error
