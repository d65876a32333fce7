"""Squash: all functions in turn, equal to golden."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, assert_equal, run_here
from lstmith.golden.cell import saturate, squashed
from lstmith.rtl.cell.activation import GATE_BITS
from lstmith.rtl.cell.squash import SquashUnit
from lstmith.spec.codes import Squash
from lstmith.spec.config import Z_BITS


def squash_check(rng: np.random.Generator, width: int, family: str, count: int) -> Check:
    """Random arguments with the corners; another function in every cycle."""
    unit = SquashUnit(family=family, width=width)
    top = 1 << (Z_BITS - 1)
    z, function = rng.integers(-top, top, count), rng.integers(len(Squash), size=count)
    z[:6] = -top, top - 1, -1, 0, 1 << 15, -(1 << 15) - 1
    want = np.choose(function, [squashed(z, squash) for squash in Squash])
    if width == Z_BITS:
        want = np.where(function == Squash.LINEAR, saturate(z, Z_BITS), want)
        want = np.where(function == Squash.RELU, np.maximum(z, 0), want)
    return Check(
        unit,
        {"z": z, "squash": function},
        lambda outputs: assert_equal("y", outputs["y"][unit.latency :][:count], want),
    )


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """The width of a gate, and one that loses nothing; with a delay line of the family's."""
    count = 60_000 if full else 3000
    return {
        f"{width}_{family}": squash_check(rng, width, family, count)
        for width, family in ((GATE_BITS, "generic"), (Z_BITS, "ice40"))
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
