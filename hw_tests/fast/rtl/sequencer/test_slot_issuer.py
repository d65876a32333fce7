"""Slot issuer: slots, captures and folds of entries that follow each other as closely as they may."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here, wrap
from hw_tests.fast.rtl.sequencer import queue_cases
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.sequencer.slot_issuer import SlotIssuer
from lstmith.spec import latency as timing
from lstmith.spec.config import PRECISIONS, EngineConfig


def _slots_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Entries of all precisions, with one variant as close as they may follow; a fold ends here and there."""
    config = EngineConfig(
        lanes=4, precisions=(4, 8, 16), operand_width=14, weight_depth=1024, units=16, inputs=16, mixed=mixed
    )
    unit, sheet = SlotIssuer(config), Sheet(3000)
    cycle, slots, folds = 4, [], []
    # With weight variants entries pass a queue, which is empty here.
    late = unit.latency
    while cycle < sheet.cycles - 100:
        precision, last, from_x = int(rng.integers(3)), bool(rng.random() < 0.2), bool(rng.random() < 0.5)
        empty = bool(rng.random() < 0.05)
        base, column, operand = int(rng.integers(0, 900)), int(rng.integers(16)), int(rng.integers(-8192, 8192))
        fold = {"first": int(rng.integers(2)), "last": int(rng.integers(2)), "lanes": int(rng.integers(4))}
        low_base, lower, lowered = int(rng.integers(0, 900)), max(precision - 1, 0), mixed and bool(rng.random() < 0.3)
        low = mixed and precision > 0 and bool(rng.random() < 0.5)
        fetch: dict[str, Any] = {"from_x": from_x, "empty": empty, "last": last, "base": base, "precision": precision}
        fetch |= {"first_fold": fold["first"], "last_fold": fold["last"], "lanes": fold["lanes"]}
        fetch |= {"low": lower, "low_base": low_base, "lowered": lowered} if mixed else {}
        for name, value in fetch.items():
            sheet.put(f"fetch.entry.{name}", cycle, int(value))
        sheet.put("fetch.valid", cycle, 1)
        for own, other in (("x_list", "h_list") if from_x else ("h_list", "x_list"),):
            sheet.put(f"{own}.entry.column", cycle + RAM_LATENCY, column)
            sheet.put(f"{own}.entry.operand", cycle + RAM_LATENCY, operand)
            sheet.put(f"{other}.entry.column", cycle + RAM_LATENCY, 15 - column)
            if mixed:
                sheet.put(f"{own}.entry.low", cycle + RAM_LATENCY, int(low))
                sheet.put(f"{other}.entry.low", cycle + RAM_LATENCY, int(rng.integers(2)))
        used, begin = precision, base + (column << precision)
        if low and not lowered and not empty:
            # Operands of the lower variant carry what its weights lack.
            operand = int(wrap(np.array([operand << (8 if precision == 2 else 4)]), config.operand_width)[0])
            used, begin = lower, low_base + (column << lower)
        words = 1 << used
        for sub in range(words):
            slots.append((cycle + late + sub, (begin + sub) % 1024, 0 if empty else operand, used, sub))
        if last:
            folds.append((cycle + late + timing.capture_delay(words), fold))
        cycle += words + (4 if last else int(rng.choice([0, 0, 3]))) + (10 if mixed else 0)

    def verify(outputs: Table) -> None:
        at, address, operand, precision, sub = np.array(slots).T
        assert_equal("cycles of slots", np.flatnonzero(outputs["slot.valid"]), at)
        wanted = {"address": address, "operand": operand, "precision": precision, "sub": sub}
        for name, want in wanted.items():
            assert_equal(name, outputs[f"slot.{name}"][at], want)
        captured = np.array([cycle for cycle, _ in folds])
        # The first slot after the reset clears the lanes.
        assert_equal("first captures", np.flatnonzero(outputs["slot.capture"] & 1), [0, *captured])
        assert_equal("second captures", np.flatnonzero(outputs["slot.capture"] & 2), [0, *(captured + 1)])
        assert_equal("cycles of folds", np.flatnonzero(outputs["fold_valid"]), captured)
        for name in ("first", "last", "lanes"):
            assert_equal(name, outputs[f"fold.{name}"][captured], [fold[name] for _, fold in folds])

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Entries one by one; with weight variants also as far ahead as the queue takes them."""
    checks = {name: _slots_check(rng, mixed=mixed) for name, mixed in (("single", False), ("mixed", True))}
    direct = EngineConfig(lanes=3, precisions=PRECISIONS, units=16, inputs=8)
    checks["throttle"] = queue_cases.throttle_check(rng, direct, issuer=True)
    return checks | {
        f"queue_{int(monitor)}": queue_cases.issuer_check(rng, monitor=monitor) for monitor in (False, True)
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
