"""What a step lists, and what the references are afterwards, from the rules in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmith.golden.encoder import follow, listed
from lstmith.spec.policy import Mode
from lstmith.spec.quantised import Grid, IntArray


def _array(*values: int) -> IntArray:
    return np.array([values], dtype=np.int64)


VALUE, REFERENCE = _array(0, 5, 5, -3, 8, 2), _array(0, 5, 2, 3, 0, 4)

CASES = [
    (Mode.DENSE, 3, False, [0, 5, 5, -3, 8, 2]),
    (Mode.SKIP, 3, False, [0, 5, 5, -3, 8, 2]),
    (Mode.DELTA, 0, False, [0, 5, 5, -3, 8, 2]),
    # Changes are 0, 0, 3, -6, 8, -2: a threshold of 3 keeps the 3 back, the reference stays.
    (Mode.DELTA, 3, False, [0, 5, 2, -3, 8, 4]),
    (Mode.AUTO, 2, False, [0, 5, 5, -3, 8, 4]),
    # Where sums are recomputed from the values themselves, there is no threshold.
    (Mode.DELTA, 3, True, [0, 5, 5, -3, 8, 2]),
]


@pytest.mark.parametrize(("mode", "theta", "exact", "reference"), CASES)
def test_references(mode: Mode, theta: int, exact: bool, reference: list[int]) -> None:
    assert follow(VALUE, REFERENCE, mode, theta, exact).tolist() == [reference]


def test_only_a_dense_step_lists_zeros() -> None:
    for mode in Mode:
        assert listed(VALUE, mode).astype(int).tolist() == [[int(mode is Mode.DENSE), 1, 1, 1, 1, 1]]


@given(
    seed=st.integers(0, 2**32 - 1),
    mode=st.sampled_from(Mode),
    theta=st.integers(0, 12),
    restarts=st.lists(st.booleans(), min_size=7, max_size=7),
)
def test_either_list_leads_to_the_same_sums(seed: int, mode: Mode, theta: int, restarts: list[bool]) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-20, 21, (3, 7, 5)) * (rng.random((3, 7, 5)) < 0.6)
    reference = rng.integers(-20, 21, (3, 5))
    # Kept sums, as the engine forms them: cleared, or changed by what is listed.
    sums = reference.copy()
    for t in range(values.shape[1]):
        after = follow(values[:, t], reference, mode, theta, exact=False)
        clears = restarts[t] or mode in (Mode.DENSE, Mode.SKIP)
        operand = after if clears else after - reference
        sums = (0 if clears else sums) + operand * listed(operand, mode)
        assert (sums == after).all()
        assert (np.abs(values[:, t] - after) <= (theta if mode in (Mode.DELTA, Mode.AUTO) else 0)).all()
        reference = after


@given(value=st.integers(-32768, 32767), shift=st.integers(0, 15), unsigned=st.booleans())
def test_grid_rounds_half_up_and_saturates(value: int, shift: int, unsigned: bool) -> None:
    top = 2 ** (15 - shift) - 1
    grid = Grid(shift, 0 if unsigned else -top - 1, top)
    nearest = int(np.floor(value / 2**shift + 0.5))
    assert grid.apply(np.array([value])).tolist() == [max(grid.low, min(top, nearest))]
