"""Input stage: lists of steps, skipped steps, and when it takes elements."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.lists.list_cases import Entries, Ints, assert_entries, entries_of, widest_grid
from lstmith.golden.encoder import distance as encoder_distance
from lstmith.golden.encoder import follow
from lstmith.rtl.lists.input_stage import InputStage
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode


def _input_check(rng: np.random.Generator, *, full: bool) -> Check:
    """Steps of an engine with everything or nothing; lists are read back after they are finished, then freed."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, inputs=7, mixed=full, skip=full)
    unit, steps, sheet = InputStage(config), 60, Sheet(6000)
    inputs, grid, theta, taus, change, limit = 6, widest_grid(6, 1, unsigned=False), 20, (30, 200), 150, 2
    settings = {
        "settings.grid.shift": 6,
        "settings.grid.exponent": 1,
        "settings.grid.mode": Mode.DELTA,
        "settings.grid.theta": theta,
    }
    settings |= {
        "settings.grid.tau": taus[0],
        "settings.grid.restart_tau": taus[1],
        "settings.skip.change": change,
        "settings.skip.limit": limit,
    }
    for name, setting in settings.items():
        sheet.put(name, slice(None), int(setting))
    sheet.put("settings.inputs", slice(None), inputs - 1)
    reference = np.zeros((1, inputs), dtype=np.int64)
    lists: list[tuple[int, int, list[Entries], dict[str, int], list[Ints]]] = []
    outcomes: list[tuple[int, int]] = []
    cycle, accepted, in_a_row, buffer = 0, [], 0, 0
    ready_after = unit.latency
    for step in range(steps):
        start, restart = step == 0 or bool(rng.random() < 0.1), bool(rng.random() < 0.1)
        flags = {"start": int(start), "restart": int(restart), "mask": int(rng.integers(8))}
        if not (start or restart) and rng.random() < 0.15:
            sheet.put("x.payload.mark", cycle, 1)
            sheet.put("x.valid", cycle, 1)
            accepted.append(cycle)
            outcomes.append((cycle + unit.mark_latency, 1))
            cycle += 1
            continue
        x = rng.integers(-32768, 32768, (1, inputs)) * (rng.random((1, inputs)) < 0.7)
        x = np.where(rng.random((1, inputs)) < rng.choice([0.4, 1.0]), reference << grid.shift, x)
        for element in range(inputs):
            cycle += int(rng.choice([0, 0, 2]))
            sheet.put("x.payload.value", cycle, x[0, element])
            for name, flag in flags.items():
                # Flags of other elements do not count.
                sheet.put(f"x.payload.{name}", cycle, flag if element == 0 else int(rng.integers(2)))
            sheet.put("x.valid", cycle, 1)
            accepted.append(cycle)
            cycle += 1
        ready = cycle - 1 + ready_after
        exact = start or restart
        distance = int(encoder_distance(grid.apply(x), reference).sum())
        skipped = full and not exact and distance < change and in_a_row < limit
        outcomes.append((ready, int(skipped)))
        cycle += ready_after + 2 * inputs + 3
        if skipped:
            in_a_row += 1
            continue
        in_a_row = 0
        after = follow(grid.apply(x), reference, Mode.DELTA, theta, exact)
        entries = entries_of(reference, after, grid.exponent, taus, values=exact, mixed=full)
        reference = after
        read_at = [ready + which * inputs + np.arange(inputs) for which in range(len(entries))]
        for which, at in enumerate(read_at):
            sheet.put("read.address", at, np.arange(inputs) + (buffer << 3))
            sheet.put("read.list", at, which)
        lists.append((ready, buffer, entries, flags, read_at))
        sheet.put("release", cycle, 1 << buffer)
        buffer = 1 - buffer
        cycle += 2
    # With both buffers full the stage takes no more: all elements are offered at once, of steps that count.
    burst = cycle
    sheet.put("x.valid", slice(burst, burst + 200), 1)
    sheet.put("x.payload.start", slice(burst, burst + 200), 1)
    first = burst + np.arange(inputs)
    taken = np.concatenate([first, first + inputs + timing.input_gap(config)])

    def verify(outputs: Table) -> None:
        ready_signal = outputs["x.ready"]
        assert ready_signal[accepted].all(), "an element was not taken"
        assert_equal("burst", burst + np.flatnonzero(ready_signal[burst : burst + 200]), taken)
        at, skipped = np.array(outcomes).T
        assert_equal("outcomes", np.flatnonzero(outputs["outcome_valid"][: burst + timing.MARK]), at)
        assert_equal("outcome_skipped", outputs["outcome_skipped"][at], skipped)
        assert not full or 0 < skipped.sum() < len(skipped)
        for ready, buffer, entries, flags, read_at in lists:
            holds = outputs["steps.full"] >> buffer & 1
            assert holds[ready] == 1, "the list is late"
            assert holds[ready - 1] == 0, "the list is early"
            for name, flag in flags.items():
                assert outputs[f"steps.step.{buffer}.{name}"][ready] == flag, name
            for which, (wanted, read) in enumerate(zip(entries, read_at, strict=True)):
                length = f"steps.step.{buffer}.lengths.{which}"
                assert outputs[f"{length}.count"][ready] == len(wanted)
                assert outputs[f"{length}.low"][ready] == sum(low for _, _, low in wanted)
                assert_entries(outputs, read + RAM_LATENCY, wanted, mixed=full)

    return Check(unit, sheet.table, verify)


def _verdict_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Inputs that are always there: after a computed step the stage waits for the predictor, then for nothing."""
    config = EngineConfig(lanes=1, precisions=(4, 8), inputs=4, mixed=mixed, skip=True)
    unit, sheet, inputs, limit = InputStage(config), Sheet(3000), 3, 2
    for name, setting in {"inputs": inputs - 1, "skip.predictor": 1, "skip.limit": limit}.items():
        sheet.put(f"settings.{name}", slice(None), setting)
    sheet.put("x.valid", slice(None), 1)
    taken: list[int] = []
    outcomes: list[tuple[int, int]] = []
    cycle, run, predicted, buffer = 0, 0, False, 0
    while cycle < sheet.cycles - 150:
        start, restart = (bool(rng.random() < 0.1) for _ in range(2))
        if rng.random() < 0.15:
            sheet.put("x.payload.mark", cycle, 1)
            taken.append(cycle)
            outcomes.append((cycle + unit.mark_latency, 1))
            cycle += 1
            continue
        sheet.put("x.payload.start", cycle, int(start))
        sheet.put("x.payload.restart", cycle, int(restart))
        taken += range(cycle, cycle + inputs)
        last = cycle + inputs - 1
        outcome = last + unit.latency
        skipped = predicted and run < limit and not (start or restart)
        outcomes.append((outcome, int(skipped)))
        cycle = last + 1 + timing.input_gap(config)
        run = run + 1 if skipped else 0
        if not skipped:
            decision = outcome + int(rng.integers(1, 20))
            predicted = bool(rng.random() < 0.7)
            sheet.put("decision", decision, 1)
            sheet.put("predicted", slice(decision, None), int(predicted))
            sheet.put("release", decision, 1 << buffer)
            buffer = 1 - buffer
            cycle = decision + 1
    known = cycle

    def verify(outputs: Table) -> None:
        assert_equal("accepted", np.flatnonzero(outputs["x.ready"][:known]), taken)
        at, skipped = np.array(outcomes).T
        assert_equal("outcomes", np.flatnonzero(outputs["outcome_valid"][:known]), at[at < known])
        assert_equal("outcome_skipped", outputs["outcome_skipped"][at], skipped)
        assert 0 < skipped.sum() < len(skipped)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """With everything and with nothing; the predictor's decision is waited for."""
    checks = {"least": _input_check(rng, full=False), "most": _input_check(rng, full=True)}
    for name, mixed in (("single", False), ("mixed", True)):
        checks[f"verdict_{name}"] = _verdict_check(rng, mixed=mixed)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
