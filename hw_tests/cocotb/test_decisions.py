"""What decides about steps, each alone: the restart of a pass's sums and the skip predictor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.checks import Check, Sheet, Table, assert_equal
from hw_tests.cocotb.vectors import SIMULATORS, run_checks
from lstmith.rtl.cell.predictor import Predictor, predictor_weights
from lstmith.rtl.sequencer.restart import Restart
from lstmith.spec import latency as timing
from lstmith.spec.config import PRECISIONS, EngineConfig, bits_for
from lstmith.spec.memory_image import Image
from lstmith.spec.policy import Mode
from lstmith.spec.quantised import PREDICTOR_LIMIT

Lengths = list[tuple[int, int]]


def _lengths(rng: np.random.Generator, columns: int) -> Lengths:
    """Count of a delta and of a restart list, and how many entries of each are on the lower image."""
    # Few entries make equal costs likely.
    counts = rng.integers(0, rng.choice([4, columns + 1]), 2).tolist()
    return [(count, int(rng.integers(count + 1))) for count in counts]


def _put_lengths(sheet: Sheet, name: str, cycle: int | slice, lengths: Lengths) -> None:
    for which, (count, low) in enumerate(lengths):
        sheet.put(f"{name}.{which}.count", cycle, count)
        sheet.put(f"{name}.{which}.low", cycle, low)


def _words(lengths: Lengths, which: int, words: int, low_words: int) -> int:
    """Weight words of a list, per fold."""
    count, low = lengths[which]
    return (count - low) * words + low * low_words


def _restart_check(rng: np.random.Generator, layers: int) -> Check:
    """Any pass, some of which begin; the rule of the golden model in plain integers."""
    columns = 12
    config = EngineConfig(
        lanes=1, precisions=PRECISIONS, mixed=True, monitor=True, layers=layers, units=columns, inputs=7
    )
    unit, sheet = Restart(config), Sheet(6000)
    nothing: Lengths = [(0, 0), (0, 0)]
    late, age = [nothing] * layers, [0] * layers
    wanted = []
    pace = unit.latency + 2
    for cycle in range(0, sheet.cycles - pace, pace):
        # All holds until the pass begins; what is known late of the one before comes first.
        held, decided = slice(cycle, cycle + pace), cycle + pace - 1
        layer, mode = int(rng.integers(layers)), Mode(int(rng.choice([0, 1, 2, 2, 3, 3, 3, 3])))
        refresh = int(rng.choice([0, 0, int(rng.integers(1, 9)), 0xFFFF]))
        precision = int(rng.integers(3))
        low = int(rng.integers(precision + 1))
        record = {"mode": int(mode), "refresh": refresh, "precision": precision, "low": low}
        exact, wish, live, begins = (int(rng.random() < chance) for chance in (0.05, 0.05, 0.5, 0.4))
        first, second = _lengths(rng, 7), _lengths(rng, columns)
        for name, value in record.items():
            sheet.put(f"record.{name}", held, value)
        for name, value in {"context": layer, "exact": exact, "wish": wish, "second_live": live}.items():
            sheet.put(name, held, value)
        sheet.put("begins", decided, begins)
        _put_lengths(sheet, "first", held, first)
        _put_lengths(sheet, "second", held, second)

        known = late[layer] if live else second
        delta, values = (
            sum(_words(part, which, 1 << precision, 1 << low) for part in (first, known)) for which in (0, 1)
        )
        due = bool(refresh) and age[layer] + 1 >= refresh
        wanted.append(
            mode in (Mode.DENSE, Mode.SKIP)
            or bool(exact)
            or bool(wish)
            or due
            or (mode is Mode.AUTO and values <= delta)
        )
        if begins:
            age[layer] = 0 if wanted[-1] else age[layer] + 1
        if rng.random() < 0.3:
            # A list is complete: it counts for the layer's coming passes.
            other, late_layer = _lengths(rng, columns), int(rng.integers(layers))
            sheet.put("late_valid", cycle + pace, 1)
            sheet.put("late_context", cycle + pace, late_layer)
            _put_lengths(sheet, "late", cycle + pace, other)
            late[late_layer] = other

    def verify(outputs: Table) -> None:
        assert_equal("restart", outputs["restart"][pace - 1 : sheet.cycles : pace][: len(wanted)], wanted)

    return Check(unit, sheet.table, verify)


def _predictor_check(rng: np.random.Generator, *, written: bool) -> Check:
    """First folds of some steps: the sum goes on from step to step unless one begins it anew."""
    inputs, units = 5, 11
    config = EngineConfig(lanes=2, precisions=(4, 8), operand_width=13, inputs=inputs, units=16, skip=True)
    weights = rng.integers(-PREDICTOR_LIMIT, PREDICTOR_LIMIT + 1, inputs + units)
    recurrent = 1 << bits_for(config.inputs)
    place = np.concatenate([np.arange(inputs), recurrent + np.arange(units)])
    cycle, sheet = 0, Sheet(6000)
    if written:
        unit = Predictor(config)
        sheet.put("w_en", np.arange(inputs + units), 1)
        sheet.put("w_addr", np.arange(inputs + units), place)
        sheet.put("w_data", np.arange(inputs + units), weights)
        cycle = inputs + units
    else:
        nothing: Any = np.zeros(0, dtype=np.int64)
        image = Image(nothing, nothing, nothing, nothing, nothing, weights, inputs, {}, {})
        unit = Predictor(config, predictor_weights(config, image))
    total, verdicts = 0, [(0, 0)]
    while cycle < sheet.cycles - 200:
        count = int(rng.integers(1, inputs + units))
        column = np.sort(rng.choice(inputs + units, count, replace=False))
        operand = rng.integers(-(1 << 12), 1 << 12, count) >> rng.integers(0, 12)
        if rng.random() < 0.1:
            # A fold without columns issues one empty entry.
            column, operand = column[:1], np.zeros(1, dtype=np.int64)
        clears = len(verdicts) == 1 or rng.random() < 0.3
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
        sheet.put("threshold", slice(captured, captured + timing.PREDICT), threshold)
        verdicts.append((captured + timing.PREDICT, int(total >= threshold)))
        # The next step waits for the verdict.
        cycle = captured + timing.PREDICT

    def verify(outputs: Table) -> None:
        at, skips = np.array(verdicts).T
        assert_equal("cycles of verdicts", np.flatnonzero(outputs["verdict"]), at[1:])
        held = np.repeat(skips, np.diff(at, append=sheet.cycles))
        assert_equal("predicted", outputs["predicted"][: sheet.cycles], held)

    return Check(unit, sheet.table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_decisions(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {
        "restart": _restart_check(rng, 1),
        "restart_stack": _restart_check(rng, 3),
        "predictor": _predictor_check(rng, written=False),
        "predictor_written": _predictor_check(rng, written=True),
    }
    run_checks(checks, simulator, tmp_path)
