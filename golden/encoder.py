"""Which columns a step lists, and the reference values that the kept sums stand for.

The row sums always equal the weights times the *references*, so a sum kept from step to step and a
sum computed anew are the same integer. Dense and skip steps restart: every reference becomes the
present value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .policy import Mode
from .quantised import IntArray

BoolArray = npt.NDArray[np.bool_]


def encode(value: IntArray, reference: IntArray, mode: Mode, theta: int, restart: bool) -> tuple[BoolArray, IntArray]:
    """One step of an encoder.

    Parameters
    ----------
    value : int64 [N, C]
        Values on the operand grid.
    reference : int64 [N, C]
        What the sums hold; ignored in a restart.
    restart : bool
        Whether the sums are cleared first; dense and skip steps always do.

    Returns
    -------
    listed : bool [N, C]
    reference : int64 [N, C], after the step
    """
    if mode is Mode.DENSE:
        return np.ones(value.shape, dtype=bool), value
    if mode is Mode.SKIP or restart:
        return value != 0, value
    change = value - reference
    if theta == 0:
        return change != 0, value
    listed = np.abs(change) > theta
    return listed, np.where(listed, value, reference)


def encode_sequence(
    values: IntArray, reference: IntArray, mode: Mode, theta: int, restart: bool
) -> tuple[BoolArray, IntArray]:
    """All steps of an input known in advance: int64 [N, T, C] to listed and references [N, T, C].

    ``restart`` tells whether the first step clears the sums.
    """
    if mode is not Mode.DELTA or theta:
        listed = np.empty(values.shape, dtype=bool)
        references = np.empty_like(values)
        for t in range(values.shape[1]):
            listed[:, t], reference = encode(values[:, t], reference, mode, theta, restart and t == 0)
            references[:, t] = reference
        return listed, references
    before = np.concatenate([np.zeros_like(values[:, :1]) if restart else reference[:, None], values[:, :-1]], axis=1)
    return values != before, values
