"""One lane between neighbours: which loads it takes, what it sums, and its place in the drain chain."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here, wrap
from lstmith.rtl.array.lane import Lane
from lstmith.rtl.array.mac.parameters import MacParameters

LANES, DEPTH = 3, 8


def _lane_check(rng: np.random.Generator, pipelined: bool, index: int) -> Check:
    """8-bit words of a lane of three: folds close together, with what comes from the next lane between them."""
    mac = MacParameters(acc_width=24, operand_width=10, pipelined=pipelined)
    unit, sheet = Lane(index=index, lanes=LANES, depth=DEPTH, mac=mac), Sheet(1500)
    cycle, memory = 0, np.zeros(DEPTH, dtype=np.int64)
    # Loads of all lanes: only its own count.
    for address in range(DEPTH):
        for lane in rng.permutation(LANES).tolist():
            word = int(rng.integers(-(1 << 15), 1 << 15))
            for name, value in {"load": 1, "lane": lane, "address": address, "operand": word}.items():
                sheet.put(f"i.{name}", cycle, value)
            memory[address] = word if lane == index else memory[address]
            cycle += 1
    # The chain carries noise of the next lane wherever this one captures nothing.
    noise = {name: rng.integers(-(1 << 23), 1 << 23, sheet.cycles) for name in ("first", "second")}
    for name, values in noise.items():
        sheet.put(f"drain_i.{name}", slice(None), values)
    captures: list[tuple[int, int, tuple[int, int]]] = []
    # Whatever is summed before is gone after a first capture of both pairs.
    sums = np.zeros(4, dtype=np.int64)
    sheet.put("i.capture", cycle + unit.latency, 3)
    begin = cycle + unit.latency + 2
    cycle += 3
    while cycle < sheet.cycles - 60:
        for _ in range(int(rng.integers(1, 5))):
            address, operand, half = int(rng.integers(DEPTH)), int(rng.integers(-512, 512)), int(rng.integers(2))
            sheet.put("i.address", cycle, address)
            sheet.put("i.operand", cycle + unit.word_latency, operand)
            sheet.put("i.enables", cycle + unit.latency, 0b1100 if half else 0b0011)
            weights = wrap(np.array([memory[address], memory[address] >> 8]), 8)
            sums[2 * half : 2 * half + 2] += weights * operand
            cycle += 1
        for pair in range(2):
            at = cycle + unit.latency + pair
            sheet.put("i.capture", at, 1 << pair)
            captures.append((at + 1, pair, (int(sums[2 * pair]), int(sums[2 * pair + 1]))))
        sums[:] = 0
        cycle += 2 + int(rng.integers(0, 4))

    def verify(outputs: Table) -> None:
        for name in ("address", "operand", "enables", "capture"):
            passed = sheet.table[f"i.{name}"]
            assert_equal(f"o.{name}", outputs[f"o.{name}"][1 : sheet.cycles], passed[:-1])
        late = unit.drain_latency
        captured = {at - 1 + late: sums for at, _, sums in captures}
        # What the next lane sends meets a slot's capture in the last of the drain's registers.
        own = np.zeros(sheet.cycles + 8, dtype=bool)
        for at in captured:
            own[at + 1] = True
        for at, (first, second) in captured.items():
            have = outputs["drain_o.first"][at + 1], outputs["drain_o.second"][at + 1]
            want = tuple(int(wrap(np.array([value]), mac.acc_width)[0]) for value in (first, second))
            assert have == want, f"captured pair in cycle {at + 1}: {have}, not {want}"
        if index == LANES - 1 and pipelined:
            return
        free = np.flatnonzero(~own[: sheet.cycles])
        free = free[free > begin + late + 2]
        for name, values in noise.items():
            assert_equal(f"drain_o.{name}", outputs[f"drain_o.{name}"][free], values[free - 1])

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Within the chain and at its end, with and without the registers of a fast clock."""
    return {
        f"{'fast' if pipelined else 'slow'}_{index}": _lane_check(rng, pipelined, index)
        for pipelined in (False, True)
        for index in (1, 2)
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
