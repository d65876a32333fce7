"""Throttle: every entry fires in the first cycle that the array is free for it."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, run_here
from hw_tests.fast.rtl.sequencer.queue_cases import throttle_check
from lstmith.spec.codes import Kind
from lstmith.spec.config import PRECISIONS, EngineConfig


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Lanes and rows per cycle that differ; the output queue is full now and then."""
    found = {}
    for lanes, rows_per_cycle, kinds in (
        (1, 2, (Kind.LSTM,)),
        (3, 1, (Kind.LSTM, Kind.DENSE)),
        (4, 2, (Kind.LSTM,)),
        (5, 2, (Kind.LSTM, Kind.DENSE)),
        (6, 4, (Kind.LSTM,)),
        (7, 4, (Kind.LSTM, Kind.DENSE)),
    ):
        config = EngineConfig(
            lanes=lanes, precisions=PRECISIONS, rows_per_cycle=rows_per_cycle, units=16, inputs=8, kinds=kinds
        )
        found[f"{lanes}_{rows_per_cycle}"] = throttle_check(rng, config)
    return found


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
