"""Slot issuer: slots, captures and folds of entries that follow each other as closely as they may."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.sequencer import queue_cases
from lstmith.rtl.sequencer.slot_issuer import SlotIssuer
from lstmith.spec.codes import Kind
from lstmith.spec.config import PRECISIONS, EngineConfig

#: Kinds with a single row, and without.
SINGLE = (Kind.LSTM, Kind.RNN)


def _slots_check(rng: np.random.Generator, planes: int, kinds: tuple[int, ...] = (Kind.LSTM,)) -> Check:
    """Entries of all kinds, with one plane as close as they may follow; a fold ends here and there."""
    config = EngineConfig(
        lanes=4,
        precisions=PRECISIONS,
        operand_width=14,
        weight_depth=1024,
        units=16,
        inputs=16,
        planes=planes,
        kinds=kinds,
    )
    unit, sheet = SlotIssuer(config), Sheet(3000)
    cycle, folds = 4, []
    slots: list[tuple[int, ...]] = []
    while cycle < sheet.cycles - 100:
        entry = queue_cases.fetched(rng, config, sheet, cycle, [])
        slots += [(cycle + unit.latency + later, *slot) for later, slot in enumerate(entry["slots"])]
        words = entry["words"]
        if entry["last"]:
            folds.append((cycle + unit.latency + words.capture_delay(config), entry["fold"]))
        # With two planes entries pass a queue, which is empty here.
        apart = 4 if entry["last"] else int(rng.choice([0, 0, 3]))
        cycle += words.count + apart + (12 if planes > 1 else 0)
    # No result takes a place in the output queue.
    sheet.put("fetch.entry.emits", slice(None), 0)

    def verify(outputs: Table) -> None:
        at, *columns = np.array(slots).T
        assert_equal("cycles of slots", np.flatnonzero(outputs["slot.valid"]), at)
        for name, want in zip(queue_cases.SLOT, columns, strict=True):
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
    """Entries one by one; with two planes also as far ahead as the queue takes them."""
    checks = {f"planes_{planes}": _slots_check(rng, planes) for planes in (1, 2)}
    checks |= {f"single_{planes}": _slots_check(rng, planes, SINGLE) for planes in (1, 2)}
    checks["single_queue"] = queue_cases.issuer_check(rng, sequences=1, kinds=SINGLE)
    direct = EngineConfig(lanes=3, precisions=PRECISIONS, units=16, inputs=8)
    checks["throttle"] = queue_cases.throttle_check(rng, direct, issuer=True)
    checks["queue_of_four_rows"] = queue_cases.issuer_check(rng, sequences=1, rows_per_cycle=4)
    return checks | {f"queue_{sequences}": queue_cases.issuer_check(rng, sequences=sequences) for sequences in (1, 2)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
