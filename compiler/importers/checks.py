"""Checks that every importer shares: arrays that fit together and hold real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.errors import UserError

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
    """Build an LSTM layer in canonical gate order, refusing shapes that disagree and an initial h beyond -1..1.

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
    vectors: list[tuple[str, FloatArray, tuple[int, ...]]] = []
    vectors += [(fields[3], peep, (3, _units(w_hh)))] if peep is not None else []
    vectors += [("c0", c0, (_units(w_hh),))] if c0 is not None else []
    _check_arrays(where, "an LSTM", 4, w_ih, w_hh, biases, h0, fields[:3], vectors)
    return FloatLayer(name, w_ih, w_hh, _sum(biases, len(w_ih)), peep, h0, c0)


def checked_gru(
    where: str,
    name: str,
    w_ih: FloatArray,
    w_hh: FloatArray,
    biases: tuple[FloatArray, ...] = (),
    h0: FloatArray | None = None,
    fields: tuple[str, ...] = ("W_ih", "W_hh", "bias"),
) -> FloatLayer:
    """Build a GRU that resets after the product from gates r, z, n, with the checks of `checked_layer`.

    Parameters
    ----------
    w_ih, w_hh : float64 [3H, I], [3H, H]
    biases : float64 [3H] each
        None, or of the input and of the recurrent product.
    """
    _check_arrays(where, "a GRU", 3, w_ih, w_hh, biases, h0, fields)
    units = w_hh.shape[1]
    input_bias, recurrent_bias = biases or (np.zeros(3 * units), np.zeros(3 * units))
    gates, new = slice(0, 2 * units), slice(2 * units, 3 * units)
    return FloatLayer(
        name,
        np.concatenate([w_ih, np.zeros_like(w_ih[new])]),
        np.concatenate([w_hh[gates], np.zeros_like(w_hh[new]), w_hh[new]]),
        np.concatenate([input_bias[gates] + recurrent_bias[gates], input_bias[new], recurrent_bias[new]]),
        h0=h0,
        kind=Kind.GRU,
    )


def checked_rnn(
    where: str,
    name: str,
    w_ih: FloatArray,
    w_hh: FloatArray,
    biases: tuple[FloatArray, ...] = (),
    squash: Squash = Squash.TANH,
    h0: FloatArray | None = None,
    fields: tuple[str, ...] = ("W_ih", "W_hh", "bias"),
) -> FloatLayer:
    """Build a plain RNN from weights [H, I] and [H, H] and biases [H], with the checks of `checked_layer`."""
    _check_arrays(where, "an RNN", 1, w_ih, w_hh, biases, h0, fields)
    return FloatLayer(name, w_ih, w_hh, _sum(biases, len(w_ih)), h0=h0, kind=Kind.RNN, squash=squash)


def _check_arrays(
    where: str,
    article: str,
    gates: int,
    w_ih: FloatArray,
    w_hh: FloatArray,
    biases: tuple[FloatArray, ...],
    h0: FloatArray | None,
    fields: tuple[str, ...],
    vectors: Sequence[tuple[str, FloatArray, tuple[int, ...]]] = (),
) -> None:
    w_ih_name, w_hh_name, bias_name = fields
    rows = "H" if gates == 1 else f"{gates}H"
    fix = f"{article} needs input weights [{rows}, I], recurrent weights [{rows}, H] and biases [{rows}]"
    if w_hh.ndim != 2 or w_hh.shape[1] == 0 or w_hh.shape[0] != gates * w_hh.shape[1]:
        raise UserError(where, f"{w_hh_name} has shape {list(w_hh.shape)}, not [{rows}, H]", fix)
    units = w_hh.shape[1]
    if w_ih.ndim != 2 or w_ih.shape[1] == 0 or w_ih.shape[0] != gates * units:
        raise UserError(where, f"{w_ih_name} has shape {list(w_ih.shape)}, not [{gates * units}, I]", fix)
    checked = [*((bias_name, bias, (gates * units,)) for bias in biases), *vectors]
    checked += [("h0", h0, (units,))] if h0 is not None else []
    for label, vector, wanted in checked:
        if vector.shape != wanted:
            raise UserError(where, f"{label} has shape {list(vector.shape)}, not {list(wanted)}", fix)
    if h0 is not None and np.abs(h0).max(initial=0.0) > 1.0:
        unit = int(np.abs(h0).argmax())
        raise UserError(
            where,
            f"its constant initial h of unit {unit} is {h0[unit]:.6g}",
            "keep initial h within -1..1, as every later h is",
        )


def _units(w_hh: FloatArray) -> int:
    return w_hh.shape[1] if w_hh.ndim == 2 else 0


def _sum(biases: tuple[FloatArray, ...], rows: int) -> FloatArray:
    return np.sum(biases, axis=0) if biases else np.zeros(rows)


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
