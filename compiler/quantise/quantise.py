"""From a float network and calibration data to a quantised network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration, Profile, profile
from lstmith.compiler.quantise.fit import LayerFit, accumulator_bits
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.config import PRECISIONS
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import QuantLayer, QuantNetwork

#: ``auto`` takes the lowest precision whose mean absolute error of h, on held-back calibration
#: data, stays below this part of its range in every layer.
AUTO_TOLERANCE = 0.01


@dataclass(frozen=True)
class LayerReport:
    """What was chosen for one layer and how well it does on held-back calibration data.

    Parameters
    ----------
    name : str
    kind : str
        ``lstm``, ``gru``, ``rnn`` or ``dense``.
    precision, activation_bits : int
    exponent : int
        Left shift e of the input operands.
    x_low, x_high, c_peak : float
        Calibrated ranges.
    x_range : float
        Largest input that the grid represents.
    c_frac : int
        Fraction bits of the cell state.
    c_range : float
        Where the cell state saturates.
    sum_bound, acc_width : int
        Proven largest row sum, and the signed width that it takes.
    h_range : float
        Largest h that the layer represents, 1 of most kinds.
    error_mean, error_rms, error_max : float
        Error of h against float.
    """

    name: str
    kind: str
    precision: int
    activation_bits: int
    exponent: int
    x_low: float
    x_high: float
    x_range: float
    c_peak: float
    c_frac: int
    c_range: float
    sum_bound: int
    acc_width: int
    h_range: float
    error_mean: float
    error_rms: float
    error_max: float


@dataclass(frozen=True)
class Quantised:
    """A quantised network with the report on its layers."""

    network: QuantNetwork
    layers: tuple[LayerReport, ...]

    @property
    def acc_width(self) -> int:
        """Accumulator width that every layer fits, proven from the weights."""
        return max(layer.acc_width for layer in self.layers)

    def summary(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"layers": [asdict(layer) for layer in self.layers], "acc_width": self.acc_width}


def quantise(
    network: FloatNetwork,
    calibration: Calibration,
    *,
    precision: Sequence[int] | str = "auto",
    activation_bits: int | None = None,
    limits: EngineLimits | None = None,
    allowed: Sequence[int] = PRECISIONS,
    c_fracs: Sequence[int] | None = None,
) -> Quantised:
    """Quantise every layer, choosing formats on calibration data.

    Parameters
    ----------
    network : FloatNetwork
    calibration : Calibration
    precision : sequence of int, or 'auto'
        Weight bits: one for all layers or one per layer.
    activation_bits : int or None
        8 or 16; None means 16 for 16-bit weights, else 8.
    limits : EngineLimits or None
        What the engine can hold.
    allowed : sequence of int
        Precisions that the engine supports; 'auto' chooses among them.
    c_fracs : sequence of int or None
        Fraction bits of each layer's cell state, which another program has given; None chooses them.

    Raises
    ------
    UserError
        If weights or calibration data are unusable or a number does not fit the limits.
    """
    limits = limits or EngineLimits()
    if activation_bits not in (None, 8, 16):
        raise UserError("activation bits", f"is {activation_bits}", "use 8 or 16")
    for layer in network.layers:
        _check_finite(layer)
    calibrated = profile(network, calibration)
    if isinstance(precision, str):
        if precision != "auto":
            raise UserError("precision", f"is {precision!r}", "use 4, 8, 16 or auto")
        return _automatic(network, calibrated, activation_bits, limits, sorted(allowed), c_fracs)
    widths = list(precision) * (len(network.layers) if len(precision) == 1 else 1)
    if len(widths) != len(network.layers):
        raise UserError(
            "precision", f"has {len(widths)} entries", f"give one, or one for each of the {len(network.layers)} layers"
        )
    for width in widths:
        if width not in allowed:
            names = ", ".join(str(value) for value in sorted(allowed))
            raise UserError("precision", f"is {width}", f"use one of {names}")
    return _quantise(network, calibrated, widths, activation_bits, limits, c_fracs)


def _automatic(
    network: FloatNetwork,
    calibrated: Profile,
    activation_bits: int | None,
    limits: EngineLimits,
    allowed: list[int],
    c_fracs: Sequence[int] | None,
) -> Quantised:
    result: Quantised | None = None
    refusal: UserError | None = None
    for width in allowed:
        try:
            result = _quantise(network, calibrated, [width] * len(network.layers), activation_bits, limits, c_fracs)
        except UserError as error:
            refusal = error
            continue
        if max(layer.error_mean / layer.h_range for layer in result.layers) < AUTO_TOLERANCE:
            break
    if result is None:
        assert refusal is not None
        raise refusal
    return result


def _quantise(
    network: FloatNetwork,
    calibrated: Profile,
    widths: list[int],
    activation_bits: int | None,
    limits: EngineLimits,
    c_fracs: Sequence[int] | None,
) -> Quantised:
    layers: list[QuantLayer] = []
    reports = []
    for index, (layer, width) in enumerate(zip(network.layers, widths, strict=True)):
        bits = activation_bits or (16 if width == 16 else 8)
        c_frac = None if c_fracs is None else c_fracs[index]
        fit = LayerFit(layer, index, layers[-1] if layers else None, calibrated, width, bits, limits, c_frac)
        chosen, candidate = fit.search()
        error = fit.error(chosen, calibrated.held)
        layers.append(chosen)
        reports.append(
            LayerReport(
                name=layer.name,
                kind=layer.kind.name.lower(),
                precision=width,
                activation_bits=bits,
                exponent=candidate.exponent,
                x_low=calibrated.x_low[index],
                x_high=calibrated.x_high[index],
                x_range=chosen.x_lsb * (1 << chosen.x_grid.shift) * chosen.x_grid.high,
                c_peak=calibrated.c_peak[index],
                c_frac=chosen.c_frac,
                c_range=chosen.c_range(limits.c_width),
                sum_bound=chosen.sum_bound,
                acc_width=accumulator_bits(chosen),
                h_range=chosen.h_range,
                error_mean=float(error.mean()),
                error_rms=float(np.sqrt((error**2).mean())),
                error_max=float(error.max()),
            )
        )
    return Quantised(QuantNetwork(tuple(layers)), tuple(reports))


def _check_finite(layer: FloatLayer) -> None:
    fields: dict[str, npt.NDArray[np.float64] | None] = {
        "w_ih": layer.w_ih,
        "w_hh": layer.w_hh,
        "bias": layer.bias,
        "peep": layer.peep,
        "h0": layer.h0,
        "c0": layer.c0,
    }
    for field, values in fields.items():
        if values is not None and not np.isfinite(values).all():
            where = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
            raise UserError(
                f"layer {layer.name!r} field {field}", f"is {values[where]} at {where}", "give finite weights"
            )
