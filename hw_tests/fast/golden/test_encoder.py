"""What a step lists, and what the references are afterwards, from the rules in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmith.golden.encoder import distance, follow, listed, one_hot
from lstmith.spec.policy import Mode
from lstmith.spec.quantised import Grid, IntArray


def _array(*values: int) -> IntArray:
    return np.array([[values]], dtype=np.int64)


VALUE, REFERENCE = _array(0, 5, 5, -3, 8, 2), _array(0, 5, 2, 3, 0, 4)
NOTHING = np.zeros(VALUE.shape, dtype=bool)

CASES = [
    (0, False, [0, 5, 5, -3, 8, 2]),
    # Changes are 0, 0, 3, -6, 8, -2: a threshold of 3 keeps the 3 and the -2 back, the references stay.
    (3, False, [0, 5, 2, -3, 8, 4]),
    (2, False, [0, 5, 5, -3, 8, 4]),
    # -3 is as near to zero as the threshold allows, and no list needs a zero.
    (3, True, [0, 5, 2, 0, 8, 4]),
]


@pytest.mark.parametrize(("theta", "snaps", "reference"), CASES)
def test_references(theta: int, snaps: bool, reference: list[int]) -> None:
    found = follow(VALUE, REFERENCE, _array(theta), held=NOTHING, snaps=snaps)
    assert found.tolist() == [[reference]]


def test_a_symbol_is_its_column_alone() -> None:
    layer: Any = SimpleNamespace(inputs=4, x_grid=Grid(8, 0, 127))
    assert one_hot(layer, np.array([[[2], [0]]])).tolist() == [[[0, 0, 127, 0], [127, 0, 0, 0]]]


def test_a_fall_counts_one_less() -> None:
    assert distance(VALUE, REFERENCE).tolist() == [[[0, 0, 3, 5, 8, 1]]]


def test_planes_follow_apart() -> None:
    reference = np.concatenate([REFERENCE, REFERENCE], axis=1)
    thetas = np.array([[[0], [3]]])
    held = np.zeros(reference.shape, dtype=bool)
    assert follow(VALUE, reference, thetas, held=held, snaps=False).tolist() == [[CASES[0][2], CASES[1][2]]]
    held[:, 1] = True
    after = follow(VALUE, reference, thetas, held=held, snaps=False)
    assert after.tolist() == [[CASES[0][2], REFERENCE[0, 0].tolist()]]


def test_only_a_dense_step_lists_zeros() -> None:
    for mode in Mode:
        assert listed(VALUE, mode).astype(int).tolist() == [[[int(mode is Mode.DENSE), 1, 1, 1, 1, 1]]]


@given(
    seed=st.integers(0, 2**32 - 1),
    thetas=st.lists(st.integers(0, 12), min_size=2, max_size=2),
    restarts=st.lists(st.booleans(), min_size=7, max_size=7),
    snaps=st.booleans(),
)
def test_either_list_leads_to_the_same_sums(seed: int, thetas: list[int], restarts: list[bool], snaps: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-20, 21, (3, 7, 5)) * (rng.random((3, 7, 5)) < 0.6)
    reference = rng.integers(-20, 21, (3, 2, 5))
    limits = np.array(thetas)[None, :, None]
    # Kept sums of each plane, as the engine forms them: cleared, or changed by what is listed.
    sums = reference.copy()
    for t in range(values.shape[1]):
        held = rng.random(reference.shape) < 0.2
        value = values[:, t, None]
        after = follow(value, reference, limits, held=held, snaps=snaps)
        operand = after if restarts[t] else after - reference
        sums = (0 if restarts[t] else sums) + operand * listed(operand, Mode.AUTO)
        assert (sums == after).all()
        assert ((np.abs(value - after) <= limits) | held).all(), "the error of a plane is bounded at every step"
        reference = after


@given(value=st.integers(-32768, 32767), shift=st.integers(0, 15), unsigned=st.booleans())
def test_grid_rounds_half_up_and_saturates(value: int, shift: int, unsigned: bool) -> None:
    top = 2 ** (15 - shift) - 1
    grid = Grid(shift, 0 if unsigned else -top - 1, top)
    nearest = int(np.floor(value / 2**shift + 0.5))
    assert grid.apply(np.array([value])).tolist() == [max(grid.low, min(top, nearest))]
