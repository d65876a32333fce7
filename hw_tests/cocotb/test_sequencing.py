"""What walks the column lists, each alone: program store, sequencer, issue."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.checks import Check, Sheet, Table, assert_equal, wrap
from hw_tests.cocotb.vectors import SIMULATORS, run_checks
from lstmith.rtl.program_store import ProgramStore
from lstmith.rtl.sequencer.issue import READ, Issue
from lstmith.rtl.sequencer.sequencer import Sequencer
from lstmith.spec import latency as timing
from lstmith.spec import layer_descriptor as record
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode


def _program_check(rng: np.random.Generator) -> Check:
    """Three layers' records at two active counts, written over the bus, fetched in turn and at will."""
    config = EngineConfig(lanes=1, precisions=(8,), layers=3, masks=2)
    unit, sheet = ProgramStore(config), Sheet(900)
    records = {}
    for mask, layer in itertools.product(range(2), range(3)):
        values = {name: int(rng.integers(0, 1 << width)) for name, width in record.FIELDS.items()}
        records[layer, mask] = values | {"last_layer": int(layer == 2)}
        for word, content in enumerate(record.pack(records[layer, mask])):
            at = (4 * mask + layer) * record.RECORD_STRIDE + word
            sheet.put("w_en", at, 1)
            sheet.put("w_addr", at, at)
            sheet.put("w_data", at, content)
    looks = []
    layer, mask, cycle = 0, 0, 140
    for turn in range(16):
        if turn % 4 == 3:
            layer, mask = int(rng.integers(3)), int(rng.integers(2))
            sheet.put("select", cycle, 1)
            sheet.put("layer_select", cycle, layer)
            sheet.put("mask_select", cycle, mask)
        elif turn:
            sheet.put("advance", cycle, 1)
            layer = (layer + 1) % 3
        looks.append((cycle, (layer, mask), turn > 0))
        cycle += unit.fetch_latency + 5

    def verify(outputs: Table) -> None:
        for begin, want, fetched in looks:
            at = begin + unit.fetch_latency
            assert not fetched or outputs["loaded"][at - 1] == 0
            assert outputs["loaded"][at] == 1
            assert outputs["layer"][at] == want[0]
            for name, content in records[want].items():
                assert outputs[f"record.{name}"][at] == content, name

    return Check(unit, sheet.table, verify)


def _issue_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Entries of all precisions, with one image as close as they may follow; a fold ends here and there."""
    config = EngineConfig(
        lanes=4, precisions=(4, 8, 16), operand_width=14, weight_depth=1024, units=16, inputs=16, mixed=mixed
    )
    unit, sheet = Issue(config), Sheet(3000)
    cycle, slots, folds = 4, [], []
    # With mixed images entries pass a queue, which is empty here.
    late = 1 + (unit.queue_latency if mixed else READ)
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
            sheet.put(f"fetch.{name}", cycle, int(value))
        sheet.put("fetch_valid", cycle, 1)
        for own, other in (("x_entry", "h_entry") if from_x else ("h_entry", "x_entry"),):
            sheet.put(f"{own}.column", cycle + READ, column)
            sheet.put(f"{own}.operand", cycle + READ, operand)
            sheet.put(f"{other}.column", cycle + READ, 15 - column)
            if mixed:
                sheet.put(f"{own}.low", cycle + READ, int(low))
                sheet.put(f"{other}.low", cycle + READ, int(rng.integers(2)))
        used, begin = precision, base + (column << precision)
        if low and not lowered and not empty:
            # Operands of the lower image carry what its weights lack.
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


def _sequencer_check(rng: np.random.Generator, precision: int) -> Check:
    """A start, then a step whose h list grows while it is issued: every entry once, in order, never too soon."""
    lanes, folds, x_count, h_count = 3, 4, 5, 9
    config = EngineConfig(lanes=lanes, precisions=(4, 8, 16), inputs=8, units=16)
    unit, sheet, words = Sequencer(config, 1), Sheet(1200), 1 << precision
    fields = {"precision": precision, "mode": Mode.DELTA, "last_layer": 1, "folds": folds - 1, "last_lanes": 1}
    fields |= {f"base_{4 << precision}": 8, "inputs": 8, "columns": 17, "unit_base": 2}
    for name, setting in fields.items():
        sheet.put(f"record.{name}", slice(None), int(setting))
    sheet.put("loaded", slice(None), 1)
    # Step 0 is in buffer 0; its drain takes long, and meanwhile step 1 from buffer 1 waits for h.
    begin, grow, drained = 5, 300, 700
    sheet.put("full", slice(begin, 250), 1)
    sheet.put("full", slice(250, 1000), 2)
    sheet.put("step.0.lengths.0.count", slice(None), x_count)
    sheet.put("step.0.start", slice(None), 1)
    sheet.put("step.1.lengths.0.count", slice(None), x_count)
    counts = np.zeros(sheet.cycles, dtype=np.int64)
    visible = grow + 20 * np.arange(h_count) + rng.integers(0, 15, h_count)
    for cycle in visible:
        counts[cycle:] += 1
    counts[drained + 1 :] = 0
    sheet.put("lengths.0.0.count", slice(None), counts)
    sheet.put("drained", drained, 1)
    sheet.put("done.0.0.count", slice(drained + 1, None), h_count)

    def verify(outputs: Table) -> None:
        fires = np.flatnonzero(outputs["fetch_valid"])
        first, second = fires[fires < 250], fires[fires >= 250]
        entries = np.arange(x_count + h_count)
        assert_equal("step 0 in order", outputs["x_addr"][first], np.tile(np.arange(x_count), folds))
        from_x = np.tile(entries < x_count, folds)
        assert_equal("step 1 kinds", outputs["fetch.from_x"][second], from_x)
        place = outputs["x_addr"][second] & 7
        assert_equal("x in order", place[from_x], np.tile(np.arange(x_count), folds))
        h_place = outputs["h_addr"][second] & 15
        assert_equal("h in order", h_place[~from_x], np.tile(2 + np.arange(h_count), folds))
        h_fires = second[~from_x][: h_count - 1]
        # It leaves a cycle after it is fetched.
        known = visible[1:] + timing.LOOK + 1
        assert (h_fires >= known).all(), "an entry fired before its successor was known"
        assert (h_fires <= known + 1).all(), "an entry waited for nothing"
        for step, (own, width) in enumerate(((first, x_count), (second, x_count + h_count))):
            ends = own[width - 1 :: width]
            assert_equal(
                f"ends of step {step}", np.flatnonzero(outputs["fetch.last"][own]), width * np.arange(1, folds + 1) - 1
            )
            assert (np.diff(own) >= words).all(), "an entry was not given its cycles"
            assert (np.diff(ends) >= config.unit_cycles * lanes).all(), "a fold ended before the one before had left"
        assert second[x_count + h_count - 1] > drained, "a step ended before the one before had drained"
        base = outputs["fetch.base"][second].reshape(folds, -1)
        assert_equal("x base", base[:, 0], 8 + 17 * words * np.arange(folds))
        assert_equal("h base", base[:, -1], 8 + 8 * words + 17 * words * np.arange(folds))

    return Check(unit, sheet.table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_sequencing(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {"program": _program_check(rng)}
    for name, mixed in (("single", False), ("mixed", True)):
        checks[f"issue_{name}"] = _issue_check(rng, mixed=mixed)
    for precision in range(3):
        checks[f"sequencer_{precision}"] = _sequencer_check(rng, precision)
    run_checks(checks, simulator, tmp_path)
