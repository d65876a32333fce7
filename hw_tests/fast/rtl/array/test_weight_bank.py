"""Weight bank: one address for writing and reading."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, run_here
from hw_tests.fast.rtl.memory_cases import memory_check
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.spec.config import EngineConfig


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Some words are there from the start."""
    init = [int(word) for word in rng.integers(0, 1 << 16, 9)]
    config = EngineConfig(lanes=3, precisions=(4, 8, 16), operand_width=16, weight_depth=16, units=8)
    return {"bank": memory_check(rng, WeightBank(config, init), 16, init)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
