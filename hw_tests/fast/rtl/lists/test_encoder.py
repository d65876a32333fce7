"""Encoder: what is listed, and what references become."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from amaranth.lib import data

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here, wrap
from hw_tests.fast.rtl.lists.list_cases import Ints, references_after, widest_grid
from lstmith.golden.encoder import distance, listed
from lstmith.rtl.layouts import lists
from lstmith.rtl.lists.encoder import Encoder
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode

EMPTY_TAG = data.StructLayout({"mark": 1})


def _settings(
    rng: np.random.Generator, count: int, *, planes: int, monitor: bool, operand_width: int
) -> dict[str, Any]:
    """A grid for each value: any whose operands the width has room for."""
    grids = [
        (shift, exponent, unsigned)
        for shift, exponent, unsigned in itertools.product(range(16), range(5), range(2))
        if widest_grid(shift, exponent, unsigned=bool(unsigned)).span < 1 << (operand_width - 1)
    ]
    shift, exponent, unsigned = rng.choice(grids, count).T
    return {
        "shift": shift,
        "exponent": exponent,
        "unsigned": unsigned,
        "mode": rng.integers(0, 4 if planes > 1 else 3, count),
        "theta": rng.choice([0, 0, 1, 5, 300, 2048, 65535], count),
        "low_theta": rng.choice([0, 1, 20, 2000, 4096, 65535], count),
        "pair": (planes > 1) & (rng.random(count) < 0.8),
        "defers": monitor & (rng.random(count) < 0.3),
        "forget": rng.random(count) < 0.1,
        "exact": rng.random(count) < 0.1,
    }


def _encoder_check(rng: np.random.Generator, *, planes: int, operand_width: int) -> Check:
    """Every value with its own grid, mode, thresholds and flags; references in turn, as close as allowed."""
    monitor = planes > 1
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=operand_width, planes=planes, monitor=monitor)
    references, count, kinds = 5, 4000, lists(planes)
    unit = Encoder(config, references, data.StructLayout({"mark": 8}))
    value = rng.integers(-32768, 32768, count) >> rng.integers(0, 8, count)
    index = np.arange(count) % references
    grid = _settings(rng, count, planes=planes, monitor=monitor, operand_width=operand_width)
    valid = rng.random(count) < 0.8
    kept = np.zeros((references, planes, 1), dtype=np.int64)
    far = np.zeros(count, dtype=np.int64)
    operand, taken = np.zeros((kinds, planes, count), dtype=np.int64), np.zeros((kinds, planes, count), dtype=bool)
    for at in np.flatnonzero(valid):
        place, own = index[at], {name: int(values[at]) for name, values in grid.items()}
        mode, exact = Mode(own["mode"]), bool(own["exact"])
        on_grid = widest_grid(own["shift"], own["exponent"], unsigned=bool(own["unsigned"])).apply(value[at : at + 1])
        far[at] = distance(on_grid, kept[place, 0])[0]
        restarts = mode in (Mode.DENSE, Mode.SKIP) or exact
        # One list alone holds values where the sums are recomputed.
        before = np.zeros_like(kept[place]) if own["forget"] or (planes == 1 and restarts) else kept[place].copy()
        thetas = (0, 0) if restarts else (own["theta"], own["low_theta"])
        held = not own["pair"] or (bool(own["defers"]) and not restarts)
        after = references_after(on_grid, before, thetas, held=held)
        kept[place] = after
        for which, changes in enumerate((after - before, after)[:kinds]):
            operand[which, :, at] = changes[:, 0] << own["exponent"]
            taken[which, :, at] = listed(changes[:, 0], mode)
            taken[which, 1:, at] &= bool(own["pair"])
    table = {f"grid.{name}": values for name, values in grid.items()}
    table |= {"valid": valid, "value": value, "index": index, "tag.mark": np.arange(count) % 256}

    def verify(outputs: Table) -> None:
        late = slice(unit.latency, unit.latency + count)
        assert_equal("o_valid", outputs["o_valid"][late], valid)
        assert_equal("o_tag", outputs["o_tag.mark"][late][valid], np.flatnonzero(valid) % 256)
        # Grids of all kinds follow each other here, so that a difference may leave the operand's width.
        assert_equal("o_distance", outputs["o_distance"][late][valid], far[valid] % (1 << operand_width - 1))
        for which in range(kinds):
            name = f"o_candidates.{which}"
            bits = (taken[which] << np.arange(planes)[:, None]).sum(axis=0)
            assert_equal(f"{name}.planes", outputs[f"{name}.planes"][late][valid], bits[valid])
            for plane in range(planes):
                there = taken[which, plane]
                want = wrap(operand[which, plane][there], config.operand_width)
                assert_equal(f"{name}.operands.{plane}", outputs[f"{name}.operands.{plane}"][late][there], want)

    return Check(unit, table, verify)


def _skips_check(rng: np.random.Generator, *, planes: int) -> Check:
    """Steps that are kept and steps that are not: references are those of the last one that was kept."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, planes=planes, skip=True)
    references, thetas, grid = 5, (30, 200), widest_grid(5)
    unit, sheet = Encoder(config, references, EMPTY_TAG, skips=True), Sheet(2000)
    for name, setting in (("shift", grid.shift), ("theta", thetas[0]), ("low_theta", thetas[1]), ("pair", planes > 1)):
        sheet.put(f"grid.{name}", slice(None), setting)
    kept, bank, cycle = np.zeros((planes, references), dtype=np.int64), 0, 2
    seen: list[tuple[Ints, Ints, Ints]] = []
    while cycle < sheet.cycles - 50:
        value = rng.integers(-32768, 32768, references) >> rng.integers(0, 8)
        mode = Mode(int(rng.choice([Mode.SKIP, Mode.DELTA, Mode.DELTA])))
        after = references_after(grid.apply(value), kept, thetas if mode is Mode.DELTA else (0, 0))
        # One list alone holds values where the sums are recomputed; how far the value is from its reference stays.
        operands = after if mode is Mode.SKIP and planes == 1 else after - kept
        at = cycle + np.arange(references)
        sheet.put("grid.mode", at, int(mode))
        sheet.put("valid", at, 1)
        sheet.put("value", at, value)
        sheet.put("index", at, np.arange(references))
        sheet.put("reference_set", slice(cycle, cycle + 12), bank)
        seen.append((at + unit.latency, operands, distance(grid.apply(value), kept[0])))
        if rng.random() < 0.5:
            kept, bank = after, 1 - bank
        cycle += 12

    def verify(outputs: Table) -> None:
        for at, operands, far in seen:
            assert_equal("o_distance", outputs["o_distance"][at], far)
            for plane, operand in enumerate(operands):
                there = operand != 0
                assert_equal("planes", outputs["o_candidates.0.planes"][at] >> plane & 1, there)
                assert_equal("operand", outputs[f"o_candidates.0.operands.{plane}"][at[there]], operand[there])

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Each value with settings of its own, and references that a step may leave as they were."""
    checks = {}
    for planes in (1, 2):
        for name, operand_width in (("wide", 18), ("narrow", 11)):
            checks[f"{name}_planes_{planes}"] = _encoder_check(rng, planes=planes, operand_width=operand_width)
        checks[f"skips_planes_{planes}"] = _skips_check(rng, planes=planes)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
