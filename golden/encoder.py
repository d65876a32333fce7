"""Which columns a step lists, and the reference values that the kept sums stand for.

Every digit plane keeps references of its own, and the row sums equal the planes' digits times the planes' references,
whichever list they were computed from: a delta list adds the changes of the references, a restart list adds the
references themselves to cleared sums. So the choice between the two never changes a result.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.spec.policy import Mode
from lstmith.spec.quantised import IntArray, QuantLayer

BoolArray = npt.NDArray[np.bool_]


def follow(value: IntArray, reference: IntArray, thetas: IntArray, *, held: BoolArray, snaps: bool) -> IntArray:
    """References after a step.

    Parameters
    ----------
    value : int64 [N, 1, C]
        Values on the operand grid.
    reference : int64 [N, P, C]
        What the sums of each plane held before.
    thetas : int64 [N, P, 1]
        Thresholds of each plane; 0 where nothing may differ.
    held : bool [N, P, C]
        References that stay, whatever the value: the plane is not served.
    snaps : bool
        Whether a reference that follows a value within the threshold becomes zero, as near as the value itself, so
        that no list needs it.

    Returns
    -------
    int64 [N, P, C]
        Where the value is further than ``theta`` from the old reference, the value, else the old reference.
    """
    moved = (np.abs(value - reference) > thetas) & ~held
    near = np.where(np.abs(value) <= thetas, 0, value) if snaps else value
    return np.where(moved, near, reference)


def one_hot(layer: QuantLayer, x: npt.NDArray[np.integer]) -> IntArray:
    """Symbols as the values of their columns on the layer's grid: int [N, T, 1] to int64 [N, T, I]."""
    return (x == np.arange(layer.inputs)) * np.int64(layer.x_grid.high)


def distance(value: IntArray, reference: IntArray) -> IntArray:
    """Size of every change as the skip rule counts it: one's complement, so a fall counts one less."""
    change = value - reference
    return np.where(change < 0, ~change, change)


def listed(operand: IntArray, mode: Mode) -> BoolArray:
    """Which columns a list holds, in the shape of its operands."""
    return np.ones(operand.shape, dtype=bool) if mode is Mode.DENSE else operand != 0
