"""What a user should know about a compiled network's numbers, each remark with the value and what to do."""

from __future__ import annotations

import numpy as np

from lstmith.compiler.accuracy import LONGEST, StackError
from lstmith.compiler.quantise.calibration import HOLD_EVERY, Calibration
from lstmith.compiler.quantise.encode import row_scale
from lstmith.compiler.quantise.quantise import AUTO_TOLERANCE, LayerReport
from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork, initial_state, run_float
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import QuantLayer, QuantNetwork

#: Error of h, as a part of its range, above which numbers are remarked on.
TOLERANCE = 1e-2
#: Part of the inputs or of the cell states from which on saturation is remarked on.
NOTABLE = 1e-3
#: Part of the cell states that may saturate while the error is small: beyond 16 tanh of the cell is flat.
MANY = 0.25
#: Pre-activations beyond this differ by less than the tolerance.
FLAT = 8.0


def remarks(
    network: FloatNetwork,
    integer: QuantNetwork,
    config: EngineConfig,
    calibration: Calibration,
    layers: tuple[LayerReport, ...],
    error: StackError,
    *,
    automatic: bool,
) -> list[str]:
    """All remarks on a compiled network, the most important first.

    Parameters
    ----------
    network : FloatNetwork
    integer : QuantNetwork
    config : EngineConfig
    calibration : Calibration
    layers : tuple of LayerReport
        What calibration chose.
    error : StackError
        What :func:`~lstmith.compiler.accuracy.measure` found.
    automatic : bool
        Whether the precision was left to the compiler.
    """
    return [
        *_on_error(integer, error),
        *_on_precision(layers, integer, error, automatic),
        *_on_data(network, calibration, error),
        *_on_saturation(layers, integer, error),
        *_on_rows(network, integer, config, calibration),
    ]


def _on_error(integer: QuantNetwork, error: StackError) -> list[str]:
    worst, tolerance = max(error.max, error.peak), TOLERANCE * integer.layers[-1].h_range
    if worst <= tolerance:
        return []
    where = (
        "held-back calibration data" if error.max > tolerance else "the calibration data that formats were fitted on"
    )
    widest = all(layer.precision == 16 for layer in integer.layers)
    if error.sensitivity > tolerance / 10:
        fix = (
            f"the network itself amplifies rounding (inputs that change by 6e-8 of themselves move h by"
            f" {error.sensitivity:.2g}): train it to be less sensitive, or judge its outputs instead of h"
        )
    elif not widest:
        fix = "use --precision 16 if the board has it, or judge the outputs on your own data with 'lstmith tune'"
    elif error.rounding > worst / 2:
        fix = (
            f"rounding the inputs to 16 bits alone moves h by {error.rounding:.2g}: scale the inputs, so that few large"
            " values do not set the range of all"
        )
    else:
        fix = "look at the ranges of inputs and cell states, and scale inputs and weights down"
    return [f"h of the whole network is off by up to {worst:.2g} (mean {error.mean:.2g}) on {where}; {fix}"]


def _on_precision(
    layers: tuple[LayerReport, ...], integer: QuantNetwork, error: StackError, automatic: bool
) -> list[str]:
    worst = max(layers, key=lambda layer: layer.error_mean / layer.h_range)
    mean = max(worst.error_mean / worst.h_range, error.mean / integer.layers[-1].h_range)
    if not automatic or mean < AUTO_TOLERANCE:
        return []
    return [
        f"--precision auto missed its tolerance: at {worst.precision} bit layer {worst.name!r} has a mean error of h of"
        f" {worst.error_mean:.2g} and the whole network {error.mean:.2g}, not below {AUTO_TOLERANCE:g} of its range;"
        " give calibration data that resembles what the network will see, or scale the inputs"
    ]


def _on_data(network: FloatNetwork, calibration: Calibration, error: StackError) -> list[str]:
    x, lengths = calibration.checked(network)
    values = x[np.arange(x.shape[1]) < lengths[:, None]]
    where, fix = f"{calibration.source} field x", "give recordings of what the network will see"
    if len(values) == 1:
        return [f"{where}: has a single step, which tells neither ranges nor errors; {fix}"]
    if np.ptp(values, axis=0).max(initial=0.0) == 0.0:
        return [f"{where}: is constant ({values.flat[0]:g}), which tells neither ranges nor errors; {fix}"]
    if not error.held_back:
        return [
            f"{where}: has {len(values)} steps, too few to hold a part back, so errors are those of the data that"
            f" formats were fitted on; give {HOLD_EVERY} steps at least, better some hundred"
        ]
    return []


def _on_saturation(layers: tuple[LayerReport, ...], integer: QuantNetwork, error: StackError) -> list[str]:
    wrong = max(error.max, error.peak) > TOLERANCE * integer.layers[-1].h_range
    return [
        f"layer {layer.name!r}: {part:.2%} of its cell states saturate at {layer.c_range:.4g} (in float they reach"
        f" {layer.c_peak:.4g}); scale the inputs or the network's weights so that the cell stays within"
        for layer, part in zip(layers, error.saturated, strict=True)
        if part >= (NOTABLE if wrong else MANY)
    ]


def _on_rows(network: FloatNetwork, integer: QuantNetwork, config: EngineConfig, calibration: Calibration) -> list[str]:
    """Rows whose weights or sums lose what they hold, judged on what the float network sees."""
    x, lengths = calibration.checked(network)
    few = max(1, LONGEST // max(1, min(LONGEST, x.shape[1])))
    places = np.unique(np.linspace(0, len(x) - 1, min(few, len(x))).astype(int))
    x, lengths = x[places, :LONGEST], np.minimum(lengths[places], LONGEST)
    states = [initial_state(layer, len(places)) for layer in network.layers]
    if calibration.state is not None:
        states = [(h[places], c[places]) for h, c in calibration.state]
    valid = np.arange(x.shape[1]) < lengths[:, None]
    if not valid.any():
        return []
    trace, found = run_float(network, x, states), []
    inputs = (x, *trace.h[:-1])
    for source, layer, values, h, (h0, _) in zip(network.layers, integer.layers, inputs, trace.h, states, strict=True):
        before = np.concatenate([h0[:, None], h[:, :-1]], axis=1)[valid]
        from_x = source.from_x(values[valid])
        from_h = before[:, : layer.recurrent] @ source.w_hh.T
        found += _lost_bits(source, layer, from_x, from_h)
        found += _clipped_sums(source, layer, config, from_x + from_h)
    return found


def _lost_bits(source: FloatLayer, layer: QuantLayer, from_x: FloatArray, from_h: FloatArray) -> list[str]:
    """Where input and recurrent weights share a row scale and one of them is left with few bits that matter."""
    few = 1 << (layer.precision // 2 - 1)
    columns = {"input": slice(0, layer.inputs), "recurrent": slice(layer.inputs, None)}
    for (kind, part), sums in zip(columns.items(), (from_x, from_h), strict=True):
        largest = _by_row(source, layer, np.abs(layer.weights[:, part]).max(axis=1, initial=0))
        # About the error that rounding such weights puts into the pre-activation.
        lost = np.sqrt((sums**2).mean(axis=0)) / (2 * largest + 1)
        if ((largest < few) & (lost > TOLERANCE)).any():
            row = int(np.argmax(lost * (largest < few)))
            return [
                f"layer {source.name!r} row {row}: its {kind} weights are left with {int(largest[row]).bit_length()} of"
                f" {layer.precision - 1} bits, because they share a scale with much larger ones; "
                f"scale the inputs so that input and recurrent weights are of like size"
            ]
    return []


def _clipped_sums(source: FloatLayer, layer: QuantLayer, config: EngineConfig, sums: FloatArray) -> list[str]:
    """Sums beyond what the requantiser holds, where the bias brings z back to where the activations are not flat."""
    top = 1 << (config.requant_width - 2)
    # From one LSB of the shifted sum to z, for the rows that have weights.
    scale = _by_row(source, layer, row_scale(layer, config.requant_width) * np.exp2(layer.shift - 8.0))
    limit = np.where(scale > 0, top * scale, np.inf)
    harmful = (np.abs(sums) > limit) & (np.abs(sums + source.bias) < FLAT)
    if harmful.mean(axis=0).max() < NOTABLE:
        return []
    row = int(harmful.mean(axis=0).argmax())
    return [
        f"layer {source.name!r} row {row}: sums up to {np.abs(sums[:, row]).max():.4g} saturate at {limit[row]:.4g}"
        f" before the bias of {source.bias[row]:.4g} is added; scale inputs and weights, so that the bias stays small"
    ]


def _by_row(source: FloatLayer, layer: QuantLayer, values: FloatArray) -> FloatArray:
    """Values by row of the quantised layer, [R * H], by row of the source."""
    restored: FloatArray = layer.to_source(np.asarray(values, dtype=np.float64).reshape(-1, source.units)).ravel()
    return restored
