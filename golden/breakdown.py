"""Where the cycles of a run went: list entries, and one class for each reason why the array had none."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.encoder import BoolArray
from lstmith.spec.quantised import IntArray


class CycleClass(enum.IntEnum):
    """What lane 0 did in a cycle; all but ``BUSY`` are lost."""

    BUSY = 0  #: a weight word of a listed column
    EMPTY = 1  #: the entry of a fold whose list is empty
    CAPTURE = 2  #: between two folds, a capture before an entry that adds to all four rows
    PACE = 3  #: a fold is shorter than the drain of the fold before
    OPEN = 4  #: a pass begins after the last one's entries are fetched: restart decision, first fetch, queue
    RECORD = 5  #: the next layer's record is being fetched
    DRAIN = 6  #: a pass's first fold ends before the pass before has left the array
    FEEDBACK = 7  #: an h that the list ends with is still being computed
    INPUT = 8  #: x is not there, or steps before were skipped
    RENEWAL = 9  #: records are fetched anew for another active count, or at a sequence's start
    TAIL = 10  #: the last step's drain, which nothing hides
    SKIPPED = 11  #: decisions on skipped steps after the last computed one


#: As tables call them; R.json has the names of ``Spent`` in lower case.
TITLES = {
    CycleClass.BUSY: "list entries",
    CycleClass.EMPTY: "empty lists",
    CycleClass.CAPTURE: "captures",
    CycleClass.PACE: "folds shorter than their drain",
    CycleClass.OPEN: "beginning a pass",
    CycleClass.RECORD: "switching layers",
    CycleClass.DRAIN: "draining the pass before",
    CycleClass.FEEDBACK: "waiting for h",
    CycleClass.INPUT: "waiting for x",
    CycleClass.RENEWAL: "another active count",
    CycleClass.TAIL: "last drain",
    CycleClass.SKIPPED: "skipped at the end",
}


@dataclass(frozen=True)
class CycleBreakdown:
    """Cycles of N sequences of T steps by what they were spent on.

    Attributes
    ----------
    spent : int64 [N, T, len(Spent)]
        From the last entry of the step before to the last entry of this one; 0 in ``TAIL`` and ``SKIPPED``.
    tail : int64 [N, T, len(Spent)]
        From there to the step's end, only in ``TAIL`` and ``SKIPPED``. The next step overlaps it, so it is lost
        only after a sequence's last step, and before one that begins in an idle engine.
    cycles : int64 [N, T]
        As the cycle model counts them, from one step's end to the next one's.
    together : int
        Sequences that take turns, so that only the last step of such a group has a tail.
    idle : bool [N, T] or None
        Steps that begin in an idle engine, beside the first ones.
    """

    spent: npt.NDArray[np.int64]
    tail: npt.NDArray[np.int64]
    cycles: npt.NDArray[np.int64]
    together: int = 1
    idle: BoolArray | None = None

    def total(self, valid: BoolArray) -> dict[CycleClass, int]:
        """Cycles of a run by class; their sum is the run's cycles.

        Parameters
        ----------
        valid : bool [N, T]
            Steps that exist: the first ones of each sequence, at least one.
        """
        last = valid.sum(axis=1) - 1
        rows = np.arange(len(last))
        turn = last * self.together + rows % self.together
        latest = np.maximum.reduceat(turn, rows[:: self.together])
        ends = turn == np.repeat(latest, self.together)[: len(rows)]
        total = (self.spent * valid[..., None]).sum(axis=(0, 1)) + self.tail[rows[ends], last[ends]].sum(axis=0)
        if self.idle is not None:
            total = total + self.tail[:, :-1][(self.idle & valid)[:, 1:]].sum(axis=0)
        return {kind: int(total[kind]) for kind in CycleClass}


class CycleLedger:
    """Books the cycles of a run as its passes become known.

    Parameters
    ----------
    sequences, steps : int
    together : int
        See :class:`CycleBreakdown`.
    """

    def __init__(self, sequences: int, steps: int, together: int = 1):
        shape = (sequences, steps, len(CycleClass))
        self._spent, self._tail = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        self._together, self._t = together, 0
        self._rows = self._which = np.zeros(0, dtype=np.int64)

    def turn(self, t: int, rows: IntArray, exists: BoolArray) -> None:
        """What follows concerns step t of some sequences.

        Parameters
        ----------
        t : int
        rows : int64 [M]
            Which sequences all arrays from now on are of.
        exists : bool [M]
            Whether there is such a step; of others nothing is booked.
        """
        self._t, self._rows, self._which = t, rows[exists], np.flatnonzero(exists)

    def wait(self, since: IntArray, reasons: Sequence[tuple[CycleClass, IntArray]]) -> None:
        """Book the time from ``since`` to the latest of some times; a later reason counts beyond the earlier ones.

        Parameters
        ----------
        since : int64 [M]
        reasons : sequence of (Spent, int64 [M])
            Why, and until when.
        """
        for reason, until in reasons:
            later = np.maximum(since, until)
            self.spend(reason, later - since)
            since = later

    def spend(self, reason: CycleClass, cycles: IntArray) -> None:
        """Book some cycles, int64 [M]."""
        self._spent[self._rows, self._t, reason] += cycles[self._which]

    def close(self, skipped: BoolArray, free: IntArray, drained: IntArray, end: IntArray) -> None:
        """End a step.

        Parameters
        ----------
        skipped : bool [M]
            Its passes did not happen.
        free, drained : int64 [M]
            When the array was done with the last computed step, and when that had drained.
        end : int64 [M]
            First cycle after the step.
        """
        self._spent[self._rows[skipped[self._which]], self._t] = 0
        self._tail[self._rows, self._t, CycleClass.TAIL] = (drained - free)[self._which]
        self._tail[self._rows, self._t, CycleClass.SKIPPED] = (end - drained)[self._which]

    def breakdown(self, cycles: npt.NDArray[np.int64], idle: BoolArray | None) -> CycleBreakdown:
        """What was booked, of a run with these cycles and idle steps, [N, T] each; see :class:`CycleBreakdown`."""
        return CycleBreakdown(self._spent, self._tail, cycles, self._together, idle)
