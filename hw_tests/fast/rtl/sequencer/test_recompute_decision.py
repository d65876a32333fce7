"""Recompute decision: the rule of the golden model in plain integers."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.sequencer.recompute_decision import RecomputeDecision
from lstmith.spec.policy import Mode

#: Digits of a delta and of a restart list.
Digits = tuple[int, int]


def _digits(rng: np.random.Generator, columns: int) -> Digits:
    """Each column has up to two digits; few of them make equal costs likely."""
    delta, restart = rng.integers(0, rng.choice([4, 2 * columns + 1]), 2).tolist()
    return delta, restart


def _put_lengths(sheet: Sheet, name: str, cycle: int | slice, rng: np.random.Generator, digits: Digits) -> None:
    """Only digits count: the rest is noise."""
    for which, number in enumerate(digits):
        lengths = {"digits": number, "count": int(rng.integers(8)), "low": int(rng.integers(8))}
        for field, value in lengths.items():
            sheet.put(f"{name}.{which}.{field}", cycle, value)


def _decision_check(rng: np.random.Generator, layers: int) -> Check:
    """Any pass; the rule of the golden model in plain integers."""
    columns = 12
    unit, sheet = RecomputeDecision(columns=columns, contexts=layers), Sheet(6000)
    late: list[Digits] = [(0, 0)] * layers
    wanted = []
    interval = unit.latency + 2
    for cycle in range(0, sheet.cycles - interval, interval):
        # All holds until it is decided; what is known late of the pass before comes first.
        held = slice(cycle, cycle + interval)
        layer, mode = int(rng.integers(layers)), Mode(int(rng.choice([0, 1, 2, 2, 3, 3, 3, 3])))
        exact, live = (int(rng.random() < chance) for chance in (0.05, 0.5))
        first, second = _digits(rng, 7), _digits(rng, columns)
        for name, value in {"context": layer, "mode": int(mode), "exact": exact, "second_live": live}.items():
            sheet.put(name, held, value)
        _put_lengths(sheet, "first", held, rng, first)
        _put_lengths(sheet, "second", held, rng, second)

        known = late[layer] if live else second
        delta, restart = (first[which] + known[which] for which in (0, 1))
        always = mode in (Mode.DENSE, Mode.SKIP) or bool(exact)
        wanted.append(always or (mode is Mode.AUTO and restart <= delta))
        if rng.random() < 0.3:
            # A list is complete: it counts for the layer's coming passes.
            other, late_layer = _digits(rng, columns), int(rng.integers(layers))
            sheet.put("late_valid", cycle + interval, 1)
            sheet.put("late_context", cycle + interval, late_layer)
            _put_lengths(sheet, "late", cycle + interval, rng, other)
            late[late_layer] = other

    def verify(outputs: Table) -> None:
        assert_equal("recomputes", outputs["recomputes"][interval - 1 : sheet.cycles : interval][: len(wanted)], wanted)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One layer and a stack."""
    return {f"layers_{layers}": _decision_check(rng, layers) for layers in (1, 3)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
