"""State of every unit: the core's ports, and the bus which goes before them."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Table, assert_equal, run_here
from hw_tests.fast.rtl.array.mac.mac_cases import random_signed
from lstmith.rtl.cell.state_memory import StateMemory
from lstmith.spec.config import bits_for


def _state_check(rng: np.random.Generator, sequences: int) -> Check:
    """Reads and writes of core and bus at random; a place that is written in a cycle is not read in it."""
    cycles = 1500
    units, width = 6, 12
    unit = StateMemory(units=units, sequences=sequences, width=width)
    places = [row << bits_for(units) | place for row in range(sequences) for place in range(units)]
    table = {name: rng.choice(places, cycles) for name in ("r_place", "w_place", "bus_place")}
    table |= {name: random_signed(rng, width, cycles) for name in ("w_value", "bus_value")}
    flags = {"w_valid": 0.5, "bus_read": 0.2, "bus_write": 0.2}
    table |= {name: (rng.random(cycles) < chance).astype(np.int64) for name, chance in flags.items()}
    # The bus has one place: it either reads or writes.
    table["bus_read"] &= 1 - table["bus_write"]
    memory = dict.fromkeys(places, 0)
    want, known = np.zeros(cycles, dtype=np.int64), np.zeros(cycles, dtype=bool)
    for cycle in range(cycles):
        now = {name: int(values[cycle]) for name, values in table.items()}
        read = now["bus_place"] if now["bus_read"] else now["r_place"]
        written = now["bus_place"] if now["bus_write"] else now["w_place"]
        writes = now["bus_write"] or now["w_valid"]
        want[cycle], known[cycle] = memory[read], not (writes and read == written)
        if writes:
            memory[written] = now["bus_value"] if now["bus_write"] else now["w_value"]

    def verify(outputs: Table) -> None:
        at = np.flatnonzero(known)
        assert_equal("value", outputs["value"][at + unit.latency], want[at])

    return Check(unit, table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One sequence and two."""
    return {f"sequences_{sequences}": _state_check(rng, sequences) for sequences in (1, 2)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
