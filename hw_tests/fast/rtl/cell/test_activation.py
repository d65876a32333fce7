"""Sigmoid and tanh: the table for every input."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, assert_equal, run_here
from lstmith.golden.activation import sigma_lookup, tanh_lookup
from lstmith.rtl.cell.activation import Activation
from lstmith.spec.config import Z_BITS


def activation_check(is_tanh: bool, family: str = "generic", stride: int = 1) -> Check:
    """Every input of one function, or some of all magnitudes."""
    unit = Activation(family=family)
    z = np.arange(0, 1 << Z_BITS, stride)
    want = (tanh_lookup() if is_tanh else sigma_lookup())[z]
    return Check(
        unit,
        {"z": z, "is_tanh": np.full(len(z), int(is_tanh))},
        lambda outputs: assert_equal("y", outputs["y"][unit.latency :][: len(z)], want),
    )


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Every input on the whole, one in 31 here; also with the delays that ECP5 has."""
    stride = 1 if full else 31
    return {"sigma": activation_check(False, stride=stride), "tanh": activation_check(True, stride=stride)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
