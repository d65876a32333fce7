"""The monitor's decision, in sums that are counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lstmith.golden.monitor import by_fold, judge, magnitude
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import DROP, RATIO_FRAC
from lstmith.spec.policy import Monitor, Rule, Scope

CONFIG = EngineConfig(lanes=2, precisions=(8,), planes=2, monitor=True, units=4)
ONE = 1 << DROP
#: A ratio of one half.
HALF = 1 << RATIO_FRAC >> 1


def test_magnitude_is_of_one_complement() -> None:
    assert magnitude(np.array([0, ONE, ONE - 1, -1, -ONE, -ONE - 1])).tolist() == [0, 1, 0, 0, 0, 1]


def test_sums_by_fold_take_a_last_one_that_is_not_full() -> None:
    assert by_fold(np.array([[1, 2, 3, 4, 5]]), 2).tolist() == [[3, 7, 5]]


def _deferred(moved: list[int], policy: Monitor, previous: bool = False, active: list[int] | None = None) -> list[bool]:
    """Decision where each unit of size 16 moved by so much."""
    after = np.full((1, 4), 16 * ONE)
    before = after - np.array([moved]) * ONE
    alive = None if active is None else np.array([active], dtype=bool)
    found: list[bool] = judge(before, after, alive, np.full((1, 2), previous), policy, CONFIG)[0].tolist()
    return found


@pytest.mark.parametrize(
    ("moved", "low", "wanted"),
    [
        # theta 1: a unit counts as changed when twice its move exceeds its size.
        ([8, 8, 8, 8], 1, True),
        ([9, 8, 8, 8], 1, False),
        ([9, 8, 8, 8], 2, True),
        ([9, 9, 8, 8], 2, False),
    ],
)
def test_counts_of_changed_units(moved: list[int], low: int, wanted: bool) -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.LAYER, theta=1, low=low)
    assert _deferred(moved, policy) == [wanted, wanted]


@pytest.mark.parametrize(("low", "wanted"), [(HALF, False), (HALF + 1, True)])
def test_the_ratio_of_what_moved(low: int, wanted: bool) -> None:
    policy = Monitor(rule=Rule.RATIO, scope=Scope.LAYER, low=low)
    assert _deferred([8, 8, 8, 8], policy) == [wanted, wanted]


@pytest.mark.parametrize(("moved", "wanted"), [([9, 8, 8, 8], True), ([9, 9, 8, 8], False)])
def test_the_lowest_bit_of_a_sum_over_two_lanes_does_not_count(moved: list[int], wanted: bool) -> None:
    """A half and a little more: 33 of 64 counts as 16 of 32, 34 as 17."""
    policy = Monitor(rule=Rule.RATIO, scope=Scope.LAYER, low=HALF + 1)
    assert _deferred(moved, policy) == [wanted, wanted]


def test_folds_are_judged_alone() -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.FOLD, theta=1, low=1)
    assert _deferred([0, 0, 9, 0], policy) == [True, False]


def test_hysteresis_holds_a_plane_back_that_was_deferred() -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.LAYER, theta=1, low=1, hysteresis=1)
    assert _deferred([9, 0, 0, 0], policy, previous=False) == [False, False]
    assert _deferred([9, 0, 0, 0], policy, previous=True) == [True, True]


def test_dropped_units_do_not_count() -> None:
    policy = Monitor(rule=Rule.COUNT, scope=Scope.LAYER, theta=1, low=1)
    assert _deferred([0, 0, 9, 9], policy, active=[1, 1, 0, 0]) == [True, True]


@pytest.mark.parametrize(("low", "wanted"), [(HALF, False), (HALF + 1, True)])
def test_dropped_units_have_no_size(low: int, wanted: bool) -> None:
    """Two units of 16 moved by 8 each, whatever the others do."""
    policy = Monitor(rule=Rule.RATIO, scope=Scope.LAYER, low=low)
    assert _deferred([8, 8, 9, 0], policy, active=[1, 1, 0, 0]) == [wanted, wanted]


@pytest.mark.parametrize("scope", list(Scope))
def test_sequences_are_judged_alone(scope: Scope) -> None:
    policy = Monitor(rule=Rule.COUNT, scope=scope, theta=1, low=1)
    after = np.full((2, 4), 16 * ONE)
    before = after - np.array([[0, 0, 0, 0], [9, 0, 9, 0]]) * ONE
    found = judge(before, after, None, np.zeros((2, 2), dtype=bool), policy, CONFIG)
    assert found.tolist() == [[True, True], [False, False]]
