"""What a step lists, and what the references are afterwards, from the rules in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmith.golden.encoder import encode, encode_sequence
from lstmith.golden.policy import Mode
from lstmith.golden.quantised import Grid, IntArray


def _array(*values: int) -> IntArray:
    return np.array([values], dtype=np.int64)


VALUE, REFERENCE = _array(0, 5, 5, -3, 8, 2), _array(0, 5, 2, 3, 0, 4)

CASES = [
    (Mode.DENSE, 3, False, [1, 1, 1, 1, 1, 1], [0, 5, 5, -3, 8, 2]),
    (Mode.SKIP, 3, False, [0, 1, 1, 1, 1, 1], [0, 5, 5, -3, 8, 2]),
    (Mode.DELTA, 0, False, [0, 0, 1, 1, 1, 1], [0, 5, 5, -3, 8, 2]),
    # Changes are 0, 0, 3, -6, 8, -2: a threshold of 3 keeps the 3 back, the reference stays.
    (Mode.DELTA, 3, False, [0, 0, 0, 1, 1, 0], [0, 5, 2, -3, 8, 4]),
    (Mode.DELTA, 2, False, [0, 0, 1, 1, 1, 0], [0, 5, 5, -3, 8, 4]),
    # A restart knows no threshold: everything that is not zero is listed.
    (Mode.DELTA, 3, True, [0, 1, 1, 1, 1, 1], [0, 5, 5, -3, 8, 2]),
]


@pytest.mark.parametrize(("mode", "theta", "restart", "listed", "reference"), CASES)
def test_rules(mode: Mode, theta: int, restart: bool, listed: list[int], reference: list[int]) -> None:
    have, after = encode(VALUE, REFERENCE, mode, theta, restart)
    assert have.astype(int).tolist() == [listed]
    assert after.tolist() == [reference]


@given(
    seed=st.integers(0, 2**32 - 1),
    mode=st.sampled_from(Mode),
    theta=st.integers(0, 12),
    restart=st.booleans(),
)
def test_sequence_is_its_steps_and_nothing_is_lost(seed: int, mode: Mode, theta: int, restart: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-20, 21, (3, 7, 5)) * (rng.random((3, 7, 5)) < 0.6)
    before = rng.integers(-20, 21, (3, 5))
    listed, references = encode_sequence(values, before, mode, theta, restart)
    # Kept sums, as the engine forms them: cleared, or changed by what is listed.
    reference, sums = before, before.copy()
    for t in range(values.shape[1]):
        clears = (restart and t == 0) or mode is not Mode.DELTA
        step_listed, after = encode(values[:, t], reference, mode, theta, restart and t == 0)
        assert (step_listed == listed[:, t]).all()
        base = np.zeros_like(sums) if clears else sums
        sums = base + np.where(step_listed, values[:, t] - (0 if clears else reference), 0)
        assert (sums == references[:, t]).all()
        assert (np.abs(values[:, t] - after) <= (0 if clears else theta)).all()
        reference = after


@given(value=st.integers(-32768, 32767), shift=st.integers(0, 15), unsigned=st.booleans())
def test_grid_rounds_half_up_and_saturates(value: int, shift: int, unsigned: bool) -> None:
    top = 2 ** (15 - shift) - 1
    grid = Grid(shift, 0 if unsigned else -top - 1, top)
    nearest = int(np.floor(value / 2**shift + 0.5))
    assert grid.apply(np.array([value])).tolist() == [max(grid.low, min(top, nearest))]
