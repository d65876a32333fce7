"""Memory with one port for writing and one for reading."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, run_here
from hw_tests.fast.rtl.memory_cases import memory_check
from lstmith.rtl.prim.ram import Ram


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Some words are there from the start; the smallest has a bit of address, so two words."""
    init = [int(word) for word in rng.integers(0, 1 << 16, 9)]
    return {"ram": memory_check(rng, Ram(16, 16, init), 16, init), "one": memory_check(rng, Ram(16, 1, [3]), 2, [3])}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
