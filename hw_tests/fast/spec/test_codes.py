"""Codes of precisions and gates."""

from __future__ import annotations

import pytest

from lstmith.spec.codes import Gate, Precision
from lstmith.spec.config import PRECISIONS


def test_codes_are_the_precisions_in_order() -> None:
    assert tuple(code.bits for code in Precision) == PRECISIONS
    assert [code.words for code in Precision] == [1, 2, 4]
    assert [Precision.of(bits) for bits in PRECISIONS] == list(Precision)


def test_other_widths_have_no_code() -> None:
    with pytest.raises(ValueError, match="4, 8 or 16 bits, not 6"):
        Precision.of(6)


def test_gates_are_in_the_order_of_pytorch() -> None:
    assert [gate.name for gate in Gate] == ["INPUT", "FORGET", "CELL", "OUTPUT"]
    assert list(Gate) == [0, 1, 2, 3]
