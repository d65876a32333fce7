"""Integers of weights: nearest ones, with symmetric digits."""

from __future__ import annotations

import numpy as np
import pytest

from lstmith.compiler.quantise.rows import _nearest
from lstmith.spec.digits import has_digits

#: An integer that is not the sum of two symmetric digits of four bits: its lower half would be -8.
LEFT_OUT = 8


@pytest.mark.parametrize(("exact", "nearest"), [(8.25, 9), (7.75, 7), (8.0, 7), (-8.0, -9), (6.6, 7), (20.4, 20)])
def test_an_integer_without_digits_goes_to_the_side_of_its_weight(exact: float, nearest: int) -> None:
    """A weight of just that integer goes down, always the same way."""
    assert not has_digits(np.array([LEFT_OUT, -LEFT_OUT]), 4).any()
    found = _nearest(np.array([[exact / 2]]), np.array([0.5]), 8, 2)
    assert found.tolist() == [[nearest]]
    assert has_digits(found.astype(np.int64), 4).all()


def test_a_row_without_scale_is_zero() -> None:
    assert not _nearest(np.ones((2, 3)), np.array([0.0, 1.0]), 8, 1)[0].any()
