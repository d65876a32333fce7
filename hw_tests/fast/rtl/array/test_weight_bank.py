"""Weight bank: one address for writing and reading."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.checks import Check, run_here
from hw_tests.fast.rtl.memory_cases import memory_check
from lstmith.rtl.array.weight_bank import SPRAM_DEPTH, WeightBank, initialised


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Some words are there from the start."""
    init = [int(word) for word in rng.integers(0, 1 << 16, 9)]
    return {"bank": memory_check(rng, WeightBank(depth=16, family="generic", init=init), 16, init)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


@pytest.mark.parametrize(
    ("family", "depth", "can"),
    [
        ("ecp5", 1 << 20, True),
        ("ecp5", 8, True),
        ("ice40", SPRAM_DEPTH - 1, True),
        ("ice40", SPRAM_DEPTH, False),
    ],
)
def test_only_single_port_memories_begin_empty(family: str, depth: int, can: bool) -> None:
    assert initialised(depth=depth, family=family) == can
