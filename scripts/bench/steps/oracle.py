"""The oracle: what leaving a step's low digits out does to h in the steps that follow, found by trying each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.golden.encoder import BoolArray
from lstmith.scripts.bench.steps.model import LayerState, StepModel
from lstmith.scripts.bench.steps.runner import Recorded
from lstmith.spec.quantised import IntArray
from lstmith.workloads.workload import Float64

#: Steps in which an effect is looked for, the chosen one among them.
HORIZON = 8
#: Tries that run side by side.
ROWS = 2048


def costs(model: StepModel, whole: Recorded, base: Recorded, chosen: BoolArray, tried: BoolArray) -> Float64:
    """How much more h is off over ``HORIZON`` steps if a step is chosen than if it is not, all else as in a base run.

    Parameters
    ----------
    model : StepModel
    whole : Recorded
        The run that reads everything: what h should be.
    base : Recorded
        The run in which single steps are changed.
    chosen : bool [N, T]
        Steps that `base` leaves out.
    tried : bool [N, T]

    Returns
    -------
    float64 [N, T]
        Sum of the absolute errors of h of the last layer; NaN where nothing was tried.
    """
    found = np.full(chosen.shape, np.nan)
    wanted, present = _last_h(whole), _last_h(base)
    # Steps past a sequence's end count for nothing.
    error = np.abs(present - wanted).sum(axis=2) * whole.valid
    sequences, steps = np.nonzero(tried)
    for at in range(0, len(sequences), ROWS):
        n, t = sequences[at : at + ROWS], steps[at : at + ROWS]
        changed, unchanged = np.zeros(len(n)), np.zeros(len(n))
        states = _gathered(base, n, t)
        for ahead in range(HORIZON):
            now = t + ahead
            alive = now < chosen.shape[1]
            now = np.minimum(now, chosen.shape[1] - 1)
            low = chosen[n, now] ^ (ahead == 0)

            def choose(index: int, gap: IntArray, low: BoolArray = low) -> BoolArray:
                return low[:, None]

            states = model.step(base.x[n, now], states, choose)
            counted = alive & whole.valid[n, now]
            if not counted.any():
                break
            changed += np.abs(states[-1].h - wanted[n, now]).sum(axis=1) * counted
            unchanged += error[n, now] * alive
        # The try left the step out unless the base run did.
        found[n, t] = np.where(chosen[n, t], unchanged - changed, changed - unchanged)
    return found


def _last_h(recorded: Recorded) -> npt.NDArray[np.int32]:
    return np.stack([states[-1].h for states in recorded.states[1:]], axis=1)


def _gathered(
    recorded: Recorded, sequences: npt.NDArray[np.integer], steps: npt.NDArray[np.integer]
) -> list[LayerState]:
    """States before steps of different sequences, side by side."""
    found = []
    for index, layer in enumerate(recorded.states[0]):
        values = {}
        for name in ("h", "c", "low", "served"):
            like = getattr(layer, name)
            values[name] = np.empty((len(steps), *like.shape[1:]), dtype=np.int64)
        for t in np.unique(steps):
            here = steps == t
            for name, value in values.items():
                value[here] = getattr(recorded.states[t][index], name)[sequences[here]]
        found.append(LayerState(**values))
    return found
