"""How far a whole quantised network is from float, on calibration data that fitting did not see."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.quantise.calibration import HOLD_EVERY, WINDOW, Calibration, held_steps
from lstmith.compiler.quantise.encode import quantised_state
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatArray, FloatNetwork, initial_state, run_float
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork

#: Longest run from an initial state: so many steps hold one held-back window at least.
LONGEST = HOLD_EVERY * WINDOW
#: About how many steps of all sequences together are run.
MOST = 4 * LONGEST
#: A relative change of the input of this size is less than float32 resolves.
NUDGE = 2.0**-24


@dataclass(frozen=True)
class StackError:
    """Error of h of the last layer, end to end: golden integers against float64, from the true initial states.

    Parameters
    ----------
    mean, max : float
        Absolute error on held-back steps.
    peak : float
        Largest error on all steps that were run, those that formats were fitted on too.
    steps : int
        Held-back steps that were judged; all that were run if nothing could be held back.
    held_back : bool
        Whether fitting left a part of the data to judge by.
    saturated : tuple of float
        Per layer, the part of the cell states that stand at the limit of their format.
    sensitivity : float
        How far h moves in float64 if the inputs change by 2^-24 of themselves.
    rounding : float
        How far h moves in float64 if only the inputs are rounded to the 16-bit stream.
    """

    mean: float
    max: float
    peak: float
    steps: int
    held_back: bool
    saturated: tuple[float, ...]
    sensitivity: float
    rounding: float

    def summary(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return asdict(self)


def measure(network: FloatNetwork, integer: QuantNetwork, config: EngineConfig, calibration: Calibration) -> StackError:
    """Run a bounded part of the calibration data on both networks.

    Parameters
    ----------
    network : FloatNetwork
        In the order of its source.
    integer : QuantNetwork
    config : EngineConfig
    calibration : Calibration
    """
    x, lengths = calibration.checked(network)
    held = held_steps(lengths)
    states = calibration.state or [initial_state(layer, len(x)) for layer in network.layers]
    chosen, steps = _choose(held if held.any() else np.arange(x.shape[1]) < lengths[:, None])
    x, lengths, held = x[chosen, :steps], np.minimum(lengths[chosen], steps), held[chosen, :steps]
    states = [(h[chosen], c[chosen]) for h, c in states]
    valid = np.arange(steps) < lengths[:, None]
    judged = held if held.any() else valid

    # A fixed engine would have another policy, without thresholds, and the same numbers.
    model, policies = GoldenModel(integer, replace(config, fixed=False)), [Policy(Mode.DENSE)] * len(integer.layers)
    encoded = quantised_state(integer, config.c_width, states)
    stream = integer.quantise_input(x)
    traces = model.run(stream, policies, model.loaded_state(policies, encoded))
    exact = run_float(network, x, states).h[-1]
    # Symbols are what they are: nothing nudges or rounds them.
    nudged, rounded = (x, x) if network.symbols else (x * (1 + NUDGE), stream.astype(np.float64) * integer.x_lsb)
    found = integer.layers[-1].to_source(traces[-1].h) * integer.layers[-1].h_lsb
    error = np.abs(found - exact)

    def moved(changed: FloatArray) -> float:
        return float(np.abs(run_float(network, changed, states).h[-1] - exact)[valid].max())

    return StackError(
        mean=float(error[judged].mean()),
        max=float(error[judged].max()),
        peak=float(error[valid].max()),
        steps=int(judged.sum()),
        held_back=bool(held.any()),
        saturated=tuple(
            float(layer.saturated(trace.c[valid], config.c_width).mean())
            for layer, trace in zip(integer.layers, traces, strict=True)
        ),
        sensitivity=moved(nudged),
        rounding=moved(rounded),
    )


def _choose(judged: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], int]:
    """Sequences from all over the data that hold steps to judge by, and how many steps of them to run."""
    last = judged.shape[1] - judged[:, ::-1].argmax(axis=1)
    able = np.flatnonzero(judged[:, :LONGEST].any(axis=1))
    steps = int(np.minimum(last[able], LONGEST).max())
    most = max(1, MOST // steps)
    places = np.unique(np.linspace(0, len(able) - 1, min(most, len(able))).astype(int))
    return able[places], steps
