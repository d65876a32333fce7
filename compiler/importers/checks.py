"""Checks that every importer shares: arrays that fit together and hold real numbers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.errors import UserError

#: How to run what is not computed here; each direction is a network of its own.
ONE_WAY = (
    "use a forward LSTM, or save its weights as .npz (W_ih, W_hh, b_ih, b_hh) and give sequences that are "
    "reversed in time"
)
BOTH_WAYS = (
    "use a forward LSTM, or save each direction as an .npz of its own (W_ih, W_hh, b_ih, b_hh), run the reverse one "
    "on sequences that are reversed in time, and join h"
)

#: Larger weights overflow in float32, which every framework computes in.
_LARGEST = float(np.finfo(np.float32).max)


def float_array(where: str, field: str, value: npt.NDArray[Any]) -> FloatArray:
    """``value`` as float64, refused if it does not hold finite real numbers."""
    if value.dtype.kind not in "fiu" and value.dtype.name != "bfloat16":
        raise UserError(where, f"{field} holds {value.dtype}, not real numbers", "export it as float32")
    with np.errstate(invalid="ignore"):  # signalling NaNs; they are refused below, with the others
        array = np.asarray(value).astype(np.float64)
    if bad := int(array.size - np.count_nonzero(np.isfinite(array))):
        example = array[~np.isfinite(array)].flat[0]
        raise UserError(
            where,
            f"{field} holds {bad} value(s) that are not finite, for example {example}",
            "train or export the network again",
        )
    if (peak := float(np.abs(array).max(initial=0.0))) > _LARGEST:
        raise UserError(where, f"{field} reaches {peak:.4g}, beyond float32", "train or export the network again")
    return array


def checked_layer(
    where: str,
    name: str,
    w_ih: FloatArray,
    w_hh: FloatArray,
    biases: tuple[FloatArray, ...] = (),
    peep: FloatArray | None = None,
    h0: FloatArray | None = None,
    c0: FloatArray | None = None,
    fields: tuple[str, str, str, str] = ("W_ih", "W_hh", "bias", "peep"),
) -> FloatLayer:
    """Build a layer in canonical gate order, refusing shapes that disagree and an initial h beyond -1..1.

    Parameters
    ----------
    where : str
        File (and node) for messages.
    w_ih, w_hh : float64 [4H, I], [4H, H]
    biases : float64 [4H] each
        Summed; none means zero.
    peep : float64 [3, H], optional
        Order i, f, o.
    h0, c0 : float64 [H], optional
    fields : str
        What the source calls input weights, recurrent weights, bias and peepholes.
    """
    w_ih_name, w_hh_name, bias_name, peep_name = fields
    fix = "an LSTM needs input weights [4H, I], recurrent weights [4H, H] and biases [4H]"
    if w_hh.ndim != 2 or w_hh.shape[1] == 0 or w_hh.shape[0] != 4 * w_hh.shape[1]:
        raise UserError(where, f"{w_hh_name} has shape {list(w_hh.shape)}, not [4H, H]", fix)
    units = w_hh.shape[1]
    if w_ih.ndim != 2 or w_ih.shape[1] == 0 or w_ih.shape[0] != 4 * units:
        raise UserError(where, f"{w_ih_name} has shape {list(w_ih.shape)}, not [{4 * units}, I]", fix)
    vectors: list[tuple[str, FloatArray, tuple[int, ...]]] = [(bias_name, bias, (4 * units,)) for bias in biases]
    vectors += [(peep_name, peep, (3, units))] if peep is not None else []
    vectors += [(label, state, (units,)) for label, state in (("h0", h0), ("c0", c0)) if state is not None]
    for label, vector, wanted in vectors:
        if vector.shape != wanted:
            raise UserError(where, f"{label} has shape {list(vector.shape)}, not {list(wanted)}", fix)
    if h0 is not None and np.abs(h0).max(initial=0.0) > 1.0:
        unit = int(np.abs(h0).argmax())
        raise UserError(
            where,
            f"its constant initial h of unit {unit} is {h0[unit]:.6g}",
            "keep initial h within -1..1, as every later h is",
        )
    bias = np.sum(biases, axis=0) if biases else np.zeros(4 * units)
    return FloatLayer(name, w_ih, w_hh, bias, peep, h0, c0)


def check_stack(where: str, layers: tuple[FloatLayer, ...]) -> None:
    """Refuse stacked layers whose widths do not meet."""
    for below, above in pairwise(layers):
        if above.inputs != below.units:
            raise UserError(
                where,
                f"layer {above.name!r} reads {above.inputs} values, but {below.name!r} has {below.units} units",
                "stacked layers need the input width of each layer to be the number of units of the one below",
            )


def readable_file(path: Path) -> None:
    """Refuse a path that is no readable, non-empty file."""
    if not path.exists():
        raise UserError(str(path), "there is no such file", "check the path")
    if not path.is_file():
        raise UserError(str(path), "is not a file", "give the model's file")
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", "check its permissions") from error
    if empty:
        raise UserError(str(path), "is empty", "export the model again")
