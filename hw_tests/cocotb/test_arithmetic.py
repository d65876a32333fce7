"""MAC, activation, requantiser and cell unit alone: exhaustive where possible, equal to golden everywhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hw_tests.cocotb.vectors import SIMULATORS, Check, Table, assert_equal, run_checks, wrap
from lstmith.golden import timing
from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup
from lstmith.golden.cell import requantise, saturate, tanh_of_cell
from lstmith.golden.config import BIAS_BITS, H_FRAC, MANTISSA_BITS, PEEP_BITS, PRECISIONS, Z_BITS, EngineConfig
from lstmith.rtl.activation import Activation
from lstmith.rtl.cell import CellUnit
from lstmith.rtl.feeder import READ
from lstmith.rtl.mac import DspMac
from lstmith.rtl.requantise import Requantiser

Ints = npt.NDArray[np.int64]
CYCLES = 1 << 17
ROWS = np.arange(4)[:, None]
#: Cycles from a unit's last gates to its new cell state, where the output peephole joins.
TO_CELL = 3


def _signed(rng: np.random.Generator, width: int, count: int) -> Ints:
    """Random signed numbers; small ones, and the limits, are likely."""
    limit = 1 << (width - 1)
    value = rng.integers(-limit, limit, count) >> rng.integers(0, width, count)
    corner = rng.choice([-limit, -limit + 1, -1, 0, 1, limit - 1], count)
    return np.where(rng.random(count) < 0.1, corner, value)


def _mac_check(config: EngineConfig, precision: Ints, weights: Ints, operand: Ints, sub: Ints) -> Check:
    """``weights`` int64 [4, cycles] by place in the word: 4 of 4 bits, 2 of 8, or 1 of 16."""
    unit = DspMac(config)
    bits = np.array(PRECISIONS)[precision]
    word = np.where(ROWS * bits < 16, (weights & ((1 << bits) - 1)) << (bits * ROWS), 0)
    base = sub * (16 // bits)
    held = (base <= ROWS) & (base + 16 // bits > ROWS)  # rows of this word
    place = np.clip(ROWS - base, 0, 3)
    products = np.take_along_axis(weights, place, axis=0) * operand
    # Now and then a word is not added: a pair of sums is cleared instead.
    count = len(operand)
    clears = np.random.default_rng(count).integers(0, 64, count)
    clears = np.where(clears < 4, clears, 0)
    held &= clears == 0
    sums = np.zeros((4, count + 1), dtype=np.int64)
    for row in range(4):
        total = np.concatenate([[0], np.where(held[row], products[row], 0).cumsum()])
        cleared = np.flatnonzero(clears >> row // 2 & 1) + 1
        since = np.zeros(count + 1, dtype=np.int64)
        since[cleared] = total[cleared] - total[np.concatenate([[0], cleared[:-1]])]
        sums[row] = total - since.cumsum()

    def verify(outputs: Table) -> None:
        late = slice(unit.latency, unit.latency + count + 1)
        for row in range(4):
            assert_equal(f"sum of row {row}", outputs[f"sums.{row}"][late], wrap(sums[row], config.acc_width))

    def beside_products(values: Ints) -> Ints:
        return np.concatenate([np.zeros(unit.latency, dtype=np.int64), values])

    table = {"word": word.sum(axis=0), "operand": operand, "packed": precision == 0, "wide": precision == 2}
    table |= {"enables": beside_products((held << ROWS).sum(axis=0)), "clear": beside_products(clears)}
    return Check(unit, table | {"split": beside_products(precision == 0)}, verify)


def _mac_checks(rng: np.random.Generator) -> dict[str, Check]:
    config = partial(EngineConfig, lanes=1, acc_width=40)
    # Every 4-bit weight with every operand in every row, in four arrangements of neighbours.
    operand, weight, turn = (axis.ravel() for axis in np.meshgrid(np.arange(-1023, 1024), np.arange(15), np.arange(4)))
    weights = np.array([(weight + row * (2 * turn + 1)) % 15 - 7 for row in range(4)])
    zero = np.zeros_like(operand)
    four = _mac_check(config(precisions=(4,), operand_width=11), zero, weights, operand, zero)
    # Every 8-bit product in every row.
    operand, weight, sub = (axis.ravel() for axis in np.meshgrid(np.arange(-128, 128), np.arange(256), np.arange(2)))
    weights = np.array([weight - 128, 127 - weight, weight, weight])
    eight = _mac_check(config(precisions=(8,), operand_width=10), np.ones_like(operand), weights, operand, sub)
    # 16 bits, and all precisions mixed word by word at the full operand width.
    weights, operand = np.tile(_signed(rng, 16, CYCLES), (4, 1)), _signed(rng, 17, CYCLES)
    sub = rng.integers(0, 4, CYCLES)
    sixteen = _mac_check(config(precisions=(16,), operand_width=17), np.full(CYCLES, 2), weights, operand, sub)
    precision, operand = rng.integers(0, 3, CYCLES), _signed(rng, 18, CYCLES)
    weights = np.array([_signed(rng, 16, CYCLES) for _ in range(4)])
    weights = np.where(precision == 0, weights % 15 - 7, np.where(precision == 1, wrap(weights, 8), weights))
    operand = np.where(precision == 0, np.clip(operand, -1023, 1023), operand)
    sub = rng.integers(0, 4, CYCLES) % np.array([1, 2, 4])[precision]
    mixed = _mac_check(config(precisions=(4, 8, 16), operand_width=18), precision, weights, operand, sub)
    return {"mac_4": four, "mac_8": eight, "mac_16": sixteen, "mac_mixed": mixed}


def _activation_check(is_tanh: bool) -> Check:
    """Every input of one function."""
    unit = Activation()
    z = np.arange(1 << Z_BITS)
    want = tanh_lookup() if is_tanh else sigma_lookup()
    return Check(
        unit,
        {"z": z, "is_tanh": np.full(len(z), int(is_tanh))},
        lambda outputs: assert_equal("y", outputs["y"][unit.latency :][: len(z)], want),
    )


def _requantiser_check(rng: np.random.Generator, config: EngineConfig, count: int = 40_000) -> Check:
    unit = Requantiser(config)
    total, before = _signed(rng, config.acc_width, count), _signed(rng, config.acc_width, count)
    shift = np.where(rng.random(count) < 0.7, rng.integers(0, config.acc_width, count), rng.integers(0, 64, count))
    mantissa = np.where(rng.random(count) < 0.8, rng.integers(1 << 14, 1 << MANTISSA_BITS, count), 0)
    bias = _signed(rng, BIAS_BITS, count)
    rows: Any = SimpleNamespace(shift=shift, mantissa=mantissa, bias=bias)
    z13 = requantise(total, rows, config, bias)
    table = {"total": before, "added": wrap(total - before, config.acc_width)}
    table |= {"row.mantissa": mantissa, "row.shift": shift, "row.bias": bias}
    if config.peepholes:
        peep, c, peep_shift = (
            _signed(rng, PEEP_BITS, count),
            _signed(rng, config.c_width, count),
            rng.integers(0, 32, count),
        )
        z13 = z13 + ((peep * c) >> peep_shift)
        table |= {"peep": peep, "c": c, "peep_shift": peep_shift}

    def verify(outputs: Table) -> None:
        assert_equal("updated", outputs["updated"][1 : 1 + count], total)
        assert_equal("z13", outputs["z13"][unit.latency - 1 :][:count], saturate(z13, 24))
        assert_equal("z", outputs["z"][unit.latency :][:count], saturate(z13 >> 1, Z_BITS))

    return Check(unit, table, verify)


def _cell_check(rng: np.random.Generator, config: EngineConfig, units: int = 400) -> Check:
    """Units at full pace, layer after layer with its own formats."""
    unit = CellUnit(config)
    pace, ways = config.unit_cycles, config.ways
    formats = [(c_frac, int(rng.integers(0, 32))) for c_frac in range(4, 16)]
    segment = units * pace + 40
    cycles = segment * len(formats)
    to_gate = 1 + timing.ACTIVATION  # from a pre-activation with 13 fraction bits
    last_gates = (np.arange(len(formats))[:, None] * segment + np.arange(units) * pace + pace + to_gate).ravel()
    count = len(last_gates)
    gates = np.array([rng.integers(0, 1 << H_FRAC, count) for _ in range(4)])
    gates[2] = rng.integers(-(1 << H_FRAC) + 2, 1 << H_FRAC, count)
    gates[:2] = np.where(rng.random((2, count)) < 0.3, (1 << H_FRAC) - 1, gates[:2])
    c_old = _signed(rng, config.c_width, count)
    c_frac, peep_shift = (np.repeat(values, units) for values in np.array(formats).T)
    number = np.arange(count) % config.units
    table: dict[str, Ints] = {}

    def put(name: str, cycle: Ints, values: npt.ArrayLike) -> None:
        table.setdefault(name, np.zeros(cycles, dtype=np.int64))[cycle] = values

    for step in range(pace):
        cycle = last_gates - (pace - 1) + step
        put("rows_valid", cycle, 1)
        put("rows.gate", cycle, step * ways)
        put("rows.unit", cycle, number)
        put("rows.last", cycle, number % 7 == 3)
        for way in range(ways):
            put(f"gates.{way}", cycle, gates[step * ways + way])
    put("c_old", last_gates, c_old)
    put("c_frac", np.arange(cycles), np.repeat([c_frac for c_frac, _ in formats], segment))

    fresh = (gates[0] * gates[2]) >> (H_FRAC - c_frac)
    c_new = saturate((gates[1] * c_old + fresh + (1 << (H_FRAC - 1))) >> H_FRAC, config.c_width)
    gate_o = gates[3]
    if config.peepholes:
        z13, peep = _signed(rng, 24, count), _signed(rng, PEEP_BITS, count)
        put("z13", last_gates - to_gate, z13)
        put("peep_o", last_gates + TO_CELL, peep)
        put("peep_shift", np.arange(cycles), np.repeat([shift for _, shift in formats], segment))
        z = saturate((z13 + ((peep * c_new) >> peep_shift)) >> 1, Z_BITS)
        gate_o = sigma_lookup()[z & Z_MASK]
    squashed = np.array([int(tanh_of_cell(c, int(frac))) for c, frac in zip(c_new, c_frac, strict=True)])
    h = (gate_o * squashed + (1 << (H_FRAC - 1))) >> H_FRAC

    def verify(outputs: Table) -> None:
        done = last_gates + unit.latency
        assert_equal("cycles of h", np.flatnonzero(outputs["h_valid"]), done)
        assert_equal("h", outputs["h"][done], h)
        assert_equal("h_c", outputs["h_c"][done], c_new)
        assert_equal("h_unit", outputs["h_unit"][done], number)
        assert_equal("h_last", outputs["h_last"][done], number % 7 == 3)
        assert_equal("cycles of c", np.flatnonzero(outputs["c_valid"]), last_gates + TO_CELL)
        assert_equal("c_new", outputs["c_new"][last_gates + TO_CELL], c_new)
        assert_equal("c_unit", outputs["c_unit"][last_gates + TO_CELL], number)
        if config.peepholes:
            assert_equal("peep_unit", outputs["peep_unit"][last_gates + TO_CELL - READ], number)

    return Check(unit, table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_macs(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    run_checks(_mac_checks(rng), simulator, tmp_path)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_activation_requantiser_and_cell_unit(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {"sigma": _activation_check(False), "tanh": _activation_check(True)}
    config = partial(EngineConfig, lanes=1, precisions=(8,), units=16)
    for peepholes, requant_width, acc_width in ((False, 16, 16), (False, 18, 48), (True, 16, 33), (True, 18, 24)):
        sized = config(peepholes=peepholes, requant_width=requant_width, acc_width=acc_width, c_width=24)
        checks[f"requantiser_{requant_width}_{acc_width}"] = _requantiser_check(rng, sized)
    for peepholes in (False, True):
        for ways in (1, 2):
            sized = config(peepholes=peepholes, ways=ways, c_width=16 + 4 * ways)
            checks[f"cell_{ways}_{'peepholes' if peepholes else 'plain'}"] = _cell_check(rng, sized)
    run_checks(checks, simulator, tmp_path)
