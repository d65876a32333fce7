"""Seeds and clocks in turn until a build meets its clock."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import floor, log2

#: Places and routes for a clock in MHz with seeds; the clocks that were reached, in MHz, in the order of the seeds.
#: It is closed when no more of them is wanted.
Attempts = Callable[[float, Sequence[int]], Generator[float, None, None]]

#: Instead of a clock: the fastest that is met.
AUTO = "auto"
#: Seeds that are tried for a clock.
TRIES = 3
#: Clocks that ``auto`` tries at most.
ROUNDS = 4
#: How much faster, at least, another clock has to be that ``auto`` tries.
_WORTH = 1.02
#: By what a clock grows where an engine has half the lanes: 53.6 MHz with 32 lanes and 63.7 with 2 (decision 25).
_PER_HALVING = (63.7 / 53.6) ** 0.25


@dataclass(frozen=True)
class Closing:
    """What was reached for a clock.

    Parameters
    ----------
    clock_mhz : float
    seeds : dict of int to float
        MHz that each seed reached, in the order in which they were tried.
    """

    clock_mhz: float
    seeds: dict[int, float]

    @property
    def best(self) -> int:
        """The seed that reached most."""
        return max(self.seeds, key=lambda seed: self.seeds[seed])

    @property
    def reached_mhz(self) -> float:
        """What it reached."""
        return self.seeds[self.best]

    @property
    def closed(self) -> bool:
        """Whether the clock was met."""
        return self.reached_mhz >= self.clock_mhz


def close(attempts: Attempts, clock_mhz: float, first_seed: int, tries: int = TRIES) -> Closing:
    """Try so many seeds until one meets the clock: the first of them that does, whoever is done first."""
    seeds: dict[int, float] = {}
    numbers = range(first_seed, first_seed + tries)
    with closing(attempts(clock_mhz, numbers)) as reached:
        for seed in numbers:
            seeds[seed] = next(reached)
            if seeds[seed] >= clock_mhz:
                break
    return Closing(clock_mhz, seeds)


def close_fastest(
    attempts: Attempts, settings: Sequence[float], start_mhz: float, first_seed: int, tries: int = TRIES
) -> Closing:
    """The fastest clock that is met, of those that the PLL can make.

    Every clock is another design: its PLL, the baud's divider and what the device says of itself. So what one clock's
    placement reaches only tells which clock to try next.

    Parameters
    ----------
    attempts : callable
    settings : sequence of float
        Clocks that there are, in MHz.
    start_mhz : float
        The first to try.
    first_seed : int
    tries : int
        Seeds for each clock, at most.

    Returns
    -------
    Closing
        Of the fastest clock that was met; if none was, of the last one tried.
    """
    found: Closing | None = None
    clock = start_mhz
    for _ in range(ROUNDS):
        tried = close(attempts, clock, first_seed, tries)
        if tried.closed or found is None or not found.closed:
            found = tried
        below = [setting for setting in settings if setting <= tried.reached_mhz]
        if not below or (found.closed and max(below) < _WORTH * found.clock_mhz):
            break
        clock = max(below)
    assert found is not None
    return found


def lanes_that_close(lanes: int, reached_mhz: float, clock_mhz: float) -> int:
    """Lanes, a power of two, with which an engine is expected to meet a clock that it missed; 0 if none is."""
    halvings = log2(clock_mhz / reached_mhz) / log2(_PER_HALVING)
    return 1 << floor(log2(lanes) - halvings) if halvings <= log2(lanes) else 0
