"""What makes and keeps the column lists, each alone: encoder, input stage, feedback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.lib import data

from hw_tests.checks import Check, Sheet, Table, assert_equal, wrap
from hw_tests.cocotb.vectors import SIMULATORS, run_checks
from lstmith.golden.encoder import distance as encoder_distance
from lstmith.golden.encoder import follow
from lstmith.rtl.lists.encoder import Encoder
from lstmith.rtl.lists.feedback import Feedback
from lstmith.rtl.lists.input_stage import InputStage
from lstmith.rtl.sequencer.issue import READ
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode
from lstmith.spec.quantised import Grid

Ints = npt.NDArray[np.int64]


def _grid(shift: int, exponent: int, unsigned: bool) -> Grid:
    top = (1 << (15 - shift)) - 1
    return Grid(shift, 0 if unsigned else -top - 1, top, exponent)


def _encoder_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Every value with its own grid, mode, thresholds and flags; references in turn, as close as allowed."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, mixed=mixed)
    references, count = 5, 8000
    unit = Encoder(config, references, data.StructLayout({"mark": 8}))
    value = rng.integers(-32768, 32768, count) >> rng.integers(0, 8, count)
    index = np.arange(count) % references
    grid: dict[str, Any] = {
        "shift": rng.integers(0, 16, count),
        "exponent": rng.integers(0, 5, count),
        "unsigned": rng.random(count) < 0.3,
        "mode": rng.integers(0, 4 if mixed else 3, count),
        "theta": rng.choice([0, 0, 1, 5, 300, 65535], count),
        "tau": rng.choice([0, 1, 20, 255], count),
        "restart_tau": rng.choice([0, 1, 20, 255], count),
        "forget": rng.random(count) < 0.1,
        "exact": rng.random(count) < 0.1,
    }
    valid = rng.random(count) < 0.8
    kept = np.zeros((references, 1), dtype=np.int64)
    distance = np.zeros(count, dtype=np.int64)
    # By list: what changed, and with mixed images the references themselves.
    listed, operand, low = (np.zeros((2, count), dtype=np.int64) for _ in range(3))
    for at in np.flatnonzero(valid):
        place, mode, exponent = index[at], Mode(int(grid["mode"][at])), int(grid["exponent"][at])
        on_grid = _grid(int(grid["shift"][at]), exponent, bool(grid["unsigned"][at])).apply(value[at : at + 1])
        distance[at] = encoder_distance(on_grid, kept[place])[0]
        # One list alone holds values where the sums are recomputed.
        values = not mixed and (mode in (Mode.DENSE, Mode.SKIP) or grid["exact"][at])
        before = np.zeros(1, dtype=np.int64) if values or grid["forget"][at] else kept[place].copy()
        kept[place] = follow(on_grid, before, mode, int(grid["theta"][at]), bool(grid["exact"][at]))
        change, held = int(on_grid[0] - before[0]), int(kept[place, 0])
        dense = mode is Mode.DENSE
        for which, (own, counts, tau) in enumerate(
            ((change, held != before[0], grid["tau"][at]), (held, held != 0, grid["restart_tau"][at]))
        ):
            listed[which, at], operand[which, at] = dense or counts, own << exponent
            low[which, at] = tau != 0 and abs(own) <= tau
    table = {f"grid.{name}": values for name, values in grid.items()}
    table |= {"valid": valid, "value": value, "index": index, "tag.mark": np.arange(count) % 256}

    def verify(outputs: Table) -> None:
        late = slice(unit.latency, unit.latency + count)
        assert_equal("o_valid", outputs["o_valid"][late], valid)
        assert_equal("o_tag", outputs["o_tag.mark"][late][valid], np.flatnonzero(valid) % 256)
        # Only the input asks for the distance, and it never forgets its references.
        asked = valid & ~grid["forget"]
        assert_equal("o_distance", outputs["o_distance"][late][asked], distance[asked])
        for which in range(1 + mixed):
            name = f"o_candidates.{which}"
            assert_equal(f"{name}.listed", outputs[f"{name}.listed"][late][valid], listed[which][valid])
            taken = listed[which] == 1
            want = wrap(operand[which][taken], config.operand_width)
            assert_equal(f"{name}.operand", outputs[f"{name}.operand"][late][taken], want)
            if mixed:
                assert_equal(f"{name}.low", outputs[f"{name}.low"][late][taken], low[which][taken])

    return Check(unit, table, verify)


Entries = list[tuple[int, int, int]]


def _entries(
    before: Ints, after: Ints, exponent: int, taus: tuple[int, int], *, values: bool, mixed: bool
) -> list[Entries]:
    """(column, operand, low) of each list of a segment, from references [1, C] before and after a step."""
    change = after if values and not mixed else after - before
    pairs = [(change, taus[0]), (after, taus[1])][: 1 + mixed]
    return [
        [
            (column, value << exponent, int(mixed and 0 < abs(value) <= tau))
            for column, value in enumerate(operands[0].tolist())
            if value
        ]
        for operands, tau in pairs
    ]


def _assert_entries(outputs: Table, at: Ints, entries: Entries, *, mixed: bool) -> None:
    """List entries read from cycle ``at`` on."""
    done = at[: len(entries)] + READ
    low = outputs["entry.low"][done] if mixed else np.zeros(len(done), dtype=np.int64)
    have = list(zip(outputs["entry.column"][done], outputs["entry.operand"][done], low, strict=True))
    assert have == entries


def _input_check(rng: np.random.Generator, *, full: bool) -> Check:
    """Steps of an engine with everything or nothing; lists are read back after they are finished, then freed."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, inputs=7, mixed=full, skip=full)
    unit, steps, sheet = InputStage(config), 60, Sheet(6000)
    inputs, grid, theta, taus, change, limit = 6, _grid(6, 1, unsigned=False), 20, (30, 200), 150, 2
    settings = {"grid.shift": 6, "grid.exponent": 1, "grid.mode": Mode.DELTA, "grid.theta": theta}
    settings |= {"grid.tau": taus[0], "grid.restart_tau": taus[1], "skip.change": change, "skip.limit": limit}
    for name, setting in settings.items():
        sheet.put(name, slice(None), int(setting))
    sheet.put("inputs", slice(None), inputs - 1)
    reference = np.zeros((1, inputs), dtype=np.int64)
    lists: list[tuple[int, int, list[Entries], dict[str, int], list[Ints]]] = []
    outcomes: list[tuple[int, int]] = []
    cycle, accepted, in_a_row, buffer = 0, [], 0, 0
    ready_after = timing.input_ready(config)
    for step in range(steps):
        start, restart = step == 0 or bool(rng.random() < 0.1), bool(rng.random() < 0.1)
        flags = {"start": int(start), "restart": int(restart), "mask": int(rng.integers(8))}
        if not (start or restart) and rng.random() < 0.15:
            sheet.put("x.payload.mark", cycle, 1)
            sheet.put("x.valid", cycle, 1)
            accepted.append(cycle)
            outcomes.append((cycle + timing.MARK, 1))
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
        entries = _entries(reference, after, grid.exponent, taus, values=exact, mixed=full)
        reference = after
        read_at = [ready + which * inputs + np.arange(inputs) for which in range(len(entries))]
        for which, at in enumerate(read_at):
            sheet.put("r_addr", at, np.arange(inputs) + (buffer << 3))
            sheet.put("r_list", at, which)
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
            holds = outputs["full"] >> buffer & 1
            assert holds[ready] == 1, "the list is late"
            assert holds[ready - 1] == 0, "the list is early"
            for name, flag in flags.items():
                assert outputs[f"step.{buffer}.{name}"][ready] == flag, name
            for which, (wanted, read) in enumerate(zip(entries, read_at, strict=True)):
                length = f"step.{buffer}.lengths.{which}"
                assert outputs[f"{length}.count"][ready] == len(wanted)
                assert outputs[f"{length}.low"][ready] == sum(low for _, _, low in wanted)
                _assert_entries(outputs, read, wanted, mixed=full)

    return Check(unit, sheet.table, verify)


def _feedback_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """One layer's h, step after step: lengths grow in time, the lists for the next step are complete."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, units=16, mixed=mixed)
    unit, units, steps, sheet = Feedback(config), 11, 30, Sheet(4000)
    shift, theta, taus = 5, 40, (60, 250)
    fields = {"h_shift": shift, "mode": Mode.DELTA, "theta_h": theta, "tau_h": taus[0], "restart_tau_h": taus[1]}
    for name, setting in fields.items():
        sheet.put(f"passes.0.record.{name}", slice(None), int(setting))
    reference, cycle = np.zeros((1, units), dtype=np.int64), 0
    expected: list[tuple[int, list[int], list[Entries], list[Ints]]] = []
    for step in range(steps):
        h = np.where(rng.random((1, units)) < 0.3, reference << shift, rng.integers(-32767, 32768, (1, units)))
        h = h >> rng.integers(0, 6, (1, units))
        at = cycle + 1 + np.cumsum(rng.integers(1, 5, units))
        start = step == 0
        end = int(at[-1]) + 60
        sheet.put("passes.0.start", slice(cycle, end), int(start))
        sheet.put("passes.0.parity", slice(cycle, end), step % 2)
        sheet.put("h_valid", at, 1)
        sheet.put("h", at, h[0])
        sheet.put("h_place", at, np.arange(units))
        sheet.put("h_last", at[-1], 1)
        before = np.zeros_like(reference) if start else reference
        reference = follow(_grid(shift, 0, unsigned=False).apply(h), before, Mode.DELTA, theta, exact=False)
        entries = _entries(before, reference, 0, taus, values=False, mixed=mixed)
        visible = [int(at[column]) + timing.encode(config) for column, _, _ in entries[0]]
        read_at = [int(at[-1]) + 10 + which * units + np.arange(units) for which in range(len(entries))]
        for which, read in enumerate(read_at):
            sheet.put("r_addr", read, np.arange(units) + ((step % 2 ^ 1) << config.unit_bits))
            sheet.put("r_list", read, which)
        expected.append((int(at[-1]), visible, entries, read_at))
        cycle = end

    def verify(outputs: Table) -> None:
        drained = [last + timing.encode(config) - 1 for last, *_ in expected]
        assert_equal("drained", np.flatnonzero(outputs["drained"]), drained)
        for (last, visible, entries, read_at), end in zip(expected, drained, strict=True):
            grown = outputs["lengths.0.0.count"]
            for number, cycle in enumerate(visible):
                if cycle <= end:
                    assert grown[cycle] >= number + 1, "an entry is visible late"
                assert grown[cycle - 1] <= number, "an entry is visible early"
            assert grown[end + 1] == 0
            for which, (wanted, read) in enumerate(zip(entries, read_at, strict=True)):
                assert outputs[f"done.0.{which}.count"][end + 1] == len(wanted)
                assert outputs[f"own_lengths.0.{which}.count"][last + 20] == len(wanted)
                assert outputs[f"done.0.{which}.low"][end + 1] == sum(low for _, _, low in wanted)
                _assert_entries(outputs, read, wanted, mixed=mixed)

    return Check(unit, sheet.table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_lists(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {"input": _input_check(rng, full=False), "input_full": _input_check(rng, full=True)}
    for name, mixed in (("single", False), ("mixed", True)):
        checks[f"encoder_{name}"] = _encoder_check(rng, mixed=mixed)
        checks[f"feedback_{name}"] = _feedback_check(rng, mixed=mixed)
    run_checks(checks, simulator, tmp_path)
