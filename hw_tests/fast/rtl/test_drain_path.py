"""Drain path: sums of folds, step after step, to every unit's state, in golden's values and in the cycles it names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.golden.cell import cell_step
from lstmith.golden.network import SQUASHES
from lstmith.rtl.drain_path import DrainPath
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.codes import Gate, Kind, Squash
from lstmith.spec.config import H_FRAC, EngineConfig
from lstmith.spec.latency import unit_place

#: From a capturing slot to its sums, for the test.
ARRAY_LATENCY = 9
NAMES = ("first", "second", "third", "fourth")


def _steps_check(
    rng: np.random.Generator,
    rows_per_cycle: int,
    *,
    peepholes: bool,
    kinds: tuple[int, ...] = (Kind.LSTM,),
    kind: Kind = Kind.LSTM,
) -> Check:
    """A layer of two folds; its units do not begin at 0. Parameters are written first, states are read at the end."""
    config = EngineConfig(
        lanes=6, precisions=(8,), rows_per_cycle=rows_per_cycle, units=14, inputs=4, peepholes=peepholes, kinds=kinds
    )
    unit, sheet = DrainPath(config, array_latency=ARRAY_LATENCY), Sheet(2200)
    units, base = 2 * config.lanes, 2
    rows = np.arange(kind.rows * units)
    layer: Any = SimpleNamespace(
        units=units,
        mantissa=rng.integers(1 << 14, 1 << 15, len(rows)),
        shift=rng.integers(6, 14, len(rows)),
        bias=rng.integers(-30_000, 30_000, len(rows)),
        peep=rng.integers(-3000, 3000, (3, units)) if peepholes and kind is Kind.LSTM else None,
        peep_shift=5,
        c_frac=int(rng.integers(9, 14)) if kind is Kind.LSTM else H_FRAC,
        kind=kind,
        squash=Squash(int(rng.choice(SQUASHES[kind]))),
    )
    gates = np.array(kind.gates)
    place = base + rows % units
    sheet.put("rows.valid", rows, 1)
    for name, values in {"unit": place, "gate": gates[rows // units], "data.shift": layer.shift}.items():
        sheet.put(f"rows.{name}", rows, values)
    for name in ("mantissa", "bias"):
        sheet.put(f"rows.data.scale.{name}", rows, getattr(layer, name))
    if layer.peep is not None:
        each = np.arange(3 * units)
        sheet.put("peepholes.valid", each, 1 << each // units)
        sheet.put("peepholes.unit", each, base + each % units)
        sheet.put("peepholes.data", each, layer.peep.ravel())
    for name, value in {"unit_base": base, "c_frac": layer.c_frac, "peep_shift": layer.peep_shift}.items():
        sheet.put(f"passes.0.descriptor.{name}", slice(None), value)
    for name in ("kind", "squash"):
        sheet.put(f"passes.0.descriptor.{name}", slice(None), getattr(layer, name))

    kept, c = np.zeros((1, len(rows)), dtype=np.int64), np.zeros((1, units), dtype=np.int64)
    expected: list[tuple[int, int, int]] = []
    cycle, apart = len(rows) + 4, unit_place(config, config.lanes - 1) + config.unit_cycles
    for step in range(16):
        start = step == 0 or bool(rng.random() < 0.1)
        clear = start or bool(rng.random() < 0.3)
        for name, flag in (("start", start), ("clear", clear)):
            sheet.put(f"passes.0.{name}", slice(cycle, cycle + 2 * apart + 70), int(flag))
        added = rng.integers(-4000, 4000, (1, len(rows)))
        kept = added if clear else kept + added
        h, c = cell_step(kept, np.zeros_like(c) if start else c, layer, config)
        # What no row of the layer has is as random, and counts for nothing.
        sums = rng.integers(-4000, 4000, (len(Gate), units))
        sums[gates] = added.reshape(-1, units)
        for fold in range(2):
            at = cycle + fold * apart
            sheet.put("fold_valid", at, 1)
            for name, value in (("first", fold == 0), ("last", fold == 1), ("lanes", config.lanes - 1)):
                sheet.put(f"fold.{name}", at, int(value))
            for lane in range(config.lanes):
                number = fold * config.lanes + lane
                comes = at + ARRAY_LATENCY + (unit_place(config, lane) if rows_per_cycle == 4 else 2 * lane)
                for gate in Gate:
                    name = NAMES[gate % config.drain_rows]
                    sheet.put(f"drain.{name}", comes + gate // config.drain_rows, sums[gate, number])
                done = at + ARRAY_LATENCY + unit.latency + unit_place(config, lane)
                expected.append((done, number, int(h[0, number])))
        cycle += 2 * apart + 75
    reads = cycle + 4 * np.arange(units)
    sheet.put("state.place", reads, base + np.arange(units))
    for name in ("cell_read", "hidden_read"):
        sheet.put(f"state.{name}", reads, 1)

    def verify(outputs: Table) -> None:
        at, number, want = np.array(expected).T
        assert_equal("cycles of results", np.flatnonzero(outputs["result.valid"]), at)
        assert_equal("h", outputs["result.h"][at], want)
        assert_equal("place", outputs["result.place"][at], base + number)
        assert_equal("last", outputs["result.last"][at], number == units - 1)
        assert_equal("state of c", outputs["state.cell"][reads + RAM_LATENCY], c[0])
        assert_equal("state of h", outputs["state.hidden"][reads + RAM_LATENCY], want[-units:])
        assert_equal("c beside h", outputs["result.c"][at[-units:]], c[0])

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One, two and four rows per cycle, with and without peepholes, and all kinds of layers."""
    found = {}
    for rows_per_cycle in (1, 2, 4):
        for peepholes in (False, True):
            name = f"{rows_per_cycle}_{'peepholes' if peepholes else 'plain'}"
            found[name] = _steps_check(rng, rows_per_cycle, peepholes=peepholes)
        for kind in Kind:
            found[f"{rows_per_cycle}_{kind.name}"] = _steps_check(
                rng, rows_per_cycle, peepholes=kind is Kind.GRU, kinds=tuple(Kind), kind=kind
            )
    return found


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
