"""Cell unit: cell states and h of units at full pace, equal to golden."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hw_tests.checks import Check, Table, assert_equal, run_here
from hw_tests.fast.rtl.array.mac.mac_cases import random_signed
from lstmith.golden.activation import Z_MASK, sigma_lookup
from lstmith.golden.cell import saturate, tanh_of_cell
from lstmith.rtl.cell.cell import CellUnit
from lstmith.rtl.cell.requantise import Z13_BITS
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.codes import Gate
from lstmith.spec.config import H_FRAC, PEEP_BITS, Z_BITS, EngineConfig

Ints = npt.NDArray[np.int64]


def cell_check(rng: np.random.Generator, config: EngineConfig, units: int) -> Check:
    """Units at full pace, layer after layer with its own formats."""
    unit = CellUnit(config)
    pace, rows_per_cycle = config.unit_cycles, config.rows_per_cycle
    formats = [(c_frac, int(rng.integers(0, 32))) for c_frac in range(4, 16)]
    segment = units * pace + 40
    cycles = segment * len(formats)
    to_gate = unit.z13_lead
    last_gates = (np.arange(len(formats))[:, None] * segment + np.arange(units) * pace + pace + to_gate).ravel()
    count = len(last_gates)
    gates = np.array([rng.integers(0, 1 << H_FRAC, count) for _ in Gate])
    gates[Gate.CELL] = rng.integers(-(1 << H_FRAC) + 2, 1 << H_FRAC, count)
    factors = [Gate.INPUT, Gate.FORGET]
    gates[factors] = np.where(rng.random((2, count)) < 0.3, (1 << H_FRAC) - 1, gates[factors])
    c_old = random_signed(rng, config.c_width, count)
    c_frac, peep_shift = (np.repeat(values, units) for values in np.array(formats).T)
    number = np.arange(count) % config.units
    table: dict[str, Ints] = {}

    def put(name: str, cycle: Ints, values: npt.ArrayLike) -> None:
        table.setdefault(name, np.zeros(cycles, dtype=np.int64))[cycle] = values

    for step in range(pace):
        cycle = last_gates - (pace - 1) + step
        put("rows_valid", cycle, 1)
        put("rows.gate", cycle, step * rows_per_cycle)
        put("rows.unit", cycle, number)
        put("rows.last", cycle, number % 7 == 3)
        for way in range(rows_per_cycle):
            put(f"gates.{way}", cycle, gates[step * rows_per_cycle + way])
    put("c_old", last_gates, c_old)
    put("c_frac.0", np.arange(cycles), np.repeat([c_frac for c_frac, _ in formats], segment))

    fresh = (gates[Gate.INPUT] * gates[Gate.CELL]) >> (H_FRAC - c_frac)
    c_new = saturate((gates[Gate.FORGET] * c_old + fresh + (1 << (H_FRAC - 1))) >> H_FRAC, config.c_width)
    gate_o = gates[Gate.OUTPUT]
    if config.peepholes:
        z13, peep = random_signed(rng, Z13_BITS, count), random_signed(rng, PEEP_BITS, count)
        put("z13", last_gates - to_gate, z13)
        put("peep_o", last_gates + unit.cell_latency, peep)
        put("peep_shift.0", np.arange(cycles), np.repeat([shift for _, shift in formats], segment))
        z = saturate((z13 + ((peep * c_new) >> peep_shift)) >> 1, Z_BITS)
        gate_o = sigma_lookup()[z & Z_MASK]
    squashed = np.array([int(tanh_of_cell(c, int(frac))) for c, frac in zip(c_new, c_frac, strict=True)])
    h = (gate_o * squashed + (1 << (H_FRAC - 1))) >> H_FRAC

    def verify(outputs: Table) -> None:
        done = last_gates + unit.latency
        assert_equal("cycles of h", np.flatnonzero(outputs["h_valid"]), done)
        assert_equal("h", outputs["h"][done], h)
        assert_equal("h_c", outputs["h_c"][done], c_new)
        assert_equal("h_place", outputs["h_place"][done], number)
        assert_equal("h_last", outputs["h_last"][done], number % 7 == 3)
        assert_equal("cycles of c", np.flatnonzero(outputs["c_valid"]), last_gates + unit.cell_latency)
        assert_equal("c_new", outputs["c_new"][last_gates + unit.cell_latency], c_new)
        assert_equal("c_place", outputs["c_place"][last_gates + unit.cell_latency], number)
        if config.peepholes:
            assert_equal("peep_unit", outputs["peep_unit"][last_gates + unit.cell_latency - RAM_LATENCY], number)

    return Check(unit, table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One and two rows per cycle, with and without peepholes."""
    checks = {}
    for peepholes in (False, True):
        for rows_per_cycle in (1, 2, 4):
            config = EngineConfig(
                lanes=1,
                precisions=(8,),
                units=16,
                peepholes=peepholes,
                rows_per_cycle=rows_per_cycle,
                c_width=14 + 4 * rows_per_cycle if rows_per_cycle < 4 else 24,
            )
            name = f"{rows_per_cycle}_{'peepholes' if peepholes else 'plain'}"
            checks[name] = cell_check(rng, config, 400 if full else 60)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
