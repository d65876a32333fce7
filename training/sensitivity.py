"""How much a model's output moves with each unit's h, step by step, found by trying: any graph may stand behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
#: What a model makes of h: float32 [T, K] of float32 [T, H].
Output = Callable[[Float32], Float32]

#: By how much one unit's h is moved.
NUDGE = 2.0**-7
#: Directions of the output that are kept; wider outputs are seen through so many random ones in each step.
MOST_OUTPUTS = 8


class Sensitivity:
    """First-order change of the output with h.

    An output of more than ``MOST_OUTPUTS`` elements is projected on as many random directions, which keeps the expected
    square of every change (Johnson and Lindenstrauss, 1984). Every step has its own: training would otherwise mend what
    a few directions see, at the cost of all others.

    Parameters
    ----------
    head : callable
        What the model makes of h.
    seed : int
        Of the random directions.
    """

    def __init__(self, head: Output, seed: int = 1):
        self._head, self._rng = head, np.random.default_rng(seed)

    def of(self, h: Float32) -> Float32:
        """Derivatives of the output of each step by the h of the same step, float32 [T, K, H], for h [T, H].

        A head that looks at several steps counts as if all of them moved together.
        """
        base, directions = self._head(h), None
        if base.shape[1] > MOST_OUTPUTS:
            shape = (*base.shape, MOST_OUTPUTS)
            directions = self._rng.normal(0, MOST_OUTPUTS**-0.5, shape).astype(np.float32)
            base = _projected(base, directions)
        found = np.empty((*base.shape, h.shape[1]), dtype=np.float32)
        for unit in range(h.shape[1]):
            moved = h.copy()
            # Towards zero, so that h stays within its range.
            step = np.where(moved[:, unit] > 0, -NUDGE, NUDGE).astype(np.float32)
            moved[:, unit] += step
            output = self._head(moved)
            if directions is not None:
                output = _projected(output, directions)
            found[:, :, unit] = (output - base) / step[:, None]
        return found


def _projected(output: Float32, directions: Float32) -> Float32:
    """Outputs [T, K] on directions [T, K, D]: [T, D]."""
    return np.matmul(output[:, None], directions)[:, 0]
