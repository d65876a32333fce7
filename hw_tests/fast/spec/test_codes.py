"""Codes of precisions, gates, kinds of layers and functions."""

from __future__ import annotations

import pytest

from lstmith.spec.codes import Gate, Kind, Precision, Squash
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


def test_kinds_have_their_rows_among_the_gates() -> None:
    assert [kind.rows for kind in Kind] == [4, 4, 1, 1]
    assert sorted(Kind.GRU.gates) == list(Gate)
    # The reset and the update gate where sigma is, the single row in the first word.
    assert Kind.GRU.gates[:2] == (Gate.FORGET, Gate.OUTPUT)
    assert Kind.DENSE.gates == (Gate.INPUT,)
    assert [squash.name for squash in Squash] == ["LINEAR", "RELU", "SIGMOID", "TANH"]
