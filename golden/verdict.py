"""Verdicts: what is made of the h of a program's last layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.spec.codes import Verdict
from lstmith.spec.quantised import IntArray, QuantLayer


def verdicts(layer: QuantLayer, h: npt.NDArray[np.integer]) -> IntArray:
    """What a layer says of its h, int64 [..., H] to [...]; zero if it has no verdict.

    Of equal h the lowest index is the largest one's, as in NumPy and in ONNX' ArgMax. A threshold gives the sum of 2^k
    over the units k whose h is above it, or is not. A skipped step keeps h, so its verdict is that of the step before.
    """
    match layer.verdict:
        case Verdict.ARGMAX:
            found: IntArray = h.argmax(axis=-1)
        case Verdict.THRESHOLD:
            found = ((h > layer.threshold) << np.arange(layer.units, dtype=np.int64)).sum(axis=-1)
        case Verdict.AT_MOST:
            found = ((h <= layer.threshold) << np.arange(layer.units, dtype=np.int64)).sum(axis=-1)
        case Verdict.NONE:
            found = np.zeros(h.shape[:-1], dtype=np.int64)
    return found
