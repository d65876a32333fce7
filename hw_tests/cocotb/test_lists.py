"""What makes, keeps and walks the column lists, each alone: encoders, stores, issue and sequencer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.lib import data

from hw_tests.cocotb.vectors import SIMULATORS, Check, Sheet, Table, assert_equal, run_checks, wrap
from lstmith.golden import record, timing
from lstmith.golden.config import EngineConfig
from lstmith.golden.encoder import encode
from lstmith.golden.policy import Mode
from lstmith.golden.quantised import Grid
from lstmith.rtl.encoder import Encoder
from lstmith.rtl.feedback import Feedback
from lstmith.rtl.input import InputStage
from lstmith.rtl.issue import READ, Issue
from lstmith.rtl.program import ProgramStore
from lstmith.rtl.sequencer import Sequencer

Ints = npt.NDArray[np.int64]


def _grid(shift: int, exponent: int, unsigned: bool) -> Grid:
    top = (1 << (15 - shift)) - 1
    return Grid(shift, 0 if unsigned else -top - 1, top, exponent)


def _encoder_check(rng: np.random.Generator) -> Check:
    """Every value with its own grid, mode, threshold and flags; references in turn, as close as allowed."""
    config = EngineConfig(lanes=1, precisions=(8,), operand_width=18)
    references, count = 5, 8000
    unit = Encoder(config, references, data.StructLayout({"mark": 8}))
    value = rng.integers(-32768, 32768, count) >> rng.integers(0, 8, count)
    index = np.arange(count) % references
    shift, exponent = rng.integers(0, 16, count), rng.integers(0, 5, count)
    unsigned, mode, theta = (
        rng.random(count) < 0.3,
        rng.integers(0, 3, count),
        rng.choice([0, 0, 1, 5, 300, 65535], count),
    )
    forget, exact, valid = rng.random(count) < 0.1, rng.random(count) < 0.1, rng.random(count) < 0.8
    kept, listed, operand = np.zeros((references, 1), dtype=np.int64), np.zeros(count, dtype=bool), np.zeros_like(value)
    for at in np.flatnonzero(valid):
        place, step_mode = index[at], Mode(int(mode[at]))
        on_grid = _grid(int(shift[at]), int(exponent[at]), bool(unsigned[at])).apply(value[at : at + 1])
        cleared = step_mode is not Mode.DELTA or forget[at] or exact[at]
        before = np.zeros(1, dtype=np.int64) if cleared else kept[place].copy()
        seen, kept[place] = encode(on_grid, before, step_mode, int(theta[at]), restart=bool(exact[at]))
        listed[at], operand[at] = seen[0], (on_grid - before)[0] << exponent[at]
    grid = {"shift": shift, "exponent": exponent, "unsigned": unsigned, "mode": mode, "theta": theta}
    grid |= {"forget": forget, "exact": exact}
    table = {f"grid.{name}": values for name, values in grid.items()}
    table |= {"valid": valid, "value": value, "index": index, "tag.mark": np.arange(count) % 256}

    def verify(outputs: Table) -> None:
        late = slice(unit.latency, unit.latency + count)
        assert_equal("o_valid", outputs["o_valid"][late], valid)
        assert_equal("o_listed", outputs["o_listed"][late][valid], listed[valid])
        assert_equal("o_operand", outputs["o_operand"][late][valid], wrap(operand[valid], config.operand_width))
        assert_equal("o_tag", outputs["o_tag.mark"][late][valid], np.flatnonzero(valid) % 256)

    return Check(unit, table, verify)


def _input_check(rng: np.random.Generator) -> Check:
    """Steps of random width; each list is read back after it is finished, then freed."""
    config = EngineConfig(lanes=1, precisions=(8,), operand_width=18, inputs=7)
    unit, steps, sheet = InputStage(config), 40, Sheet(4000)
    inputs, grid, theta = 6, _grid(6, 1, unsigned=False), 20
    for name, setting in (("shift", 6), ("exponent", 1), ("mode", Mode.DELTA), ("theta", theta)):
        sheet.put(f"grid.{name}", slice(None), int(setting))
    sheet.put("inputs", slice(None), inputs - 1)
    reference = np.zeros((1, inputs), dtype=np.int64)
    lists: list[tuple[int, int, list[tuple[int, int]], bool, bool]] = []
    read_at: list[Ints] = []
    cycle, accepted = 0, []
    for step in range(steps):
        start, restart = step == 0 or bool(rng.random() < 0.1), bool(rng.random() < 0.1)
        x = rng.integers(-32768, 32768, (1, inputs)) * (rng.random((1, inputs)) < 0.7)
        x = np.where(rng.random((1, inputs)) < 0.4, reference << grid.shift, x)
        for element in range(inputs):
            cycle += int(rng.choice([0, 0, 2]))
            sheet.put("x.payload.value", cycle, x[0, element])
            sheet.put("x.payload.start", cycle, int(start and element == 0))
            sheet.put("x.payload.restart", cycle, int(restart and element == 0))
            sheet.put("x.valid", cycle, 1)
            accepted.append(cycle)
            cycle += 1
        before = np.zeros_like(reference) if start or restart else reference
        seen, reference = encode(grid.apply(x), before, Mode.DELTA, theta, start or restart)
        entries = [(column, int((reference - before)[0, column]) << 1) for column in range(inputs) if seen[0, column]]
        ready = cycle - 1 + timing.INPUT_READY
        lists.append((ready, step % 2, entries, start, restart))
        read_at.append(ready + np.arange(inputs))
        sheet.put("r_addr", read_at[-1], np.arange(inputs) + (step % 2 << 3))
        cycle += timing.INPUT_READY + inputs + 3
        sheet.put("release", cycle, 1 << step % 2)
        cycle += 2
    # With both buffers full the stage takes no more: all elements are offered at once.
    burst = cycle
    sheet.put("x.valid", slice(burst, burst + 200), 1)
    first = burst + np.arange(inputs)
    taken = np.concatenate([first, first + inputs + timing.INPUT_GAP])

    def verify(outputs: Table) -> None:
        ready_signal = outputs["x.ready"]
        assert ready_signal[accepted].all(), "an element was not taken"
        assert_equal("burst", burst + np.flatnonzero(ready_signal[burst : burst + 200]), taken)
        for (ready, buffer, entries, start, restart), at in zip(lists, read_at, strict=True):
            full = outputs["full"] >> buffer & 1
            assert full[ready] == 1, "the list is late"
            assert full[ready - 1] == 0, "the list is early"
            assert outputs[f"step.{buffer}.count"][ready] == len(entries)
            assert outputs[f"step.{buffer}.start"][ready] == start
            assert outputs[f"step.{buffer}.restart"][ready] == restart
            done = at[: len(entries)] + READ
            have = list(zip(outputs["entry.column"][done], outputs["entry.operand"][done], strict=True))
            assert have == entries

    return Check(unit, sheet.table, verify)


def _feedback_check(rng: np.random.Generator) -> Check:
    """One layer's h, step after step: counts grow in time, the list for the next step is complete."""
    config = EngineConfig(lanes=1, precisions=(8,), operand_width=18, units=16)
    unit, units, steps, sheet = Feedback(config), 11, 30, Sheet(4000)
    shift, theta = 5, 40
    for name, setting in (("h_shift", shift), ("mode", Mode.DELTA), ("theta_h", theta)):
        sheet.put(f"pass_.record.{name}", slice(None), int(setting))
    reference, cycle = np.zeros((1, units), dtype=np.int64), 0
    expected: list[tuple[int, list[int], list[tuple[int, int]], Ints]] = []
    for step in range(steps):
        h = np.where(rng.random((1, units)) < 0.3, reference << shift, rng.integers(-32767, 32768, (1, units)))
        at = cycle + 1 + np.cumsum(rng.integers(1, 5, units))
        start = step == 0
        end = int(at[-1]) + 60
        sheet.put("pass_.start", slice(cycle, end), int(start))
        sheet.put("pass_.parity", slice(cycle, end), step % 2)
        sheet.put("h_valid", at, 1)
        sheet.put("h", at, h[0])
        sheet.put("h_unit", at, np.arange(units))
        sheet.put("h_last", at[-1], 1)
        before = np.zeros_like(reference) if start else reference
        seen, reference = encode(_grid(shift, 0, unsigned=False).apply(h), before, Mode.DELTA, theta, restart=False)
        entries = [(column, int((reference - before)[0, column])) for column in range(units) if seen[0, column]]
        visible = [int(at[column]) + timing.ENCODE for column, _ in entries]
        read_at = int(at[-1]) + 10 + np.arange(units)
        sheet.put("r_addr", read_at, np.arange(units) + ((step % 2 ^ 1) << config.unit_bits))
        expected.append((int(at[-1]), visible, entries, read_at))
        cycle = end

    def verify(outputs: Table) -> None:
        drained = [last + timing.ENCODE - 1 for last, *_ in expected]
        assert_equal("drained", np.flatnonzero(outputs["drained"]), drained)
        for (last, visible, entries, read_at), end in zip(expected, drained, strict=True):
            for number, cycle in enumerate(visible):
                if cycle <= end:
                    assert outputs["counts.0"][cycle] >= number + 1, "an entry is visible late"
                assert outputs["counts.0"][cycle - 1] <= number, "an entry is visible early"
            assert outputs["counts.0"][end + 1] == 0
            assert outputs["done.0"][end + 1] == outputs["own_counts.0"][last + 20] == len(entries)
            done = read_at[: len(entries)] + READ
            have = list(zip(outputs["entry.column"][done], outputs["entry.operand"][done], strict=True))
            assert have == entries

    return Check(unit, sheet.table, verify)


def _program_check(rng: np.random.Generator) -> Check:
    """Three layers' records, written over the bus, fetched in turn and at will."""
    config = EngineConfig(lanes=1, precisions=(8,), layers=3)
    unit, sheet = ProgramStore(config), Sheet(600)
    records = []
    for layer in range(3):
        values = {name: int(rng.integers(0, 1 << width)) for name, width in record.FIELDS.items()}
        records.append(values | {"last_layer": int(layer == 2)})
        for word, content in enumerate(record.pack(records[-1])):
            at = layer * record.RECORD_STRIDE + word
            sheet.put("w_en", at, 1)
            sheet.put("w_addr", at, at)
            sheet.put("w_data", at, content)
    looks = []
    layer, cycle = 0, 60
    for turn in range(12):
        if turn % 4 == 3:
            layer = int(rng.integers(3))
            sheet.put("select", cycle, 1)
            sheet.put("layer_select", cycle, layer)
        elif turn:
            sheet.put("advance", cycle, 1)
            layer = (layer + 1) % 3
        looks.append((cycle, layer, turn > 0))
        cycle += unit.fetch_latency + 5

    def verify(outputs: Table) -> None:
        for begin, want, fetched in looks:
            at = begin + unit.fetch_latency
            assert not fetched or outputs["loaded"][at - 1] == 0
            assert outputs["loaded"][at] == 1
            assert outputs["layer"][at] == want
            for name, content in records[want].items():
                assert outputs[f"record.{name}"][at] == content, name

    return Check(unit, sheet.table, verify)


def _issue_check(rng: np.random.Generator) -> Check:
    """Entries of all precisions as close as they may follow; a fold ends here and there."""
    config = EngineConfig(lanes=4, precisions=(4, 8, 16), operand_width=14, weight_depth=1024, units=16, inputs=16)
    unit, sheet = Issue(config), Sheet(3000)
    cycle, slots, folds = 4, [], []
    while cycle < sheet.cycles - 100:
        precision, last, from_x = int(rng.integers(3)), bool(rng.random() < 0.2), bool(rng.random() < 0.5)
        empty = bool(rng.random() < 0.05)
        base, column, operand = int(rng.integers(0, 900)), int(rng.integers(16)), int(rng.integers(-8192, 8192))
        fold = {"first": int(rng.integers(2)), "last": int(rng.integers(2)), "lanes": int(rng.integers(4))}
        fire: dict[str, Any] = {"from_x": from_x, "empty": empty, "last": last, "base": base, "precision": precision}
        fire |= {"first_fold": fold["first"], "last_fold": fold["last"], "lanes": fold["lanes"]}
        for name, value in fire.items():
            sheet.put(f"fire.{name}", cycle, int(value))
        sheet.put("fire_valid", cycle, 1)
        for own, other in (("x_entry", "h_entry") if from_x else ("h_entry", "x_entry"),):
            sheet.put(f"{own}.column", cycle + READ, column)
            sheet.put(f"{own}.operand", cycle + READ, operand)
            sheet.put(f"{other}.column", cycle + READ, 15 - column)
        words = 1 << precision
        for sub in range(words):
            slots.append(
                (cycle + READ + 1 + sub, base + (column << precision) + sub, 0 if empty else operand, precision, sub)
            )
        if last:
            folds.append((cycle + READ + 1 + timing.capture_delay(words), fold))
        cycle += words + (4 if last else int(rng.choice([0, 0, 3])))

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
    fields |= {"weight_base": 8, "h_offset": 8 * words, "fold_stride": 17 * words, "unit_base": 2}
    for name, setting in fields.items():
        sheet.put(f"record.{name}", slice(None), int(setting))
    sheet.put("loaded", slice(None), 1)
    # Step 0 is in buffer 0; its drain takes long, and meanwhile step 1 from buffer 1 waits for h.
    begin, grow, drained = 5, 300, 700
    sheet.put("full", slice(begin, 250), 1)
    sheet.put("full", slice(250, 1000), 2)
    sheet.put("step.0.count", slice(None), x_count)
    sheet.put("step.0.start", slice(None), 1)
    sheet.put("step.1.count", slice(None), x_count)
    counts = np.zeros(sheet.cycles, dtype=np.int64)
    visible = grow + 20 * np.arange(h_count) + rng.integers(0, 15, h_count)
    for cycle in visible:
        counts[cycle:] += 1
    counts[drained + 1 :] = 0
    sheet.put("counts.0", slice(None), counts)
    sheet.put("drained", drained, 1)
    sheet.put("done.0", slice(drained + 1, None), h_count)

    def verify(outputs: Table) -> None:
        fires = np.flatnonzero(outputs["fire_valid"])
        first, second = fires[fires < 250], fires[fires >= 250]
        entries = np.arange(x_count + h_count)
        assert_equal("step 0 in order", outputs["x_addr"][first], np.tile(np.arange(x_count), folds))
        from_x = np.tile(entries < x_count, folds)
        assert_equal("step 1 kinds", outputs["fire.from_x"][second], from_x)
        place = outputs["x_addr"][second] & 7
        assert_equal("x in order", place[from_x], np.tile(np.arange(x_count), folds))
        h_place = outputs["h_addr"][second] & 15
        assert_equal("h in order", h_place[~from_x], np.tile(2 + np.arange(h_count), folds))
        h_fires = second[~from_x][: h_count - 1]
        assert (h_fires >= visible[1:]).all(), "an entry fired before its successor was known"
        assert (h_fires <= visible[1:] + 1).all(), "an entry waited for nothing"
        for step, (own, width) in enumerate(((first, x_count), (second, x_count + h_count))):
            ends = own[width - 1 :: width]
            assert_equal(
                f"ends of step {step}", np.flatnonzero(outputs["fire.last"][own]), width * np.arange(1, folds + 1) - 1
            )
            assert (np.diff(own) >= words).all(), "an entry was not given its cycles"
            assert (np.diff(ends) >= config.unit_cycles * lanes).all(), "a fold ended before the one before had left"
        assert second[x_count + h_count - 1] > drained, "a step ended before the one before had drained"
        base = outputs["fire.base"][second].reshape(folds, -1)
        assert_equal("x base", base[:, 0], 8 + 17 * words * np.arange(folds))
        assert_equal("h base", base[:, -1], 8 + 8 * words + 17 * words * np.arange(folds))

    return Check(unit, sheet.table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_lists(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {
        "encoder": _encoder_check(rng),
        "input": _input_check(rng),
        "feedback": _feedback_check(rng),
        "program": _program_check(rng),
        "issue": _issue_check(rng),
    }
    for precision in range(3):
        checks[f"sequencer_{precision}"] = _sequencer_check(rng, precision)
    run_checks(checks, simulator, tmp_path)
