"""Limits of operands, by the bits of a weight's digit."""

from __future__ import annotations

import pytest

from lstmith.compiler.limits import EngineLimits
from lstmith.spec.config import PACKED_OPERAND


@pytest.mark.parametrize(
    ("width", "planes", "precision", "largest"),
    [
        (12, 1, 16, 2047),
        (18, 1, 8, 131071),
        # Two weights of four bits share a multiplier, which bounds the operand, unless the path is narrower still.
        (18, 1, 4, PACKED_OPERAND),
        (10, 1, 4, 511),
        (18, 2, 8, PACKED_OPERAND),
        (18, 2, 16, 131071),
    ],
)
def test_largest_operand(width: int, planes: int, precision: int, largest: int) -> None:
    assert EngineLimits(operand_width=width, planes=planes).largest_operand(precision) == largest
