"""Which columns a step lists, and the reference values that the kept sums stand for.

The row sums equal the weights times the *references* (less what lower variants missed), whichever list
they were computed from: a delta list adds the changes of the references, a restart list adds the
references themselves to cleared sums. So the choice between the two never changes a result.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.spec.policy import Mode
from lstmith.spec.quantised import IntArray

BoolArray = npt.NDArray[np.bool_]


def follow(value: IntArray, reference: IntArray, mode: Mode, theta: int, exact: bool | BoolArray) -> IntArray:
    """References after a step.

    Parameters
    ----------
    value : int64 [N, C]
        Values on the operand grid.
    reference : int64 [N, C]
        What the sums held before.
    exact : bool or bool [N, 1]
        No threshold: the sums are recomputed from the values themselves.

    Returns
    -------
    int64 [N, C]
        The value where it moved by more than ``theta``, else the old reference.
    """
    if theta == 0 or mode in (Mode.DENSE, Mode.SKIP):
        return value
    return np.where(exact | (np.abs(value - reference) > theta), value, reference)


def distance(value: IntArray, reference: IntArray) -> IntArray:
    """Size of every change as the skip rule counts it: one's complement, so a fall counts one less."""
    change = value - reference
    return np.where(change < 0, ~change, change)


def listed(operand: IntArray, mode: Mode) -> BoolArray:
    """Which columns a list holds, bool [N, C]."""
    return np.ones(operand.shape, dtype=bool) if mode is Mode.DENSE else operand != 0
