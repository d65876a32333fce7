"""Input stage: lists of steps, skipped steps, and when it takes elements."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.lists.list_cases import (
    Entries,
    Ints,
    assert_entries,
    assert_lengths,
    entries_of,
    put_all,
    read_list,
    references_after,
    widest_grid,
)
from lstmith.golden.encoder import distance
from lstmith.rtl.lists.input_stage import InputStage
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import LAG_INPUT
from lstmith.spec.policy import Mode


def _input_check(
    rng: np.random.Generator,
    *,
    planes: int,
    skip: bool,
    inputs: int = 6,
    warmup: int | None = None,
    judges: bool = True,
) -> Check:
    """Lists are read back after they are finished, then freed; with a monitor where ``warmup`` is given."""
    monitor = warmup is not None
    config = EngineConfig(
        lanes=1, precisions=(4, 8), operand_width=18, inputs=7, planes=planes, skip=skip, monitor=monitor
    )
    unit, steps, sheet = InputStage(config), 70, Sheet(4000)
    grid, thetas, change, limit = widest_grid(6, 1), (20, 90), 150, 2
    pair = planes > 1 and (monitor or bool(rng.random() < 0.8))
    fields = {"shift": grid.shift, "exponent": grid.exponent, "mode": Mode.DELTA, "pair": pair}
    put_all(sheet, "settings.grid.", slice(None), fields | {"theta": thetas[0], "low_theta": thetas[1]})
    put_all(sheet, "settings.", slice(None), {"inputs": inputs - 1, "skip.change": change, "skip.limit": limit})
    answers = rng.random(sheet.cycles) < 0.6
    if monitor:
        put_all(sheet, "settings.monitor.", slice(None), {"judges": judges, "warmup": warmup or 0})
        sheet.put("deferral.defers", slice(None), answers)
    reference = np.zeros((planes, inputs), dtype=np.int64)
    found: list[tuple[int, int, list[Entries], dict[str, int], list[Ints]]] = []
    outcomes: list[tuple[int, int]] = []
    asked: list[tuple[list[int], int]] = []  # cycles of elements, the step that was judged
    cycle, accepted, in_a_row, buffer, number, counted, deferred = 0, [], 0, 0, 0, 0, 0
    ready_after = unit.latency
    for step in range(steps):
        # The monitor judges some steps behind a beginning, so none begins in the second half of its course.
        begins, again = rng.random(2) < (0 if monitor and 2 * step > steps else 0.05)
        start, restart = step == 0 or bool(begins), bool(again)
        flags = {"start": int(start), "restart": int(restart), "mask": int(rng.integers(8))}
        if not (start or restart) and rng.random() < 0.15:
            sheet.put("x.payload.mark", cycle, 1)
            sheet.put("x.valid", cycle, 1)
            accepted.append(cycle)
            outcomes.append((cycle + unit.mark_latency, 1))
            cycle += 1
            continue
        x = rng.integers(-32768, 32768, inputs) * (rng.random(inputs) < 0.7)
        x = np.where(rng.random(inputs) < rng.choice([0.4, 1.0]), reference[0] << grid.shift, x)
        taken: list[int] = []
        for element in range(inputs):
            cycle += int(rng.choice([0, 0, 2]))
            sheet.put("x.payload.value", cycle, x[element])
            for name, flag in flags.items():
                # Flags of other elements do not count.
                sheet.put(f"x.payload.{name}", cycle, flag if element == 0 else int(rng.integers(2)))
            sheet.put("x.valid", cycle, 1)
            taken.append(cycle)
            cycle += 1
        accepted += taken
        ready = cycle - 1 + ready_after
        exact = start or restart
        skipped = skip and not exact and int(distance(grid.apply(x), reference[0]).sum()) < change
        skipped = skipped and in_a_row < limit
        outcomes.append((ready, int(skipped)))
        asked.append((taken, (counted - LAG_INPUT) % 4))
        cycle += ready_after + 2 * inputs + 3
        if skipped:
            in_a_row += 1
            continue
        in_a_row = 0
        number = 0 if exact else number
        held = answers[taken] & (monitor and judges and number >= max(LAG_INPUT, warmup or 0))
        deferred += int(held.sum())
        number, counted = number + 1, counted + 1
        after = references_after(grid.apply(x), reference, (0, 0) if exact else thetas, held=held | (not pair))
        entries = entries_of(reference, after, grid.exponent, values=exact)
        reference = after
        places = np.arange(inputs) + (buffer << 3)
        comes = [read_list(sheet, ready + which * inputs, which, places) for which in range(len(entries))]
        found.append((ready, buffer, entries, flags, comes))
        sheet.put("release", cycle, 1 << buffer)
        buffer = 1 - buffer
        cycle += 2
    # With both buffers full the stage takes no more: all elements are offered at once, of steps that count.
    burst = cycle
    sheet.put("x.valid", slice(burst, burst + 200), 1)
    sheet.put("x.payload.start", slice(burst, burst + 200), 1)
    first = burst + np.arange(inputs)
    burst_taken = np.concatenate([first, first + inputs + timing.input_gap(config)])
    for burst_step in (burst_taken[:inputs], burst_taken[inputs:]):
        asked.append((burst_step.tolist(), (counted - LAG_INPUT) % 4))
        counted += 1

    def verify(outputs: Table) -> None:
        ready_signal = outputs["x.ready"]
        assert ready_signal[accepted].all(), "an element was not taken"
        assert_equal("burst", burst + np.flatnonzero(ready_signal[burst : burst + 200]), burst_taken)
        at, skips = np.array(outcomes).T
        assert_equal("outcomes", np.flatnonzero(outputs["outcome_valid"][: burst + timing.MARK]), at)
        assert_equal("outcome_skipped", outputs["outcome_skipped"][at], skips)
        assert not skip or 0 < skips.sum() < len(skips)
        for ready, buffer, entries, flags, comes in found:
            holds = outputs["steps.full"] >> buffer & 1
            assert holds[ready] == 1, "the list is late"
            assert holds[ready - 1] == 0, "the list is early"
            for name, flag in flags.items():
                assert outputs[f"steps.step.{buffer}.{name}"][ready] == flag, name
            assert_lengths(outputs, f"steps.step.{buffer}.lengths", ready, entries, planes)
            for wanted, come in zip(entries, comes, strict=True):
                assert_entries(outputs, come, wanted, planes=planes)
        if monitor:
            assert (deferred > 0) == judges
            for taken, judged in asked:
                for name, value in (("layer", 0), ("step", judged), ("fold", 0)):
                    assert_equal(name, outputs[f"deferral.{name}"][taken], np.full(inputs, value))

    return Check(unit, sheet.table, verify)


def _verdict_check(rng: np.random.Generator, *, planes: int) -> Check:
    """Inputs that are always there: after a computed step the stage waits for the predictor, then for nothing."""
    config = EngineConfig(lanes=1, precisions=(4, 8), inputs=4, planes=planes, skip=True)
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
    """With and without skip rules and monitor; the predictor's decision is waited for."""
    checks = {}
    checks["plain"] = _input_check(rng, planes=1, skip=False)
    checks["off"] = _input_check(rng, planes=2, skip=False, warmup=0, judges=False)
    for planes in (1, 2):
        checks[f"skip_planes_{planes}"] = _input_check(rng, planes=planes, skip=True)
        checks[f"verdict_planes_{planes}"] = _verdict_check(rng, planes=planes)
    checks["monitor"] = _input_check(rng, planes=2, skip=False, inputs=1, warmup=0)
    checks["most"] = _input_check(rng, planes=2, skip=True, warmup=5)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
