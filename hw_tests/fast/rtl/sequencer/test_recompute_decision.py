"""Recompute decision: the rule of the golden model in plain integers."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.sequencer.recompute_decision import RecomputeDecision
from lstmith.spec.policy import Mode

Lengths = list[tuple[int, int]]


def _lengths(rng: np.random.Generator, columns: int) -> Lengths:
    """Count of a delta and of a restart list, and how many entries of each are on the lower variant."""
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


def _decision_check(rng: np.random.Generator, layers: int) -> Check:
    """Any pass, some of which begin; the rule of the golden model in plain integers."""
    columns = 12
    unit, sheet = RecomputeDecision(columns=columns, contexts=layers), Sheet(6000)
    nothing: Lengths = [(0, 0), (0, 0)]
    late, age = [nothing] * layers, [0] * layers
    wanted = []
    interval = unit.latency + 2
    for cycle in range(0, sheet.cycles - interval, interval):
        # All holds until the pass begins; what is known late of the one before comes first.
        held, decided = slice(cycle, cycle + interval), cycle + interval - 1
        layer, mode = int(rng.integers(layers)), Mode(int(rng.choice([0, 1, 2, 2, 3, 3, 3, 3])))
        refresh = int(rng.choice([0, 0, int(rng.integers(1, 9)), 0xFFFF]))
        precision = int(rng.integers(3))
        low = int(rng.integers(precision + 1))
        descriptor = {"mode": int(mode), "refresh": refresh, "precision": precision, "low": low}
        exact, restart_request, live, begins = (int(rng.random() < chance) for chance in (0.05, 0.05, 0.5, 0.4))
        first, second = _lengths(rng, 7), _lengths(rng, columns)
        for name, value in descriptor.items():
            sheet.put(f"descriptor.{name}", held, value)
        for name, value in {
            "context": layer,
            "exact": exact,
            "restart_request": restart_request,
            "second_live": live,
        }.items():
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
            or bool(restart_request)
            or due
            or (mode is Mode.AUTO and values <= delta)
        )
        if begins:
            age[layer] = 0 if wanted[-1] else age[layer] + 1
        if rng.random() < 0.3:
            # A list is complete: it counts for the layer's coming passes.
            other, late_layer = _lengths(rng, columns), int(rng.integers(layers))
            sheet.put("late_valid", cycle + interval, 1)
            sheet.put("late_context", cycle + interval, late_layer)
            _put_lengths(sheet, "late", cycle + interval, other)
            late[late_layer] = other

    def verify(outputs: Table) -> None:
        assert_equal("recomputes", outputs["recomputes"][interval - 1 : sheet.cycles : interval][: len(wanted)], wanted)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One layer and a stack."""
    return {f"layers_{layers}": _decision_check(rng, layers) for layers in (1, 3)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
