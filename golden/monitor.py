"""The cell-state monitor: planes served per step or fold, after Silfa, Arnau and González (HiPC 2020)."""

from __future__ import annotations

import numpy as np

from lstmith.golden.encoder import BoolArray
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import DROP, RATIO_FRAC, spare_bits
from lstmith.spec.policy import Monitor, Rule, Scope
from lstmith.spec.quantised import IntArray


def magnitude(value: IntArray) -> IntArray:
    """Size of a cell state or of its change as the monitor sees it: one's complement, low bits dropped."""
    return np.where(value < 0, ~value, value) >> DROP


def by_fold(values: IntArray, lanes: int) -> IntArray:
    """Sums over the units of each fold: int64 [N, H] to [N, F]."""
    return np.add.reduceat(values, np.arange(0, values.shape[1], lanes), axis=1)


def judge(
    before: IntArray,
    after: IntArray,
    active: BoolArray | None,
    previous: BoolArray,
    policy: Monitor,
    config: EngineConfig,
) -> BoolArray:
    """The decision after one step.

    Parameters
    ----------
    before, after : int64 [N, H]
        Cell state.
    active : bool [N, H] or None
        Units that were computed; None is all.
    previous : bool [N, F]
        The decision of the step before.

    Returns
    -------
    bool [N, F]
        Where the low plane's changes are worth deferring.
    """
    moved, size = magnitude(after - before), magnitude(after)
    if active is not None:
        moved, size = moved * active, size * active
    changed = ((moved << policy.theta) > size).astype(np.int64)
    sums = [by_fold(values, config.lanes) for values in (moved, size, changed)]
    if policy.scope is Scope.LAYER:
        sums = [np.broadcast_to(total.sum(axis=1, keepdims=True), total.shape) for total in sums]
    moved, size = (total >> spare_bits(config.lanes) for total in sums[:2])
    changed = sums[2]
    limit = policy.low + policy.hysteresis * previous
    quiet: BoolArray = changed < limit if policy.rule is Rule.COUNT else (moved << RATIO_FRAC) < limit * size
    return quiet
