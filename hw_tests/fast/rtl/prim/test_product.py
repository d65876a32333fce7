"""A registered product: exact at the limits of its factors, one cycle later."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import signed

from hw_tests.checks import Check, Table, assert_equal, run_here
from hw_tests.fast.rtl.array.mac.mac_cases import random_signed
from hw_tests.fast.rtl.function_unit import FunctionUnit
from lstmith.rtl.prim.product import PRODUCT_LATENCY, registered_product
from lstmith.rtl.rtlil import to_rtlil


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Factors of different widths."""
    cycles = 1000
    a, b = random_signed(rng, 18, cycles), random_signed(rng, 16, cycles)
    unit = FunctionUnit(
        {"a": signed(18), "b": signed(16)},
        signed(34),
        lambda m, i: registered_product(m, "it", i["a"], i["b"], family="generic", pipelined=True),
    )

    def verify(outputs: Table) -> None:
        assert_equal("product", outputs["o"][PRODUCT_LATENCY : PRODUCT_LATENCY + cycles], a * b)

    return {"product": Check(unit, {"a": a, "b": b}, verify)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


@pytest.mark.parametrize(("bits", "is_cell"), [(18, True), (19, False)])
def test_factors_that_a_multiplier_takes_are_one_cell(bits: int, is_cell: bool) -> None:
    """Of ECP5: with a register at its output; wider ones are left to synthesis."""
    unit = FunctionUnit(
        {"a": signed(bits), "b": signed(18)},
        signed(bits + 18),
        lambda m, i: registered_product(m, "it", i["a"], i["b"], family="ecp5", pipelined=True),
    )
    assert ("MULT18X18D" in to_rtlil(unit, name="top")) == is_cell
