"""Systolic array: sums of every fold, each pair in its cycle."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here, wrap
from lstmith.rtl.array.array import SystolicArray
from lstmith.spec import latency as timing
from lstmith.spec.codes import Precision
from lstmith.spec.config import EngineConfig

Ints = npt.NDArray[np.int64]
NAMES = ("first", "second", "third", "fourth")


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


def _slots(rng: np.random.Generator, config: EngineConfig, cycles: int, *, loads: bool = True) -> Check:
    """Weight loads, then folds of mixed widths, as close to each other as the drain chain allows.

    Without loads the weights are the memories' initial contents.
    """
    weights = _weights(rng, config)
    unit, sheet = SystolicArray(config, [] if loads else weights.tolist()), Sheet(cycles)
    cycle = 0
    for lane in range(config.lanes if loads else 0):
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

    def capture_delay(code: int) -> int:
        return timing.capture_delay(1 << code, Precision(code).bits, config.rows_per_cycle)

    captures, sums = [cycle + 8], [np.zeros((4, config.lanes), dtype=np.int64)]
    drained = timing.unit_place(config, config.lanes - 1) + config.unit_cycles
    codes = [Precision.of(bits) for bits in config.word_bits]
    while captures[-1] < sheet.cycles - 200:
        entries = [int(code) for code in rng.choice(codes, rng.integers(1, 5))]
        rows = np.zeros((4, config.lanes), dtype=np.int64)
        cycle = captures[-1] + timing.after_capture(Precision(entries[0]).bits, config.rows_per_cycle)
        last = sum(1 << code for code in entries[:-1])
        cycle += max(0, captures[-1] + drained - (cycle + last + capture_delay(entries[-1])))
        for code in entries:
            operand, raised = int(rng.integers(-1023, 1024)), int(rng.integers(0, config.planes))
            for sub in range(1 << code):
                address = int(rng.integers(config.weight_depth))
                slot = {"valid": 1, "word": code, "sub": sub, "address": address, "operand": operand, "raised": raised}
                for name, value in slot.items():
                    sheet.put(f"i.{name}", cycle, value)
                rows += (_rows(weights[:, address], code, sub) * operand) << (raised * Precision(code).bits)
                cycle += 1
        captures.append(cycle - (1 << entries[-1]) + capture_delay(entries[-1]))
        sums.append(rows)
    together = config.drain_rows == 4
    for bit in range(2):
        # The second pair of sums leaves a cycle later, unless all leave together.
        at = np.array(captures) + (0 if together else bit)
        sheet.put("i.capture", at, 3 if together else 1 << bit)

    def verify(outputs: Table) -> None:
        for capture, rows in zip(captures, sums, strict=True):
            for lane in range(config.lanes):
                first = timing.unit_place(config, lane) if together else 2 * lane
                for gate, total in enumerate(wrap(rows[:, lane], config.acc_width)):
                    at = capture + unit.latency + first + gate // config.drain_rows
                    have = outputs[f"drain.{NAMES[gate % config.drain_rows]}"][at]
                    assert_equal(f"sum {gate} of lane {lane}, captured in {capture}", np.array(have), total)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One lane and several, both kinds of MAC, one, two and four rows per cycle, one and two planes."""
    cycles = 6000 if full else 1200
    config = partial(EngineConfig, precisions=(4, 8, 16), operand_width=16, weight_depth=16, units=8)
    checks = {"single": _slots(rng, config(lanes=1, acc_width=20), cycles)}
    for rows_per_cycle in (1, 2, 4):
        # A one-way cell unit has the lanes of small devices.
        for mac in ("dsp", "digit"):
            sized = config(lanes=6, acc_width=30, rows_per_cycle=rows_per_cycle, mac=mac)
            checks[f"{rows_per_cycle}_{mac}"] = _slots(rng, sized, cycles)
    for mac in ("dsp", "digit"):
        planes = config(lanes=2, acc_width=40, planes=2, mac=mac)
        for precisions in ((8,), (16,), (4, 8, 16)):
            name = "_".join(map(str, precisions))
            checks[f"planes_{mac}_{name}"] = _slots(rng, replace(planes, precisions=precisions), cycles)
        together = replace(planes, lanes=6, rows_per_cycle=4)
        checks[f"planes_{mac}_together"] = _slots(rng, together, cycles)
        stored = replace(planes, precisions=(4, 8), rows_per_cycle=1)
        checks[f"planes_{mac}_initial"] = _slots(rng, stored, cycles, loads=False)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
