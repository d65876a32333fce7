"""Calls of a graph in the manner of one that is known."""

from __future__ import annotations

import numpy as np

from lstmith.test_support.graphs.exporters import Feeds, Rng

CALLS = 4


def calls_of(rng: Rng, values: Feeds, calls: int = CALLS) -> Feeds:
    """Several calls like one that is known, each [calls, *shape].

    Real numbers are drawn anew, within -1 and 1; whole ones, which are symbols or lengths, change places.
    """
    return {
        name: np.stack([rng.permuted(value) for _ in range(calls)])
        if value.dtype.kind != "f"
        else np.tanh(rng.standard_normal((calls, *value.shape))).astype(np.float32)
        for name, value in values.items()
    }
