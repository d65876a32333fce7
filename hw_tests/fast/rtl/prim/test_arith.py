"""Shared arithmetic: limits, signs, gated sums and delays, as plain integers compute them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from amaranth.hdl import Module, Shape, Value, signed, unsigned

from hw_tests.checks import Check, Table, assert_equal, run_here
from hw_tests.fast.rtl.function_unit import FunctionUnit
from lstmith.golden.cell import saturate
from lstmith.rtl.prim.arith import (
    delayed,
    delayed_long,
    lasting,
    negated,
    saturated,
    shifted_limited,
    sum_where,
)

Build = Callable[[Module, dict[str, Value]], Value]
CYCLES = 600


def _check(
    inputs: dict[str, Shape],
    output: Shape,
    build: Build,
    table: dict[str, np.ndarray],
    want: np.ndarray,
    late: int = 0,
) -> Check:
    def verify(outputs: Table) -> None:
        assert_equal("o", outputs["o"][late : late + CYCLES], want)

    return Check(FunctionUnit(inputs, output, build), table, verify)


def _limited(cycles: int) -> Build:
    return lambda m, i: shifted_limited(m, i["value"], i["shift"], 8, "it", cycles)


def _late(cycles: int, family: str) -> Build:
    return lambda m, i: delayed_long(m, i["value"], cycles, "it", family)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Every function, with values on both sides of its limits."""
    wide = rng.integers(-(1 << 15), 1 << 15, CYCLES) >> rng.integers(0, 14, CYCLES)
    wide[:4] = -(1 << 7) - 1, -(1 << 7), (1 << 7) - 1, 1 << 7
    flag, other = rng.integers(0, 2, CYCLES), rng.integers(0, 2, CYCLES)
    shift = rng.integers(0, 16, CYCLES)
    small, large = rng.integers(0, 1 << 5, CYCLES), rng.integers(0, 1 << 8, CYCLES)
    held = np.array([flag[max(0, cycle - 2) : cycle + 1].all() and cycle >= 2 for cycle in range(CYCLES)])
    value, bit, nibble = {"value": signed(16)}, unsigned(1), unsigned(4)
    found = {
        "saturated": _check(
            value,
            signed(8),
            lambda m, i: saturated(m, i["value"], 8, "it"),
            {"value": wide},
            saturate(wide, 8),
        ),
        "negated": _check(
            {**value, "negative": bit},
            signed(16),
            lambda m, i: negated(m, "it", i["value"], i["negative"], "generic"),
            {"value": wide, "negative": flag},
            np.where(flag, -wide, wide),
        ),
        "sum_where": _check(
            {"a": signed(6), "a_on": bit, "b": signed(10), "b_on": bit},
            signed(10),
            lambda m, i: sum_where(m, "it", i["a"], i["a_on"], i["b"], i["b_on"], 10, "generic"),
            {"a": small, "a_on": flag, "b": large, "b_on": other},
            small * flag + large * other,
        ),
        "lasting": _check(
            {"value": bit}, bit, lambda m, i: lasting(m, i["value"], 2), {"value": flag}, held.astype(np.int64)
        ),
        "delayed": _check(value, signed(16), lambda m, i: delayed(m, i["value"], 3, "it"), {"value": wide}, wide, 3),
    }
    for cycles in (0, 2):
        found[f"shifted_limited_{cycles}"] = _check(
            {**value, "shift": nibble},
            signed(8),
            _limited(cycles),
            {"value": wide, "shift": shift},
            saturate(wide >> shift, 8),
            cycles,
        )
    # Through flip-flops, through one memory, and through several words of a memory.
    for family, cycles in (("generic", 7), ("ice40", 7), ("ice40", 3), ("ecp5", 11)):
        found[f"delayed_long_{family}_{cycles}"] = _check(
            value,
            signed(16),
            _late(cycles, family),
            {"value": wide},
            wide,
            cycles,
        )
    return found


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
