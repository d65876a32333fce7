"""Seeds and clocks in turn: which are tried, which is kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import pytest

from lstmith.flow.closing import ROUNDS, TRIES, Closing, close, close_fastest, lanes_that_close

SETTINGS = [25.0, 50.0, 75.0, 90.0, 95.0, 96.0, 100.0, 125.0]


class _Tries:
    """Stands for placement: what a clock and a seed reach."""

    def __init__(self, reached: Callable[[float, int], float]):
        self._reached = reached
        self.calls: list[tuple[float, int]] = []

    def attempts(self, clock: float, seeds: Sequence[int]) -> Generator[float, None, None]:
        for seed in seeds:
            self.calls.append((clock, seed))
            yield self._reached(clock, seed)


def test_seeds_until_one_meets_the_clock() -> None:
    tries = _Tries(lambda clock, seed: 90.0 + seed)
    closing = close(tries.attempts, 95.0, 4)
    assert tries.calls == [(95.0, 4), (95.0, 5)]
    assert closing == Closing(95.0, {4: 94.0, 5: 95.0})
    assert (closing.closed, closing.best, closing.reached_mhz) == (True, 5, 95.0)


def test_no_seed_meets_the_clock() -> None:
    tries = _Tries(lambda clock, seed: 90.0 - seed)
    closing = close(tries.attempts, 95.0, 1)
    assert len(tries.calls) == TRIES
    assert (closing.closed, closing.best, closing.reached_mhz) == (False, 1, 89.0)


def test_the_fastest_clock_that_is_met() -> None:
    # Twice another design than the one that told of the clock is slower.
    reached = {50.0: 101.0, 100.0: 96.5, 96.0: 95.5, 95.0: 97.0}
    tries = _Tries(lambda clock, seed: reached[clock])
    closing = close_fastest(tries.attempts, SETTINGS, 50.0, 1)
    assert [clock for clock, _ in tries.calls] == [50.0, *[100.0] * TRIES, *[96.0] * TRIES, 95.0]
    assert closing == Closing(95.0, {1: 97.0})


def test_a_faster_clock_that_is_missed_leaves_the_one_before() -> None:
    tries = _Tries(lambda clock, seed: 80.0 if clock == 50 else 74.0)
    assert close_fastest(tries.attempts, SETTINGS, 50.0, 1) == Closing(50.0, {1: 80.0})
    assert [clock for clock, _ in tries.calls] == [50.0, *[75.0] * TRIES]


def test_a_slower_clock_where_the_first_is_missed() -> None:
    tries = _Tries(lambda clock, seed: 76.0)
    assert close_fastest(tries.attempts, SETTINGS, 100.0, 1) == Closing(75.0, {1: 76.0})


def test_no_clock_is_met() -> None:
    tries = _Tries(lambda clock, seed: clock - 1)
    closing = close_fastest(tries.attempts, SETTINGS, 96.0, 1)
    # The last one that was tried.
    assert closing == Closing(75.0, dict.fromkeys((1, 2, 3), 74.0))
    assert len({clock for clock, _ in tries.calls}) == ROUNDS
    slow = _Tries(lambda clock, seed: 20.0)
    assert close_fastest(slow.attempts, SETTINGS, 50.0, 1) == Closing(50.0, dict.fromkeys((1, 2, 3), 20.0))


@pytest.mark.parametrize(("lanes", "reached", "clock", "fewer"), [(64, 96.0, 100.0, 32), (64, 90.0, 100.0, 8)])
def test_fewer_lanes(lanes: int, reached: float, clock: float, fewer: int) -> None:
    assert lanes_that_close(lanes, reached, clock) == fewer


def test_no_lanes() -> None:
    assert lanes_that_close(4, 50.0, 100.0) == 0
