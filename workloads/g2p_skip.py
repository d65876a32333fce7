"""Which letters of a word the encoder may pass over: a table on the letter and its two neighbours.

A skipped step holds h and c, so for the network the letter is not there. The table tells how much each letter is
missed, which training finds out: little for one l of "ll", the k of "kn" or the apostrophe of "'s". The host looks
its hints up in it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.workloads.g2p_data import GRAPHEMES

OUTSIDE = len(GRAPHEMES)  #: the neighbour of a word's first and last letter
SHAPE = (OUTSIDE + 1, OUTSIDE, OUTSIDE + 1)  #: left neighbour, letter, right neighbour

Costs = npt.NDArray[np.float32]  #: of `SHAPE`, in nats: growth of a word's loss without the letter


def contexts(graphemes: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Every letter with its neighbours, in reading order: where a table is looked up."""
    padded = (OUTSIDE, *graphemes, OUTSIDE)
    return list(zip(padded, graphemes, padded[2:], strict=False))


def skipped(costs: Costs, graphemes: tuple[int, ...], tolerance: float) -> npt.NDArray[np.bool_]:
    """Letters to skip.

    The encoder reads from the last letter on. That one is never skipped, as the core skips no first step, and of two
    neighbours only the one that is read first.

    Parameters
    ----------
    costs : float32 [28, 27, 28]
    graphemes : tuple of int
        In reading order.
    tolerance : float
        Letters that cost less are skipped, nats; 0 skips none.

    Returns
    -------
    bool [L]
        In reading order.
    """
    marks = np.array([costs[context] < tolerance for context in contexts(graphemes)])
    marks[-1] = False
    for position in range(len(marks) - 2, -1, -1):
        marks[position] &= not marks[position + 1]
    return marks
