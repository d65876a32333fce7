"""Memories, lane, systolic array, feeder and gate pipeline alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hw_tests.checks import Check, Sheet, Table, assert_equal, wrap
from hw_tests.cocotb.vectors import SIMULATORS, run_checks
from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup
from lstmith.golden.cell import requantise, saturate
from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.rtl.cell.feeder import READ, Feeder
from lstmith.rtl.cell.gates import GatePipeline
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import Z_BITS, EngineConfig

Ints = npt.NDArray[np.int64]


def _memory_check(rng: np.random.Generator, unit: Ram | WeightBank, depth: int, init: list[int]) -> Check:
    """Writes and reads at random, never of one word at once; WeightBank has one address for both."""
    cycles = 2000
    write, data = rng.random(cycles) < 0.4, rng.integers(0, 1 << 16, cycles)
    r_addr = rng.integers(0, depth, cycles)
    bank = isinstance(unit, WeightBank)
    w_addr = r_addr if bank else (r_addr + rng.integers(1, depth, cycles)) % depth
    memory, want = np.array(init + [0] * (depth - len(init))), np.zeros(cycles, dtype=np.int64)
    for cycle in range(cycles):
        want[cycle] = memory[r_addr[cycle]]
        if write[cycle]:
            memory[w_addr[cycle]] = data[cycle]
    # A bank that writes does not read.
    known = np.flatnonzero(~write if bank else np.ones(cycles, dtype=bool))
    names = ("address", "address", "word") if bank else ("r_addr", "w_addr", "r_data")
    table = {names[0]: r_addr, names[1]: w_addr, "w_en": write, "w_data": data}
    return Check(unit, table, lambda out: assert_equal(names[2], out[names[2]][known + unit.latency], want[known]))


def _weights(rng: np.random.Generator, config: EngineConfig) -> Ints:
    """uint16 [lanes, depth]; never a 4-bit -8, which no layer has."""
    words = rng.integers(0, 1 << 16, (config.lanes, config.weight_depth))
    for bit in range(0, 16, 4):
        nibble = words >> bit & 15
        words = np.where(nibble == 8, words ^ (1 << bit), words)
    return words


def _rows(word: Ints, precision: int, sub: int) -> Ints:
    """Weights of a word by gate row, int64 [4, lanes]; rows it does not hold are zero."""
    bits = 4 << precision
    rows = np.zeros((4, len(word)), dtype=np.int64)
    for place in range(16 // bits):
        rows[sub * (16 // bits) + place] = wrap(word >> (bits * place), bits)
    return rows


def _slots(rng: np.random.Generator, config: EngineConfig, unit: SystolicArray) -> Check:
    """Weight loads, then folds of mixed precision, as close to each other as the drain chain allows."""
    sheet = Sheet(6000)
    weights = _weights(rng, config)
    cycle = 0
    for lane in range(config.lanes):
        for address in range(config.weight_depth):
            load: dict[str, Any] = {
                "load": 1,
                "lane": lane,
                "address": address,
                "operand": wrap(weights[lane, address], 16),
            }
            for name, value in load.items():
                sheet.put(f"i.{name}", cycle, value)
            cycle += 1

    captures, sums = [cycle + 8], [np.zeros((4, config.lanes), dtype=np.int64)]
    while captures[-1] < sheet.cycles - 200:
        entries = [int(precision) for precision in rng.integers(0, 3, rng.integers(1, 5))]
        rows = np.zeros((4, config.lanes), dtype=np.int64)
        # A 4-bit word adds to all rows, so it waits for both captures, and its own come after it.
        begin = captures[-1] + (1 if entries[0] else 2)
        capture = begin + sum(1 << precision for precision in entries) - (1 if entries[-1] else 0)
        cycle = begin + max(0, captures[-1] + 2 * config.lanes - capture)
        for precision in entries:
            operand = int(rng.integers(-1023, 1024))
            for sub in range(1 << precision):
                address = int(rng.integers(config.weight_depth))
                slot = {"valid": 1, "precision": precision, "sub": sub, "address": address, "operand": operand}
                for name, value in slot.items():
                    sheet.put(f"i.{name}", cycle, value)
                rows += _rows(weights[:, address], precision, sub) * operand
                cycle += 1
        captures.append(cycle - (1 if entries[-1] else 0))
        sums.append(rows)
    for bit in range(2):
        sheet.put("i.capture", np.array(captures) + bit, 1 << bit)

    def verify(outputs: Table) -> None:
        for capture, rows in zip(captures, sums, strict=True):
            for lane in range(config.lanes):
                for pair in range(2):
                    at = capture + unit.latency + 2 * lane + pair
                    have = [outputs[f"drain.{name}"][at] for name in ("first", "second")]
                    want = wrap(rows[2 * pair : 2 * pair + 2, lane], config.acc_width)
                    assert_equal(f"sums {pair} of lane {lane}, captured in {capture}", np.array(have), want)

    return Check(unit, sheet.table, verify)


def _feeder_check(rng: np.random.Generator, config: EngineConfig) -> Check:
    array_latency = 7
    unit = Feeder(config, array_latency)
    sheet = Sheet(4000)
    rows: list[tuple[int, int, int, int]] = []
    sums: list[tuple[int, int]] = []
    cycle = 0
    while cycle < sheet.cycles - 200:
        folds, number = int(rng.integers(1, 4)), int(rng.integers(0, 8))
        sheet.put("unit_base.0", slice(cycle, None), number)
        for fold in range(folds):
            ends = fold == folds - 1
            lanes = int(rng.integers(1, config.lanes + 1)) if ends else config.lanes
            for name, value in (("first", fold == 0), ("last", ends), ("lanes", lanes - 1)):
                sheet.put(f"fold.{name}", cycle, value)
            sheet.put("fold_valid", cycle, 1)
            # The chain moves on for as long as it has lanes; beyond those in use it holds noise.
            pairs = rng.integers(-(1 << 19), 1 << 19, (config.lanes, 4))
            places = cycle + array_latency + 2 * np.arange(config.lanes)
            for pair in range(2):
                sheet.put("drain.first", places + pair, pairs[:, 2 * pair])
                sheet.put("drain.second", places + pair, pairs[:, 2 * pair + 1])
            begin = cycle + array_latency + unit.latency
            for lane in range(lanes):
                for step in range(config.unit_cycles):
                    at = begin + lane * config.unit_cycles + step
                    rows.append((at - READ, number, step * config.ways, int(ends and lane == lanes - 1)))
                    sums += [(at, int(pairs[lane, step * config.ways + way])) for way in range(config.ways)]
                number += 1
            cycle += config.unit_cycles * lanes + int(rng.choice([0, 0, 1, 30]))
        # The next layer's base comes when this layer's has been read.
        cycle += config.unit_cycles * config.lanes

    def verify(outputs: Table) -> None:
        at, number, gate, last = np.array(rows).T
        assert_equal("cycles of rows", np.flatnonzero(outputs["rows_valid"]), at)
        assert_equal("gate", outputs["rows.gate"][at], gate)
        assert_equal("unit", outputs["rows.unit"][at], number)
        assert_equal("last", outputs["rows.last"][at], last)
        cycles, values = np.array(sums).T
        have = np.array([outputs[f"sums.{way}"] for way in range(config.ways)])
        way = np.arange(len(cycles)) % config.ways
        assert_equal("sums", have[way, cycles], values)

    return Check(unit, sheet.table, verify)


def _gates_check(rng: np.random.Generator, config: EngineConfig) -> Check:
    """Steps of a layer: sums kept from step to step or cleared, every row with its own parameters."""
    unit = GatePipeline(config)
    units, ways, steps = config.units, config.ways, 30
    count = 4 * units
    parameters: Any = SimpleNamespace(
        mantissa=rng.integers(1 << 14, 1 << 15, count),
        shift=rng.integers(6, 14, count),
        bias=rng.integers(-30_000, 30_000, count),
    )
    spacing = count // ways + 40
    sheet = Sheet(count + steps * spacing + 40)
    sheet.put("row_write", slice(0, count), 1)
    sheet.put("row_unit", slice(0, count), np.arange(count) // 4)
    sheet.put("row_gate", slice(0, count), np.arange(count) % 4)
    for name, part in (("mantissa", "scale."), ("shift", ""), ("bias", "scale.")):
        sheet.put(f"row_data.{part}{name}", slice(0, count), getattr(parameters, name))
    kept = np.zeros(count, dtype=np.int64)
    expected: list[tuple[Ints, Ints]] = []
    row = np.arange(count)
    for step in range(steps):
        begin = count + step * spacing
        at = begin + row // ways
        sheet.put("rows_valid", at, 1)
        sheet.put("rows.unit", at, row // 4)
        sheet.put("rows.gate", at, row % 4 // ways * ways)
        clear = step == 0 or rng.random() < 0.3
        sheet.put("clear", slice(begin, begin + spacing), int(clear))
        added = rng.integers(-4000, 4000, count)
        for way in range(ways):
            own = row % ways == way
            sheet.put(f"sums.{way}", at[own] + READ, added[own])
        kept = added if clear else kept + added
        z13 = requantise(kept, parameters, config, parameters.bias)
        if config.peepholes:
            peep, c, shift = rng.integers(-3000, 3000, count), rng.integers(-2000, 2000, units)[row // 4], step % 12
            peep[row % 4 > 1] = 0
            for way in range(ways):
                own = row % ways == way
                sheet.put(f"peep.{way}", at[own] + READ, peep[own])
            sheet.put("c", at + READ, c)
            sheet.put("peep_shift", slice(begin, begin + spacing), shift)
            z13 = z13 + ((peep * c) >> shift)
        z = saturate(z13 >> 1, Z_BITS) & Z_MASK
        expected.append((at, np.where(row % 4 == 2, tanh_lookup()[z], sigma_lookup()[z])))

    def verify(outputs: Table) -> None:
        cycles = np.unique(np.concatenate([at for at, _ in expected])) + READ + unit.latency
        assert_equal("cycles of gates", np.flatnonzero(outputs["o_valid"]), cycles)
        have = np.array([outputs[f"gates.{way}"] for way in range(ways)])
        for step, (at, want) in enumerate(expected):
            done = at + READ + unit.latency
            assert_equal(f"gates of step {step}", have[row % ways, done], want)
            assert_equal("unit", outputs["o_rows.unit"][done], row // 4)

    return Check(unit, sheet.table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_memories_array_feeder_and_gates(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    small = EngineConfig(lanes=3, precisions=(4, 8, 16), acc_width=30, operand_width=16, weight_depth=16, units=8)
    single = EngineConfig(lanes=1, precisions=(4, 8, 16), acc_width=20, operand_width=16, weight_depth=16, units=8)
    init = [int(word) for word in rng.integers(0, 1 << 16, 9)]
    checks = {
        "ram": _memory_check(rng, Ram(16, 16, init), 16, init),
        "bank": _memory_check(rng, WeightBank(small, init), 16, init),
        "lane": _slots(rng, single, SystolicArray(single)),
    }
    for ways in (1, 2):
        # A one-way cell unit has the lanes of small devices.
        for mac in ("dsp", "digit"):
            sized = replace(small, ways=ways, mac=mac)
            checks[f"array_{ways}_{mac}"] = _slots(rng, sized, SystolicArray(sized))
        config = EngineConfig(lanes=5, precisions=(8,), acc_width=20, ways=ways, units=64)
        checks[f"feeder_{ways}"] = _feeder_check(rng, config)
        for peepholes in (False, True):
            config = EngineConfig(
                lanes=1, precisions=(8,), acc_width=24, ways=ways, units=8, peepholes=peepholes, c_width=16
            )
            checks[f"gates_{ways}_{'peepholes' if peepholes else 'plain'}"] = _gates_check(rng, config)
    run_checks(checks, simulator, tmp_path)
