"""Requantiser: totals of any width, shifts and mantissas of any size, equal to golden."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from hw_tests.checks import Check, Table, assert_equal, run_here, wrap
from hw_tests.fast.rtl.array.mac.mac_cases import random_signed
from lstmith.golden.cell import requantise, saturate
from lstmith.rtl.cell.requantise import Z13_BITS, Requantiser
from lstmith.spec.config import BIAS_BITS, MANTISSA_BITS, PEEP_BITS, Z_BITS, EngineConfig


def requantiser_check(rng: np.random.Generator, config: EngineConfig, count: int) -> Check:
    unit = Requantiser(config)
    total, before = random_signed(rng, config.acc_width, count), random_signed(rng, config.acc_width, count)
    shift = np.where(rng.random(count) < 0.7, rng.integers(0, config.acc_width, count), rng.integers(0, 64, count))
    # Sums that the shift cuts off nothing of, zero among them, are told from all others.
    low = rng.integers(0, config.acc_width, count)
    total = np.where(rng.random(count) < 0.5, total >> low << low, total)
    total[rng.random(count) < 0.02] = 0
    mantissa = np.where(rng.random(count) < 0.8, rng.integers(1 << 14, 1 << MANTISSA_BITS, count), 0)
    bias = random_signed(rng, BIAS_BITS, count)
    rows: Any = SimpleNamespace(shift=shift, mantissa=mantissa, bias=bias)
    z13 = requantise(total, rows, config, bias)
    table = {"total": before, "added": wrap(total - before, config.acc_width)}
    # A row's parameters come when they are needed.
    late = unit.scale_delay
    delays = {"shift": (shift, 1), "scale.mantissa": (mantissa, late), "scale.bias": (bias, late)}
    table |= {name: np.concatenate([np.zeros(delay, dtype=np.int64), row]) for name, (row, delay) in delays.items()}
    if config.peepholes:
        peep, c, peep_shift = (
            random_signed(rng, PEEP_BITS, count),
            random_signed(rng, config.c_width, count),
            rng.integers(0, 32, count),
        )
        z13 = z13 + ((peep * c) >> peep_shift)
        table |= {"peep": peep, "c": c, "peep_shift": peep_shift}

    def verify(outputs: Table) -> None:
        assert_equal("updated", outputs["updated"][1 : 1 + count], total)
        assert_equal("z13", outputs["z13"][unit.latency - 1 :][:count], saturate(z13, Z13_BITS))
        assert_equal("z", outputs["z"][unit.latency :][:count], saturate(z13 >> 1, Z_BITS))

    return Check(unit, table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """With and without peepholes, at the narrowest and the widest sums."""
    checks = {}
    for peepholes, requant_width, acc_width in ((False, 16, 16), (False, 18, 48), (True, 16, 33), (True, 18, 24)):
        config = EngineConfig(
            lanes=1,
            precisions=(8,),
            units=16,
            peepholes=peepholes,
            requant_width=requant_width,
            acc_width=acc_width,
            c_width=24,
        )
        checks[f"{requant_width}_{acc_width}"] = requantiser_check(rng, config, 40_000 if full else 2000)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
