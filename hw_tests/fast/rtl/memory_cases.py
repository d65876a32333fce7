"""Writes and reads of a memory at random."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, assert_equal
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.rtl.prim.ram import Ram


def memory_check(rng: np.random.Generator, unit: Ram | WeightBank, depth: int, init: list[int]) -> Check:
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
