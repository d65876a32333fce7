"""Whether a run's numbers can be trusted: clipped inputs, saturated states, errors beyond those told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lstmith.compiler.remarks import MANY, NOTABLE, TOLERANCE
from lstmith.host.request import RunRequest
from lstmith.host.results import EngineRun
from lstmith.spec.policy_check import default_policies

#: So many times what calibration told, once that is above the tolerance, an error is beyond it.
BEYOND = 2.0


@dataclass(frozen=True)
class Saturation:
    """How many values of a run were cut off.

    Parameters
    ----------
    inputs : int
        Input values beyond both the calibrated range and what the input grid holds.
    input_values : int
        All input values of steps that exist.
    states : int
        Cell states of all layers that stand at the limit of their format.
    state_values : int
        All cell states of steps that exist.
    reach : float
        Largest magnitude of an input.
    """

    inputs: int
    input_values: int
    states: int
    state_values: int
    reach: float

    def summary(self) -> dict[str, Any]:
        """The counts of R.json."""
        return {
            "clipped_inputs": self.inputs,
            "clipped_input_fraction": self.inputs / max(1, self.input_values),
            "saturated": self.states,
            "saturated_fraction": self.states / max(1, self.state_values),
        }


def input_range(request: RunRequest) -> tuple[float, float]:
    """Smallest and largest input that is neither beyond the calibration nor beyond the grid."""
    first = request.design.network.layers[0]
    if first.symbols:
        return 0.0, first.inputs - 1.0
    step = request.design.network.x_lsb * (1 << first.x_grid.shift)
    # Half a step beyond the grid still rounds to it.
    low, high = (first.x_grid.low - 0.5) * step, (first.x_grid.high + 0.5) * step
    calibrated = request.design.report.get("quantisation", {}).get("layers", [{}])[0]
    return min(low, calibrated.get("x_low", low)), max(high, calibrated.get("x_high", high))


def count_saturation(request: RunRequest, run: EngineRun) -> Saturation:
    """Inputs and cell states of a run that were cut off."""
    valid, (low, high) = request.valid, input_range(request)
    x = request.sequences.x[valid].astype(np.float64)
    states = [layer.c[valid] for layer in run.layers]
    width, layers = request.design.engine.c_width, request.design.network.layers
    return Saturation(
        inputs=int(((x < low) | (x > high)).sum()),
        input_values=x.size,
        states=sum(int(layer.saturated(c, width).sum()) for layer, c in zip(layers, states, strict=True)),
        state_values=sum(c.size for c in states),
        reach=float(np.abs(x).max(initial=0.0)),
    )


def remarks(request: RunRequest, saturation: Saturation, mean: float, largest: float) -> list[str]:
    """What a user should know about a run's numbers.

    Parameters
    ----------
    request : RunRequest
    saturation : Saturation
    mean, largest : float
        Absolute error of h against float.
    """
    found = []
    if saturation.inputs >= NOTABLE * saturation.input_values and saturation.inputs:
        low, high = input_range(request)
        found.append(
            f"{request.sequences.source} field x: {saturation.inputs} of {saturation.input_values} values are beyond"
            f" the calibrated range and were cut off (they reach {saturation.reach:.4g}, the range is {low:.4g} to"
            f" {high:.4g});"
            " scale them as the calibration data was, or compile with calibration data that reaches as far"
        )
    found += _initial_cells(request)
    # Beyond 16 tanh of the cell is flat, so a saturated state need not cost anything.
    tolerance = TOLERANCE * request.design.network.layers[-1].h_range
    if saturation.states and saturation.states >= (NOTABLE if largest > tolerance else MANY) * saturation.state_values:
        found.append(
            f"{saturation.states} of {saturation.state_values} cell states stand at the limit of their format;"
            " compile with calibration data that reaches as far, or scale the inputs"
        )
    told = request.design.report.get("error", {})
    promised = {name: _promise(told.get(name), tolerance) for name in ("mean", "max")}
    if largest > promised["max"] or mean > promised["mean"]:
        wanted = f"{told['max']:.2g} (mean {told['mean']:.2g})" if told else f"{tolerance:g} at most"
        plain = request.policies == default_policies(request.design.network, request.design.engine)
        fix = (
            "compile with calibration data that resembles this"
            if plain
            else "run without --policy to see what the policy costs, and choose a milder one"
        )
        found.append(
            f"h is off by up to {largest:.2g} (mean {mean:.2g}), where compiling told {wanted} on held-back"
            f" calibration data; {fix}"
        )
    return found


def _initial_cells(request: RunRequest) -> list[str]:
    """Initial cell states that the format cannot hold."""
    design, found = request.design, []
    for index, (layer, source) in enumerate(zip(design.network.layers, design.source.layers, strict=True)):
        limit = layer.c_range(design.engine.c_width)
        own = source.c0 if request.sequences.state is None else request.sequences.state[index][1]
        peak = 0.0 if own is None else float(np.abs(own).max(initial=0.0))
        if peak > limit:
            found.append(
                f"{request.sequences.source}: initial c of layer {source.name!r} reaches {peak:.4g} and is cut off at"
                f" {limit:.4g}; compile with calibration data that begins in such states"
            )
    return found


def _promise(told: float | None, tolerance: float) -> float:
    """Error up to which nothing is said: the tolerance, or twice what compiling told if that was above it."""
    return tolerance if told is None or told <= tolerance else BEYOND * told
