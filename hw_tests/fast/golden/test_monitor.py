"""The monitor's decision, in sums that are counted by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lstmith.golden.monitor import by_fold, judge, magnitude
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import DROP, RATIO_FRAC
from lstmith.spec.policy import Monitor, Rule, Scope

CONFIG = EngineConfig(lanes=2, precisions=(4, 8, 16), mixed=True, monitor=True, units=4)
LAYER: Any = SimpleNamespace(precision=16, variants=(4, 8))
ONE = 1 << DROP
#: A ratio of one half.
HALF = 1 << RATIO_FRAC >> 1


def test_magnitude_is_of_one_complement() -> None:
    assert magnitude(np.array([0, ONE, ONE - 1, -1, -ONE, -ONE - 1])).tolist() == [0, 1, 0, 0, 0, 1]


def test_sums_by_fold_take_a_last_one_that_is_not_full() -> None:
    assert by_fold(np.array([[1, 2, 3, 4, 5]]), 2).tolist() == [[3, 7, 5]]


def _fold_precisions(
    moved: list[int], policy: Monitor, previous: int = 16, active: list[int] | None = None
) -> list[int]:
    """Decision where each unit of size 16 moved by so much."""
    after = np.full((1, 4), 16 * ONE)
    before = after - np.array([moved]) * ONE
    alive = None if active is None else np.array([active], dtype=bool)
    level, _ = judge(before, after, alive, np.full((1, 2), previous), policy, LAYER, CONFIG)
    return level[0].tolist()


@pytest.mark.parametrize(
    ("moved", "low", "middle", "wanted"),
    [
        # theta 1: a unit counts as changed when twice its move exceeds its size.
        ([8, 8, 8, 8], 1, 1, 4),
        ([9, 8, 8, 8], 1, 2, 8),
        ([9, 9, 8, 8], 1, 2, 16),
        ([9, 9, 8, 8], 3, 3, 4),
    ],
)
def test_counts_of_changed_units(moved: list[int], low: int, middle: int, wanted: int) -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.LAYER, theta=1, low=low, middle=middle)
    assert _fold_precisions(moved, policy) == [wanted, wanted]


def test_folds_are_judged_alone() -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.FOLD, theta=1, low=1, middle=2)
    assert _fold_precisions([0, 0, 9, 0], policy) == [4, 8]


def test_hysteresis_holds_a_level_that_was_reached() -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.LAYER, theta=1, low=1, middle=1, hysteresis=1)
    assert _fold_precisions([9, 0, 0, 0], policy, previous=16) == [16, 16]
    assert _fold_precisions([9, 0, 0, 0], policy, previous=4) == [4, 4]


def test_dropped_units_do_not_count() -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.LAYER, theta=1, low=1, middle=1)
    assert _fold_precisions([0, 0, 9, 9], policy, active=[1, 1, 0, 0]) == [4, 4]


@pytest.mark.parametrize(("above", "wanted"), [(0, False), (HALF, True), (HALF + 1, False)])
def test_a_restart_is_wished_above_a_ratio(above: int, wanted: bool) -> None:
    policy = Monitor(rule=Rule.RATIO, scope=Scope.LAYER, low=1, middle=2, restart_above=above)
    after = np.full((1, 4), 16 * ONE)
    _, requested = judge(after // 2, after, None, np.full((1, 2), 16), policy, LAYER, CONFIG)
    assert requested.tolist() == [wanted]
