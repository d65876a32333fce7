"""Cell-state monitor: its decisions are those of ``golden.monitor.judge``, and come when it says."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.golden.monitor import judge
from lstmith.rtl.cell.monitor import Monitor
from lstmith.spec.codes import Precision
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Monitor as MonitorPolicy
from lstmith.spec.policy import Rule, Scope

Ints = npt.NDArray[np.int64]


#: What a policy may hold.
LIMITS = {field.name: field.metadata["high"] for field in dataclasses.fields(MonitorPolicy) if field.metadata}


def _policy(rng: np.random.Generator, units: int) -> MonitorPolicy:
    """Thresholds near what the cell states reach, and now and then anything that a policy may hold."""
    rule, scope = Rule(int(rng.integers(1, 3))), Scope(int(rng.integers(2)))
    likely = units if rule is Rule.COUNT else 200
    names = ("low", "middle", "hysteresis", "restart_above")
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


def _record(policy: MonitorPolicy, layer: Any) -> dict[str, int]:
    variants = (*layer.variants, layer.precision, layer.precision)[:2]
    return {
        "precision": Precision.of(layer.precision),
        "rule": policy.rule,
        "scope": policy.scope,
        "monitor_low": policy.low,
        "monitor_middle": policy.middle,
        "low_leave": policy.low + policy.hysteresis,
        "middle_leave": policy.middle + policy.hysteresis,
        "restart_above": policy.restart_above,
        "monitor_theta": policy.theta,
        "level_low": Precision.of(variants[0]),
        "level_middle": Precision.of(variants[1]),
    }


def _monitor_check(
    rng: np.random.Generator, cycles: int, config: EngineConfig, *layers: tuple[int, tuple[int, ...], int]
) -> Check:
    """Steps of layers given as (weight bits, lower variants, units); each step under a policy of its own."""
    unit, sheet = Monitor(config), Sheet(cycles)
    # Stored in one cycle, readable in the next.
    readable = unit.latency + 1
    shapes: list[Any] = [SimpleNamespace(precision=bits, variants=variants) for bits, variants, _ in layers]
    # Between units the cell unit shows whatever it computes.
    top = 1 << (config.c_width - 1)
    for name in ("c_new", "c_before"):
        sheet.put(name, slice(None), rng.integers(-top, top, sheet.cycles))
    sheet.put("c_last", slice(None), rng.integers(0, 2, sheet.cycles))
    # Codes by layer, bank and fold, and restart_requests by layer and bank, as they become known.
    stored: dict[tuple[int, int, int], int] = {}
    requested = {(index, bank): 0 for index in range(len(layers)) for bank in range(2)}
    levels: list[tuple[int, int]] = []
    restart_requests: list[tuple[int, int, int, int]] = []

    def look(place: tuple[int, int, int], cycle: int) -> None:
        for name, index in zip(("r_layer", "r_bank", "r_fold"), place, strict=True):
            sheet.put(name, cycle, index)
        levels.append((cycle, stored.get(place, 0)))

    cycle, parity = 4, 0
    while cycle < sheet.cycles - 300:
        for index, (shape, (_, _, units)) in enumerate(zip(shapes, layers, strict=True)):
            policy = _policy(rng, units)
            active = int(rng.choice([units, units, int(rng.integers(1, units + 1))]))
            exact = bool(rng.random() < 0.2)
            at = cycle + np.cumsum(rng.choice([0, 0, 0, 1, 9], active) + config.unit_cycles)
            end = int(at[-1]) + readable
            settings = {"layer": index, "list_half": parity, "exact": int(exact)}
            settings |= {f"descriptor.{name}": int(value) for name, value in _record(policy, shape).items()}
            for name, value in settings.items():
                sheet.put(f"pass_.{name}", slice(cycle, end), value)
            before, after = _cells(rng, units, config.c_width)
            sheet.put("c_valid", at, 1)
            sheet.put("c_before", at, before[0, :active])
            sheet.put("c_new", at, after[0, :active])
            sheet.put("c_last", at, np.arange(active) == active - 1)

            by_fold = policy.scope is Scope.FOLD
            folds = np.arange(config.folds(units)) if by_fold else np.zeros(config.folds(units), dtype=np.int64)
            codes = [stored.get((index, 1 - parity, int(fold)), 0) for fold in folds]
            previous = np.array([[shape.precision if exact else Precision(code).bits for code in codes]])
            alive = np.arange(units)[None] < active
            level, restart_request = judge(before, after, alive, previous, policy, shape, config)
            for fold in range(config.folds(active) if by_fold else 1):
                last = min((fold + 1) * config.lanes, active) - 1 if by_fold else active - 1
                place, known = (index, parity, fold), int(at[last]) + readable
                look(place, known - 1)
                stored[place] = Precision.of(int(level[0, fold]))
                look(place, known)
            restart_requests += [(end - 1, *place, value) for place, value in requested.items()]
            # With a threshold of zero nobody looks at the wish.
            requested.pop((index, parity), None)
            if policy.restart_above:
                requested[index, parity] = int(restart_request[0])
            restart_requests += [(end, *place, value) for place, value in requested.items()]
            cycle = end + 1
            for place in stored:
                look(place, cycle)
                cycle += 1
        parity = 1 - parity

    def verify(outputs: Table) -> None:
        at, code = np.array(levels).T
        # Every image is chosen somewhere.
        assert set(code.tolist()) >= {Precision.of(bits) for own, variants, _ in layers for bits in (own, *variants)}
        assert_equal("levels", outputs["level"][at], code)
        for cycle, layer, bank, wanted in restart_requests:
            have = outputs[f"restart_requests.{layer}"][cycle] >> bank & 1
            assert have == wanted, f"wish of layer {layer}, bank {bank} in cycle {cycle} is {have}"
        seen = {wanted for *_, wanted in restart_requests}
        assert seen == {0, 1}

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One lane, one fold, and a stack of several variants."""

    def config(*precisions: int, **sizes: Any) -> EngineConfig:
        return EngineConfig(precisions=precisions, mixed=True, monitor=True, **sizes)

    cycles = 12_000 if full else 5000
    return {
        # Every unit is a fold: decisions follow each other as closely as they can.
        "one_lane": _monitor_check(rng, cycles, config(4, 8, 16, lanes=1, units=8, c_width=12), (16, (4, 8), 5)),
        "one_lane_two_images": _monitor_check(rng, cycles, config(4, 8, lanes=1, units=8), (8, (4,), 5)),
        "one_fold": _monitor_check(rng, cycles, config(4, 8, 16, lanes=8, units=8, rows_per_cycle=1), (16, (4, 8), 8)),
        # Layers of different images; the last folds are not full.
        "stack": _monitor_check(
            rng,
            cycles,
            config(4, 8, 16, lanes=3, units=32, layers=3, c_width=24),
            (16, (4, 8), 11),
            (8, (4,), 7),
            (16, (8,), 2),
        ),
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
