"""MAC without multipliers: sums of words of every precision."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, run_here
from hw_tests.fast.rtl.array.mac.mac_cases import mac_checks


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """All products on the whole, some of them here."""
    return mac_checks(rng, "digit", full=full)


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
