"""Input like the band energies of speech: smooth, positive, with pauses in which it is zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Steps of a stretch of sound or of silence; part of the way to it that loudness goes in a step.
STRETCH, ATTACK = (8, 30), 0.3
#: A band's logarithm: what it keeps from step to step, what it gains, and its range.
KEPT, GAINED, RANGE = 0.92, 0.4, 0.6
#: What is taken for silence.
FLOOR = 0.15


def speech_like(rng: np.random.Generator, steps: int, bands: int) -> npt.NDArray[np.float32]:
    """Band energies, float32 [steps, bands], not negative."""
    x = np.empty((steps, bands))
    level, wanted, left = 0.0, 1.0, 0
    band = np.zeros(bands)
    for t in range(steps):
        if not left:
            wanted, left = 1.0 - wanted, int(rng.integers(*STRETCH))
        left -= 1
        level += ATTACK * (wanted - level)
        band = KEPT * band + GAINED * rng.normal(size=bands)
        x[t] = np.exp(RANGE * band) * level - FLOOR
    return np.maximum(x, 0).astype(np.float32)
