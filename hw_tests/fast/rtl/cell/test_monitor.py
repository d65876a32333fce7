# amaranth: UnusedElaboratable=no
"""Cell-state monitor: its decisions are those of ``golden.monitor.judge``, and come when it says."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.golden.monitor import judge
from lstmith.rtl.cell.monitor import Monitor
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import LAG_H, LAG_INPUT
from lstmith.spec.policy import Monitor as MonitorPolicy
from lstmith.spec.policy import Rule, Scope

Ints = npt.NDArray[np.int64]


#: What a policy may hold.
LIMITS = {field.name: field.metadata["high"] for field in dataclasses.fields(MonitorPolicy) if field.metadata}


def _policy(rng: np.random.Generator, units: int) -> MonitorPolicy:
    """Thresholds near what the cell states reach, and now and then anything that a policy may hold."""
    rule, scope = Rule(int(rng.integers(1, 3))), Scope(int(rng.integers(2)))
    likely = units if rule is Rule.COUNT else 200
    names = ("low", "hysteresis")
    values = {name: min(int(rng.integers(likely + 1)), LIMITS[name]) for name in names}
    if rng.random() < 0.1:
        values = {name: int(rng.choice([0, 1, LIMITS[name]])) for name in names}
    return MonitorPolicy(rule=rule, scope=scope, theta=int(rng.integers(LIMITS["theta"] + 1)), **values)


def _cells(rng: np.random.Generator, units: int, width: int) -> tuple[Ints, Ints]:
    """Cell states before and after a step, int64 [1, H]: any size, moved by little or by much."""
    top = (1 << (width - 1)) - 1
    # Few bits make equality with a threshold likely.
    after = rng.integers(-top - 1, top + 1, (1, units)) >> rng.integers(0, width)
    move = rng.integers(-top, top, (1, units)) >> rng.integers(0, width)
    return np.clip(after - move, -top - 1, top), after


def _record(policy: MonitorPolicy) -> dict[str, int]:
    return {
        "rule": policy.rule,
        "scope": policy.scope,
        "monitor_low": policy.low,
        "low_leave": policy.low + policy.hysteresis,
        "monitor_theta": policy.theta,
    }


def _monitor_check(rng: np.random.Generator, cycles: int, config: EngineConfig, *layers: int) -> Check:
    """Steps of layers of so many units; each step under a policy of its own."""
    unit, sheet = Monitor(config), Sheet(cycles)
    # Stored in one cycle, readable in the next.
    readable = unit.latency + 1
    # Between units the cell unit shows whatever it computes.
    top = 1 << (config.c_width - 1)
    for name in ("c_new", "c_before"):
        sheet.put(name, slice(None), rng.integers(-top, top, sheet.cycles))
    sheet.put("c_last", slice(None), rng.integers(0, 2, sheet.cycles))
    # Decisions by step modulo 4, layer and fold, as they become known.
    stored: dict[tuple[int, int, int], int] = {}
    #: What each reader asks: cycle and decision.
    seen: dict[str, list[tuple[int, int]]] = {"input_deferral": [], "feedback_deferral": []}

    def look(place: tuple[int, int, int], cycle: int) -> None:
        """One reader asks for a place, the other one for any other; a decision may be stored in every cycle."""
        if seen["input_deferral"] and cycle <= seen["input_deferral"][-1][0]:
            return
        places = [place, list(stored)[int(rng.integers(len(stored)))] if stored else place]
        for reader, (step, layer, fold) in zip(rng.permutation(list(seen)), places, strict=True):
            for name, value in {"step": step, "layer": layer, "fold": fold}.items():
                sheet.put(f"{reader}.{name}", cycle, value)
            seen[str(reader)].append((cycle, stored.get((step, layer, fold), 0)))

    cycle, step = 4, 0
    while cycle < sheet.cycles - 300:
        for index, units in enumerate(layers):
            policy = _policy(rng, units)
            active = int(rng.choice([units, units, int(rng.integers(1, units + 1))]))
            exact = bool(rng.random() < 0.2)
            at = cycle + np.cumsum(rng.choice([0, 0, 0, 1, 9], active) + config.unit_cycles)
            end = int(at[-1]) + readable
            settings = {"layer": index, "step_low": step % 4, "exact": int(exact)}
            settings |= {f"descriptor.{name}": int(value) for name, value in _record(policy).items()}
            for name, value in settings.items():
                sheet.put(f"pass_.{name}", slice(cycle, end), value)
            before, after = _cells(rng, units, config.c_width)
            sheet.put("c_valid", at, 1)
            sheet.put("c_before", at, before[0, :active])
            sheet.put("c_new", at, after[0, :active])
            sheet.put("c_last", at, np.arange(active) == active - 1)

            by_fold = policy.scope is Scope.FOLD
            folds = np.arange(config.folds(units)) if by_fold else np.zeros(config.folds(units), dtype=np.int64)
            deferred = [stored.get(((step - 1) % 4, index, int(fold)), 0) for fold in folds]
            previous = np.array([[bool(one) and not exact for one in deferred]])
            alive = np.arange(units)[None] < active
            decisions = judge(before, after, alive, previous, policy, config)
            for fold in range(config.folds(active) if by_fold else 1):
                last = min((fold + 1) * config.lanes, active) - 1 if by_fold else active - 1
                place, known = (step % 4, index, fold), int(at[last]) + readable
                look(place, known - 1)
                stored[place] = int(decisions[0, fold])
                look(place, known)
            cycle = end + 1
            for place in stored:
                look(place, cycle)
                cycle += 1
        step += 1

    def verify(outputs: Table) -> None:
        for reader, looks in seen.items():
            at, defers = np.array(looks).T
            assert set(defers.tolist()) == {0, 1}
            assert_equal(reader, outputs[f"{reader}.defers"][at], defers)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One lane, one fold, and a stack."""

    def config(**sizes: Any) -> EngineConfig:
        return EngineConfig(precisions=(4, 8), planes=2, monitor=True, **sizes)

    cycles = 12_000 if full else 5000
    return {
        # Every unit is a fold: decisions follow each other as closely as they can.
        "one_lane": _monitor_check(rng, cycles, config(lanes=1, units=8, c_width=12), 5),
        "one_fold": _monitor_check(rng, cycles, config(lanes=8, units=8, rows_per_cycle=1), 8),
        "together": _monitor_check(rng, cycles, config(lanes=3, units=7, rows_per_cycle=4), 7),
        # The last folds are not full.
        "stack": _monitor_check(rng, cycles, config(lanes=3, units=32, layers=3, c_width=24), 11, 7, 2),
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


@pytest.mark.parametrize(("rows_per_cycle", "layers"), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1)])
def test_decisions_are_stored_before_they_are_read(rows_per_cycle: int, layers: int) -> None:
    """Counted from the drain of the judged pass, whose last cell state is there before its last h."""
    config = EngineConfig(
        lanes=2, precisions=(8,), planes=2, monitor=True, rows_per_cycle=rows_per_cycle, layers=layers
    )
    monitor = Monitor(config)
    last_h = -(timing.encode(config) - 1 + timing.kinds(config) - 1)
    readable = last_h + monitor.latency + 1
    # The pass is judged while the drain side holds its fields: until the next one's first fold is fetched to its end.
    assert readable <= timing.LOOK + 1
    # Then that fold is fired and captured, and its first h reaches the encoder: no fewer than two steps later.
    first_h = timing.LOOK + timing.queue(config) + 1 + timing.capture_to_visible(config) - timing.encode(config)
    assert readable <= first_h
    assert LAG_H >= 2
    # An input buffer is free when the pass that read it has fetched its last fold, and that was the step before the
    # last one: the drain of its predecessor, which is judged, has ended then.
    assert readable <= timing.LOOK + timing.queue(config)
    assert LAG_INPUT >= 3
