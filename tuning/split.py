"""The data in two: one part to tune on, one part that the search never sees and that every figure is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.spec.errors import UserError
from lstmith.tuning.pieces import Segment

#: Sequences from which on whole sequences are dealt; fewer ones are cut in two.
DEALT = 16
#: Fewest steps of a part; less says nothing.
SHORTEST = 32
SEED = 20_181


@dataclass(frozen=True)
class Split:
    """Two parts that share no step.

    Parameters
    ----------
    kind : str
        ``sequences`` or ``time``.
    tune, heldout : list of Segment
    """

    kind: str
    tune: list[Segment]
    heldout: list[Segment]

    def describe(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "by": self.kind,
            **{
                f"{name}_{what}": count
                for name, part in (("tune", self.tune), ("heldout", self.heldout))
                for what, count in (("segments", len(part)), ("steps", _steps(part)))
            },
        }


def split(lengths: npt.NDArray[np.int64], source: str, *, per_sequence: bool = False) -> Split:
    """Divide sequences.

    Parameters
    ----------
    lengths : int64 [N]
        Steps of each sequence.
    source : str
        File name for messages.
    per_sequence : bool
        Whether sequences must stay whole, since each has a single label.

    Raises
    ------
    UserError
        If there is too little data for two parts.
    """
    numbers = [int(index) for index in np.flatnonzero(lengths)]
    if len(numbers) >= DEALT or (per_sequence and len(numbers) > 1):
        order = np.random.default_rng(SEED).permutation(numbers)
        kind, tune, heldout = "sequences", _whole(order[::2], lengths), _whole(order[1::2], lengths)
    elif per_sequence:
        raise UserError(f"{source} field y", "labels a single sequence", "give at least two sequences")
    else:
        kind = "time"
        tune = [Segment(index, 0, int(lengths[index]) // 2) for index in numbers]
        heldout = [Segment(index, int(lengths[index]) // 2, int(lengths[index])) for index in numbers]
    if min(_steps(tune), _steps(heldout)) < SHORTEST:
        raise UserError(
            f"{source} field x",
            f"has {int(lengths.sum())} steps, too few to hold a part back",
            f"give {2 * SHORTEST} steps or more; thousands make a figure that can be relied on",
        )
    return Split(kind, tune, heldout)


def _whole(numbers: npt.NDArray[np.integer], lengths: npt.NDArray[np.int64]) -> list[Segment]:
    return [Segment(int(number), 0, int(lengths[number])) for number in sorted(numbers)]


def _steps(segments: list[Segment]) -> int:
    return sum(segment.steps for segment in segments)
