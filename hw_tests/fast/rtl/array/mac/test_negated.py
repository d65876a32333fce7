"""Negated operands: the negative where the word's precision has a signed part there, else the operand itself."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations

import numpy as np
import pytest
from amaranth.hdl import Module, Value, signed, unsigned

from hw_tests.checks import Check, Table, assert_equal, run_here
from hw_tests.fast.rtl.array.mac.mac_cases import random_signed
from hw_tests.fast.rtl.function_unit import FunctionUnit
from lstmith.rtl.array.mac.negated import negated_operand, negated_operands, top_operand
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.spec.codes import Precision
from lstmith.spec.config import PRECISIONS

SETS = tuple(chain.from_iterable(combinations(PRECISIONS, size) for size in (1, 2, 3)))


def _mac(widths: tuple[int, ...], kind: str = "digit") -> MacParameters:
    return MacParameters(kind=kind, word_bits=widths, operand_width=10)


def _signed_part(bits: int, part: int) -> bool:
    """Whether a part of 4 bits holds the sign of a weight: it is a weight's highest."""
    return (part + 1) * 4 % bits == 0


def _negated(mac: MacParameters, name: str) -> Callable[[Module, dict[str, Value]], Value]:
    def build(m: Module, i: dict[str, Value]) -> Value:
        return negated_operand(mac, name, i["operand"], {code: i["code"] == code for code in Precision})

    return build


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Every part's field, at the lowest operand too, for every set of widths."""
    found = {}
    cycles = 200
    operand = random_signed(rng, 10, cycles)
    operand[:2] = -(1 << 9), (1 << 9) - 1
    for widths in SETS:
        mac = _mac(widths)
        code = rng.choice([Precision.of(bits) for bits in widths], cycles)
        for part in range(4):
            name = top_operand(mac, part)
            if name not in negated_operands(mac):
                continue
            unit = FunctionUnit(
                {"operand": signed(10), "code": unsigned(2)},
                signed(11),
                _negated(mac, name),
            )
            negative = np.array([_signed_part(Precision(index).bits, part) for index in code])
            want = np.where(negative, -operand, operand)

            def verify(outputs: Table, want: np.ndarray = want) -> None:
                assert_equal("negated operand", outputs["o"][:cycles], want)

            found[f"{name}_{'_'.join(map(str, widths))}_{part}"] = Check(
                unit, {"operand": operand, "code": code}, verify
            )
    return found


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


@pytest.mark.parametrize("widths", SETS)
def test_parts_that_are_never_signed_take_the_operand(widths: tuple[int, ...]) -> None:
    mac = _mac(widths)
    plain = [part for part in range(4) if not any(_signed_part(bits, part) for bits in widths)]
    assert [part for part in range(4) if top_operand(mac, part) == "operand"] == plain
    assert negated_operands(_mac(widths, "dsp")) == {}
