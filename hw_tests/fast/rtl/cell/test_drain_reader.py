"""Drain reader: every row named in its cycle, its sum two cycles later."""

from __future__ import annotations

from functools import partial

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.cell.drain_reader import DrainReader
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import unit_place


def _drain_reader_check(rng: np.random.Generator, config: EngineConfig) -> Check:
    array_latency = 7
    unit = DrainReader(config, array_latency=array_latency)
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
            every = np.arange(config.lanes)
            places = cycle + array_latency + (unit_place(config, every) if config.drain_rows == 4 else 2 * every)
            for gate in range(4):
                name = ("first", "second", "third", "fourth")[gate % config.drain_rows]
                sheet.put(f"drain.{name}", places + gate // config.drain_rows, pairs[:, gate])
            begin = cycle + array_latency + unit.latency
            for lane in range(lanes):
                for step in range(config.unit_cycles):
                    at = begin + unit_place(config, lane) + step
                    rows.append(
                        (at - RAM_LATENCY, number, step * config.rows_per_cycle, int(ends and lane == lanes - 1))
                    )
                    sums += [
                        (at, int(pairs[lane, step * config.rows_per_cycle + way]))
                        for way in range(config.rows_per_cycle)
                    ]
                number += 1
            cycle += unit_place(config, lanes - 1) + config.unit_cycles + int(rng.choice([0, 0, 1, 30]))
        # The next layer's base comes when this layer's has been read.
        cycle += unit_place(config, config.lanes - 1) + config.unit_cycles

    def verify(outputs: Table) -> None:
        at, number, gate, last = np.array(rows).T
        assert_equal("cycles of rows", np.flatnonzero(outputs["rows_valid"]), at)
        assert_equal("gate", outputs["rows.gate"][at], gate)
        assert_equal("unit", outputs["rows.unit"][at], number)
        assert_equal("last", outputs["rows.last"][at], last)
        cycles, values = np.array(sums).T
        have = np.array([outputs[f"sums.{way}"] for way in range(config.rows_per_cycle)])
        way = np.arange(len(cycles)) % config.rows_per_cycle
        assert_equal("sums", have[way, cycles], values)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One, two and four rows per cycle."""
    config = partial(EngineConfig, lanes=5, precisions=(8,), acc_width=20, units=64)
    return {
        str(rows_per_cycle): _drain_reader_check(rng, config(rows_per_cycle=rows_per_cycle))
        for rows_per_cycle in (1, 2, 4)
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
