"""Gate pipeline: gates of steps whose sums are kept or cleared, equal to golden."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup
from lstmith.golden.cell import requantise, saturate
from lstmith.rtl.cell.gates import GatePipeline
from lstmith.rtl.cell.requantise import Z13_BITS
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.codes import Gate
from lstmith.spec.config import Z_BITS, EngineConfig

Ints = npt.NDArray[np.int64]


def _gates_check(rng: np.random.Generator, config: EngineConfig) -> Check:
    """Steps of a layer: sums kept from step to step or cleared, every row with its own parameters."""
    unit = GatePipeline(config)
    units, rows_per_cycle, steps = config.units, config.rows_per_cycle, 30
    count = len(Gate) * units
    parameters: Any = SimpleNamespace(
        mantissa=rng.integers(1 << 14, 1 << 15, count),
        shift=rng.integers(6, 14, count),
        bias=rng.integers(-30_000, 30_000, count),
    )
    spacing = count // rows_per_cycle + 40
    sheet = Sheet(count + steps * spacing + 40)
    sheet.put("row_write", slice(0, count), 1)
    sheet.put("row_unit", slice(0, count), np.arange(count) // len(Gate))
    sheet.put("row_gate", slice(0, count), np.arange(count) % len(Gate))
    for name, part in (("mantissa", "scale."), ("shift", ""), ("bias", "scale.")):
        sheet.put(f"row_data.{part}{name}", slice(0, count), getattr(parameters, name))
    kept = np.zeros(count, dtype=np.int64)
    expected: list[tuple[Ints, Ints]] = []
    pre: list[Ints] = []
    row = np.arange(count)
    row_unit, gate = row // len(Gate), row % len(Gate)
    for step in range(steps):
        begin = count + step * spacing
        at = begin + row // rows_per_cycle
        sheet.put("rows_valid", at, 1)
        sheet.put("rows.unit", at, row_unit)
        sheet.put("rows.gate", at, gate // rows_per_cycle * rows_per_cycle)
        clear = step == 0 or rng.random() < 0.3
        sheet.put("clear", slice(begin, begin + spacing), int(clear))
        added = rng.integers(-4000, 4000, count)
        for way in range(rows_per_cycle):
            own = row % rows_per_cycle == way
            sheet.put(f"sums.{way}", at[own] + RAM_LATENCY, added[own])
        kept = added if clear else kept + added
        z13 = requantise(kept, parameters, config, parameters.bias)
        if config.peepholes:
            peep, c, shift = rng.integers(-3000, 3000, count), rng.integers(-2000, 2000, units)[row_unit], step % 12
            peep[gate > Gate.FORGET] = 0
            for way in range(min(rows_per_cycle, Gate.CELL)):
                own = row % rows_per_cycle == way
                sheet.put(f"peep.{way}", at[own] + RAM_LATENCY, peep[own])
            sheet.put("c", at + RAM_LATENCY, c)
            sheet.put("peep_shift", slice(begin, begin + spacing), shift)
            z13 = z13 + ((peep * c) >> shift)
        z = saturate(z13 >> 1, Z_BITS) & Z_MASK
        pre.append(z13)
        expected.append((at, np.where(gate == Gate.CELL, tanh_lookup()[z], sigma_lookup()[z])))

    def verify(outputs: Table) -> None:
        cycles = np.unique(np.concatenate([at for at, _ in expected])) + RAM_LATENCY + unit.latency
        assert_equal("cycles of gates", np.flatnonzero(outputs["o_valid"]), cycles)
        have = np.array([outputs[f"gates.{way}"] for way in range(rows_per_cycle)])
        for step, (at, want) in enumerate(expected):
            done = at + RAM_LATENCY + unit.latency
            assert_equal(f"gates of step {step}", have[row % rows_per_cycle, done], want)
            # The last way's pre-activation comes before its gate.
            own = row % rows_per_cycle == rows_per_cycle - 1
            assert_equal("z13", outputs["z13"][done[own] - unit.z13_lead], saturate(pre[step][own], Z13_BITS))
            assert_equal("unit", outputs["o_rows.unit"][done], row_unit)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One, two and four rows per cycle, with and without peepholes."""
    checks = {}
    for rows_per_cycle in (1, 2, 4):
        for peepholes in (False, True):
            config = EngineConfig(
                lanes=1,
                precisions=(8,),
                acc_width=24,
                rows_per_cycle=rows_per_cycle,
                units=8,
                peepholes=peepholes,
                c_width=16,
            )
            checks[f"{rows_per_cycle}_{'peepholes' if peepholes else 'plain'}"] = _gates_check(rng, config)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
