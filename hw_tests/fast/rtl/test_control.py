"""Control: every region's access as strobes and fields, registers as written, counters as counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.control import NUMBER_BITS, Control
from lstmith.spec.config import EngineConfig
from lstmith.spec.registers import IDENTITY, PROGRAM_REGISTERS, REGION_SHIFT, WEIGHTS, Region, Register, address

CONFIG = EngineConfig(
    lanes=3,
    precisions=(4, 8, 16),
    peepholes=True,
    planes=2,
    monitor=True,
    skip=True,
    active_counts=4,
    layers=2,
    units=8,
    inputs=8,
)
STROBES = (
    "weights.valid",
    "program.valid",
    "rows.valid",
    "predictor_write",
    "states.cell_write",
    "states.hidden_write",
)
REGIONS = {
    Region.PROGRAM: "program.valid",
    Region.PREDICTOR: "predictor_write",
    Region.CELL: "states.cell_write",
    Region.HIDDEN: "states.hidden_write",
}
COUNTERS = {"skipped": Register.SKIPPED, "restarts": Register.RESTARTS}


def _writes(rng: np.random.Generator) -> Check:
    """Writes of every region in turn, as close as they may follow each other; nothing is written while busy."""
    sheet, unit = Sheet(1500), Control(CONFIG)
    idle = np.repeat(rng.random(-(-sheet.cycles // 50)) < 0.7, 50)[: sheet.cycles].astype(np.int64)
    sheet.put("idle", slice(None), idle)
    wanted: list[tuple[int, dict[str, int]]] = []
    strobes: dict[str, list[int]] = {name: [] for name in STROBES}

    def write(cycle: int, place: int, value: int) -> None:
        sheet.put("bus.addr", cycle, place)
        sheet.put("bus.w_data", cycle, value)
        sheet.put("bus.w_en", cycle, 1)

    cycle = 2
    while cycle < sheet.cycles - 20:
        value, kind = int(rng.integers(1 << 32)), int(rng.integers(4))
        if not idle[cycle] or not idle[cycle + 1]:
            # Anywhere, weights among it; a row's two pieces must not straddle the edge.
            region = rng.choice([*Region, WEIGHTS >> REGION_SHIFT])
            if not idle[cycle]:
                write(cycle, int(region) << REGION_SHIFT | int(rng.integers(64)), value)
            cycle += 1
            continue
        if kind == 0:
            lane, word = int(rng.integers(3)), int(rng.integers(CONFIG.weight_depth))
            write(cycle, WEIGHTS | lane << CONFIG.address_bits | word, value)
            wanted.append((cycle + 1, {"weights.lane": lane, "weights.address": word, "weights.data": value & 0xFFFF}))
            strobes["weights.valid"].append(cycle + 1)
        elif kind == 1:
            mask, unit_, gate = int(rng.integers(4)), int(rng.integers(8)), int(rng.integers(4))
            row = ((mask << CONFIG.unit_bits | unit_) << 2 | gate) << 1
            write(cycle, address(Region.ROWS, row), value)
            cycle += 1
            bias = int(rng.integers(1 << 32))
            write(cycle, address(Region.ROWS, row | 1), bias)
            fields = {"rows.mask": mask, "rows.unit": unit_, "rows.gate": gate}
            fields |= {"rows.data.scale.mantissa": value & 0x7FFF, "rows.data.shift": value >> 15 & 0x3F}
            wanted.append((cycle + 1, fields))
            strobes["rows.valid"].append(cycle + 1)
        elif kind == 2:
            gate, place = int(rng.integers(3)), int(rng.integers(8))
            write(cycle, address(Region.PEEPHOLES, place << 2 | gate), value)
            wanted.append((cycle + 1, {"peepholes.valid": 1 << gate, "peepholes.unit": place}))
        else:
            region, index = rng.choice(list(REGIONS)), int(rng.integers(8))
            write(cycle, address(Region(int(region)), index), value)
            wanted.append((cycle + 1, {"index": index, "data": value}))
            strobes[REGIONS[Region(int(region))]].append(cycle + 1)
        cycle += int(rng.choice([1, 1, 4]))

    def verify(outputs: Table) -> None:
        for name, cycles in strobes.items():
            assert_equal(name, np.flatnonzero(outputs[name]), cycles)
        for at, fields in wanted:
            for name, value in fields.items():
                assert outputs[name][at] == value, f"{name} in cycle {at}"

    return Check(unit, sheet.table, verify)


def _registers(rng: np.random.Generator) -> Check:
    """Settings as they are written, a load's begin and end, and what reads answer while the engine counts."""
    sheet, unit = Sheet(1200), Control(CONFIG)
    settings: list[tuple[int, dict[str, int]]] = []
    loads: list[tuple[int, dict[str, int]]] = []
    reads: list[tuple[int, int]] = []
    events = {name: (rng.random(sheet.cycles) < 0.3).astype(np.int64) for name in ("skipped", "restarts", "word_valid")}
    idle = (rng.random(sheet.cycles) < 0.75).astype(np.int64)
    # Digits of two planes have 8 bits at most.
    width = rng.integers(0, len(CONFIG.word_bits), sheet.cycles)
    for name, values in (events | {"idle": idle, "word_width": width}).items():
        sheet.put(name, slice(None), values)
    cell, hidden = rng.integers(-(1 << 15), 1 << 15, (2, sheet.cycles))
    sheet.put("states.cell", slice(None), cell)
    sheet.put("states.hidden", slice(None), hidden)
    counted: dict[Register, Any] = {register: events[name] for name, register in COUNTERS.items()}
    counted[Register.CYCLES] = 1 - idle
    for code, register in enumerate((Register.WORDS_4, Register.WORDS_8, Register.WORDS_16)):
        counted[register] = events["word_valid"] * (width == code)
    now: dict[str, int] = {}
    for cycle in range(2, sheet.cycles - 20, 8):
        value = int(rng.integers(1 << 32))
        fields = {
            Register.OUTPUT_ALL: {"emit_all": value & 1},
            Register.X_INPUTS: {"settings.inputs": value & 7, "step_inputs.0": value & 7},
            Register.X_GRID: {
                "settings.grid.shift": value & 15,
                "settings.grid.exponent": value >> 4 & 7,
                "settings.grid.unsigned": value >> 7 & 1,
                "settings.grid.mode": value >> 8 & 3,
                "settings.grid.pair": value >> 10 & 1,
            },
            Register.X_THETA: {"settings.grid.theta": value & 0xFFFF},
            Register.X_LOW_THETA: {"settings.grid.low_theta": value & 0xFFFF},
            Register.X_MONITOR: {"settings.monitor.judges": value & 1, "settings.monitor.warmup": value >> 8 & 0xFF},
            Register.SKIP_CHANGE: {"settings.skip.change": value & 0xFFFFFF},
            Register.SKIP_RULE: {"settings.skip.limit": value & 15, "settings.skip.predictor": value >> 4 & 1},
            Register.SKIP_THRESHOLD: {"threshold": (value & 0xFFFFFF ^ 0x800000) - 0x800000},
        }
        if rng.random() < 0.2:
            layer, mask = int(rng.integers(2)), int(rng.integers(4))
            word = int(rng.random() < 0.6) * (1 + layer + 256 * mask)
            sheet.put("bus.w_data", cycle, word)
            sheet.put("bus.addr", cycle, address(Region.CONTROL, Register.LOAD))
            begins = {"states.begin": 1, "states.end": 0, "states.layer": layer, "states.mask": mask}
            if idle[cycle]:
                loads.append((cycle + 1, begins if word else {"states.begin": 0, "states.end": 1}))
        else:
            # In turn, so that each is written some ten times.
            register = list(fields)[len(settings) % len(fields)]
            sheet.put("bus.w_data", cycle, value)
            sheet.put("bus.addr", cycle, address(Region.CONTROL, register))
            now = now | fields[register] if idle[cycle] else now
        sheet.put("bus.w_en", cycle, 1)
        settings.append((cycle + 2, now))
        # A read of anything behind the write.
        at, kind = cycle + 2, int(rng.integers(5))
        if kind == 0:
            register = list(counted)[int(rng.integers(len(counted)))]
            place, answer = address(Region.CONTROL, register), int(counted[register][: at + 2].sum())
        elif kind == 1:
            place, answer = address(Region.CONTROL, Register.IDENTITY), IDENTITY
        elif kind == 2:
            place, answer = address(Region.CELL, 3), int(cell[at + 3] * idle[at])
        elif kind == 3:
            # No register is there, though its lowest bits are those of one.
            region = (Region.CONTROL, Region.ROWS)[int(rng.integers(2))]
            place, answer = address(region, Register.IDENTITY + (1 << NUMBER_BITS)), 0
        else:
            place, answer = address(Region.HIDDEN, 5), int(hidden[at + 3] * idle[at])
        sheet.put("bus.addr", at, place)
        sheet.put("bus.r_en", at, 1)
        reads.append((at + unit.read_latency, answer))

    def verify(outputs: Table) -> None:
        for at, fields in [*settings, *loads]:
            for name, value in fields.items():
                assert outputs[name][at] == value, f"{name} in cycle {at}"
        for name in ("states.begin", "states.end"):
            assert_equal(name, np.flatnonzero(outputs[name]), [at for at, fields in loads if fields[name]])
        cycles, answers = np.array(reads).T
        assert_equal("bus.r_data", outputs["bus.r_data"][cycles], answers % (1 << 32))

    return Check(unit, sheet.table, verify)


def _programs(rng: np.random.Generator) -> Check:
    """Registers that each program has: written by number, told of the program that is asked for, lengths of all."""
    config = EngineConfig(lanes=1, precisions=(8,), programs=3, units=4, inputs=8)
    sheet, unit = Sheet(900), Control(config)
    idle = (rng.random(sheet.cycles) < 0.7).astype(np.int64)
    asked = rng.integers(0, config.programs, sheet.cycles)
    sheet.put("idle", slice(None), idle)
    sheet.put("settings.program", slice(None), asked)
    kept = np.zeros((config.programs, 3), dtype=np.int64)  # inputs, shift, theta
    wanted: list[tuple[int, list[int]]] = []
    registers = (Register.X_INPUTS, Register.X_GRID, Register.X_THETA)
    for cycle in range(1, sheet.cycles, 4):
        # The last program's number has room for one more, which is not there.
        program, which = int(rng.integers(config.programs + 1)), int(rng.integers(3))
        value = int(rng.integers(1 << 16))
        beyond = int(rng.random() < 0.2) << NUMBER_BITS + config.program_bits
        sheet.put("bus.addr", cycle, PROGRAM_REGISTERS * program + registers[which] | beyond)
        sheet.put("bus.w_data", cycle, value)
        sheet.put("bus.w_en", cycle, 1)
        if idle[cycle] and not beyond and program < config.programs:
            kept[program, which] = value & (7, 15, 0xFFFF)[which]
        # Written a cycle later, and told of a program a cycle after it is asked for.
        wanted.append((cycle + 3, [*kept[asked[cycle + 2]].tolist(), *kept[:, 0].tolist()]))
    names = ["settings.inputs", "settings.grid.shift", "settings.grid.theta"]
    names += [f"step_inputs.{program}" for program in range(config.programs)]

    def verify(outputs: Table) -> None:
        for at, values in wanted:
            assert [int(outputs[name][at]) for name in names] == values, f"in cycle {at}"

    return Check(unit, sheet.table, verify)


def _uncounted(rng: np.random.Generator) -> Check:
    """What an engine without skip rules and deltas does not count, and words of widths that it has not, read as 0."""
    sheet, unit = Sheet(200), Control(EngineConfig(lanes=1, precisions=(8,), delta=False))
    for name in ("skipped", "restarts", "word_valid", "word_width"):
        sheet.put(name, slice(None), 1)
    absent = (Register.WORDS_4, Register.WORDS_16, Register.SKIPPED, Register.RESTARTS)
    reads = {10 + 4 * place: register for place, register in enumerate((*absent, Register.WORDS_8, Register.CYCLES))}
    for cycle, register in reads.items():
        sheet.put("bus.addr", cycle, address(Region.CONTROL, register))
        sheet.put("bus.r_en", cycle, 1)

    def verify(outputs: Table) -> None:
        for cycle, register in reads.items():
            want = 0 if register in absent else cycle + 2
            assert outputs["bus.r_data"][cycle + unit.read_latency] == want, register

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Writes of memories, and registers."""
    return {
        "writes": _writes(rng),
        "registers": _registers(rng),
        "programs": _programs(rng),
        "uncounted": _uncounted(rng),
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
