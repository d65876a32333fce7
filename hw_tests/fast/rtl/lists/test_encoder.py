"""Encoder: what is listed, and what references become."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.lib import data

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here, wrap
from hw_tests.fast.rtl.lists.list_cases import Ints, widest_grid
from lstmith.golden.encoder import distance, follow
from lstmith.golden.encoder import distance as encoder_distance
from lstmith.rtl.lists.encoder import Encoder
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode


def _encoder_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Every value with its own grid, mode, thresholds and flags; references in turn, as close as allowed."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, mixed=mixed)
    references, count = 5, 8000
    unit = Encoder(config, references, data.StructLayout({"mark": 8}))
    value = rng.integers(-32768, 32768, count) >> rng.integers(0, 8, count)
    index = np.arange(count) % references
    grid: dict[str, Any] = {
        "shift": rng.integers(0, 16, count),
        "exponent": rng.integers(0, 5, count),
        "unsigned": rng.random(count) < 0.3,
        "mode": rng.integers(0, 4 if mixed else 3, count),
        "theta": rng.choice([0, 0, 1, 5, 300, 65535], count),
        "tau": rng.choice([0, 1, 20, 255], count),
        "restart_tau": rng.choice([0, 1, 20, 255], count),
        "forget": rng.random(count) < 0.1,
        "exact": rng.random(count) < 0.1,
    }
    valid = rng.random(count) < 0.8
    kept = np.zeros((references, 1), dtype=np.int64)
    distance = np.zeros(count, dtype=np.int64)
    # By list: what changed, and with weight variants the references themselves.
    listed, operand, low = (np.zeros((2, count), dtype=np.int64) for _ in range(3))
    for at in np.flatnonzero(valid):
        place, mode, exponent = index[at], Mode(int(grid["mode"][at])), int(grid["exponent"][at])
        on_grid = widest_grid(int(grid["shift"][at]), exponent, unsigned=bool(grid["unsigned"][at])).apply(
            value[at : at + 1]
        )
        distance[at] = encoder_distance(on_grid, kept[place])[0]
        # One list alone holds values where the sums are recomputed.
        values = not mixed and (mode in (Mode.DENSE, Mode.SKIP) or grid["exact"][at])
        before = np.zeros(1, dtype=np.int64) if values or grid["forget"][at] else kept[place].copy()
        kept[place] = follow(on_grid, before, mode, int(grid["theta"][at]), bool(grid["exact"][at]))
        change, held = int(on_grid[0] - before[0]), int(kept[place, 0])
        dense = mode is Mode.DENSE
        for which, (own, counts, tau) in enumerate(
            ((change, held != before[0], grid["tau"][at]), (held, held != 0, grid["restart_tau"][at]))
        ):
            listed[which, at], operand[which, at] = dense or counts, own << exponent
            low[which, at] = tau != 0 and abs(own) <= tau
    table = {f"grid.{name}": values for name, values in grid.items()}
    table |= {"valid": valid, "value": value, "index": index, "tag.mark": np.arange(count) % 256}

    def verify(outputs: Table) -> None:
        late = slice(unit.latency, unit.latency + count)
        assert_equal("o_valid", outputs["o_valid"][late], valid)
        assert_equal("o_tag", outputs["o_tag.mark"][late][valid], np.flatnonzero(valid) % 256)
        # Only the input asks for the distance, and it never forgets its references.
        asked = valid & ~grid["forget"]
        assert_equal("o_distance", outputs["o_distance"][late][asked], distance[asked])
        for which in range(1 + mixed):
            name = f"o_candidates.{which}"
            assert_equal(f"{name}.listed", outputs[f"{name}.listed"][late][valid], listed[which][valid])
            taken = listed[which] == 1
            want = wrap(operand[which][taken], config.operand_width)
            assert_equal(f"{name}.operand", outputs[f"{name}.operand"][late][taken], want)
            if mixed:
                assert_equal(f"{name}.low", outputs[f"{name}.low"][late][taken], low[which][taken])

    return Check(unit, table, verify)


def _skips_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Steps that are kept and steps that are not: references are those of the last one that was kept."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, mixed=mixed, skip=True)
    references, theta, grid = 5, 30, widest_grid(5)
    unit, sheet = Encoder(config, references, data.StructLayout({"mark": 1}), skips=True), Sheet(2000)
    for name, setting in (("shift", grid.shift), ("theta", theta)):
        sheet.put(f"grid.{name}", slice(None), setting)
    kept, bank, cycle = np.zeros((1, references), dtype=np.int64), 0, 2
    seen: list[tuple[Ints, Ints, Ints]] = []
    while cycle < sheet.cycles - 50:
        value = rng.integers(-32768, 32768, (1, references)) >> rng.integers(0, 8)
        mode = Mode(int(rng.choice([Mode.SKIP, Mode.DELTA, Mode.DELTA])))
        after = follow(grid.apply(value), kept, mode, theta, exact=False)
        # One list alone holds values where the sums are recomputed; how far the value is from its reference stays.
        listed = after if mode is Mode.SKIP and not mixed else after - kept
        at = cycle + np.arange(references)
        sheet.put("grid.mode", at, int(mode))
        sheet.put("valid", at, 1)
        sheet.put("value", at, value[0])
        sheet.put("index", at, np.arange(references))
        sheet.put("reference_set", slice(cycle, cycle + 12), bank)
        seen.append((at + unit.latency, listed[0], distance(grid.apply(value), kept)[0]))
        if rng.random() < 0.5:
            kept, bank = after, 1 - bank
        cycle += 12

    def verify(outputs: Table) -> None:
        for at, operand, far in seen:
            assert_equal("o_distance", outputs["o_distance"][at], far)
            listed = operand != 0
            assert_equal("listed", outputs["o_candidates.0.listed"][at], listed)
            assert_equal("operand", outputs["o_candidates.0.operand"][at[listed]], operand[listed])

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Each value with settings of its own, and references that a step may leave as they were."""
    checks = {}
    for name, mixed in (("single", False), ("mixed", True)):
        checks[f"values_{name}"] = _encoder_check(rng, mixed=mixed)
        checks[f"skips_{name}"] = _skips_check(rng, mixed=mixed)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
