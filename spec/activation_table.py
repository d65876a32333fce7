"""The table of tanh that model and hardware share: 256 segments over [0, 8), interpolated linearly."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from lstmith.spec.config import H_FRAC

SEGMENTS = 256
SEGMENT_BITS = 8
#: The argument's magnitude has 13 fraction bits: 8 address a segment, 8 interpolate in it.
ARGUMENT_FRAC = 13
SLOPE_BITS = 11
Table = npt.NDArray[np.int64]


@cache
def tanh_table() -> tuple[Table, Table]:
    """Value (Q0.15, 0..32766) at the start of each segment and rise over it, each int64 [256]."""
    step = 2.0 ** (SEGMENT_BITS - ARGUMENT_FRAC)
    points = np.rint(np.tanh(np.arange(SEGMENTS + 1) * step) * (1 << H_FRAC)).astype(np.int64)
    # One below the largest, so that sigma, half of it rounded, stays below 1 without a clip.
    points = np.minimum(points, (1 << H_FRAC) - 2)
    return points[:-1], np.diff(points)
