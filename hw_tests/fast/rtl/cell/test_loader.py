"""Loader without active counts: the host's accesses, and its loads once the record is there."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Table, assert_equal, run_here, wrap
from lstmith.rtl.cell.loader import Loader
from lstmith.spec.config import EngineConfig


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Accesses at random, of layers whose records come late; another active count is in ``test_reload.py``."""
    config, cycles = EngineConfig(lanes=1, precisions=(8,), layers=3, units=8, c_width=20), 1200
    table = {name: (rng.random(cycles) < 0.1).astype(np.int64) for name in ("host_begin", "host_end")}
    table["host_end"] &= 1 - table["host_begin"]
    names = "host_cell_write", "host_hidden_write", "host_hidden_read", "loaded"
    table |= {name: (rng.random(cycles) < 0.5).astype(np.int64) for name in names}
    table |= {"host_layer": rng.integers(0, 3, cycles), "host_place": rng.integers(0, 8, cycles)}
    table["host_value"] = rng.integers(-(1 << 31), 1 << 31, cycles)
    waits, ready = False, []
    for cycle in range(cycles):
        selects = table["host_begin"][cycle] or table["host_end"][cycle]
        ready.append(int(waits and bool(table["loaded"][cycle]) and not selects))
        waits = bool(table["host_begin"][cycle]) or (waits and not ready[-1])
    same = {"load_end": "host_end", "load_valid": "host_hidden_write", "place": "host_place"}
    same |= {"cell_write": "host_cell_write", "hidden_write": "host_hidden_write", "hidden_read": "host_hidden_read"}

    def verify(outputs: Table) -> None:
        for name, source in same.items():
            assert_equal(name, outputs[name][:cycles], table[source])
        assert_equal("load_begin", outputs["load_begin"][:cycles], ready)
        assert_equal("select", outputs["select"][:cycles], table["host_begin"] | table["host_end"])
        assert_equal("layer_select", outputs["layer_select"][:cycles], table["host_layer"] * table["host_begin"])
        assert_equal("load_h", outputs["load_h"][:cycles], wrap(table["host_value"], 16))
        assert_equal("cell_value", outputs["cell_value"][:cycles], wrap(table["host_value"], config.c_width))

    return {"host": Check(Loader(config), table, verify)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
