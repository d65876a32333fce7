"""Skip predictor: its sum goes on from step to step."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.cell.predictor import Predictor, predictor_weights
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.quantised import PREDICTOR_LIMIT


def _predictor_check(rng: np.random.Generator, *, written: bool) -> Check:
    """First folds of some steps: the sum goes on from step to step unless one begins it anew."""
    inputs, units = 5, 11
    config = EngineConfig(lanes=2, precisions=(4, 8), operand_width=13, inputs=inputs, units=16, skip=True)
    new = partial(
        Predictor,
        inputs=config.inputs,
        units=config.units,
        operand_width=config.operand_width,
        family=config.family,
        pipelined=config.pipelined,
    )
    weights = rng.integers(-PREDICTOR_LIMIT, PREDICTOR_LIMIT + 1, inputs + units)
    recurrent = 1 << bits_for(config.inputs)
    place = np.concatenate([np.arange(inputs), recurrent + np.arange(units)])
    cycle, sheet = 0, Sheet(6000)
    if written:
        unit = new()
        sheet.put("w_en", np.arange(inputs + units), 1)
        sheet.put("w_addr", np.arange(inputs + units), place)
        sheet.put("w_data", np.arange(inputs + units), weights)
        cycle = inputs + units
    else:
        nothing: Any = np.zeros(0, dtype=np.int64)
        image = MemoryImage(nothing, nothing, nothing, nothing, nothing, weights, inputs, {}, {})
        unit = new(init=predictor_weights(config, image))
    total, decisions = 0, [(0, 0)]
    while cycle < sheet.cycles - 200:
        count = int(rng.integers(1, inputs + units))
        column = np.sort(rng.choice(inputs + units, count, replace=False))
        operand = rng.integers(-(1 << 12), 1 << 12, count) >> rng.integers(0, 12)
        if rng.random() < 0.1:
            # A fold without columns issues one empty entry.
            column, operand = column[:1], np.zeros(1, dtype=np.int64)
        clears = len(decisions) == 1 or rng.random() < 0.3
        at = cycle + np.cumsum(rng.choice([1, 1, 2, 5], len(column)))
        sheet.put("valid", at, 1)
        sheet.put("entry.column", at, place[column])
        sheet.put("entry.operand", at, operand)
        sheet.put("entry.clears", at[0], int(clears))
        # Without `valid` nothing counts.
        sheet.put("entry.clears", at[-1] + 1, 1)
        sheet.put("entry.operand", at[-1] + 1, 77)
        total = (0 if clears else total) + int((weights[column] * operand).sum())
        captured = int(at[-1]) + int(rng.choice([2, 2, 3, 8]))
        threshold = total + int(rng.choice([-1000, -1, 0, 1, 1000]))
        sheet.put("captured", captured, 1)
        sheet.put("threshold", slice(captured, captured + unit.latency), threshold)
        decisions.append((captured + unit.latency, int(total >= threshold)))
        # The next step waits for the decision.
        cycle = captured + unit.latency

    def verify(outputs: Table) -> None:
        at, skips = np.array(decisions).T
        assert_equal("cycles of decisions", np.flatnonzero(outputs["decision"]), at[1:])
        held = np.repeat(skips, np.diff(at, append=sheet.cycles))
        assert_equal("predicted", outputs["predicted"][: sheet.cycles], held)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Weights from the start, and written."""
    return {name: _predictor_check(rng, written=written) for name, written in (("initial", False), ("written", True))}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
