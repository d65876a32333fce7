"""How much an output moves with h, and through which directions a wide output is seen."""

from __future__ import annotations

import numpy as np

from lstmith.training.sensitivity import MOST_OUTPUTS, Sensitivity

UNITS, STEPS = 3, 400


def test_a_narrow_output_is_seen_whole(rng: np.random.Generator) -> None:
    weight = rng.normal(0, 1, (UNITS, MOST_OUTPUTS)).astype(np.float32)
    found = Sensitivity(lambda h: h @ weight).of(rng.normal(0, 0.3, (5, UNITS)).astype(np.float32))
    np.testing.assert_allclose(found, np.broadcast_to(weight.T, found.shape), atol=1e-3)


def test_every_step_sees_a_wide_output_through_directions_of_its_own(rng: np.random.Generator) -> None:
    """No change of h is unseen in all steps, and the mean square of each is that of the whole output."""
    weight = rng.normal(0, 1, (UNITS, 40)).astype(np.float32)
    h = rng.normal(0, 0.3, (STEPS, UNITS)).astype(np.float32)
    seen = Sensitivity(lambda h: h @ weight)
    found = seen.of(h)
    assert found.shape == (STEPS, MOST_OUTPUTS, UNITS)
    assert not np.allclose(found[0], found[1], atol=0.1)
    square = np.matmul(found.transpose(0, 2, 1), found).mean(axis=0)
    np.testing.assert_allclose(square, weight @ weight.T, atol=0.15 * np.abs(weight @ weight.T).max())
    # Another window has others again, and they depend on the seed alone.
    assert not np.allclose(seen.of(h)[0], found[0], atol=0.1)
    np.testing.assert_array_equal(Sensitivity(lambda h: h @ weight).of(h), found)
