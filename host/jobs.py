"""What a simulated core is asked to do, and what it answers: plain arrays on disk between processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: Bus writes: (address, data, idle cycles after it).
Write = tuple[int, int, int]

#: Columns of :class:`Answer`'s arrays.
RESULT_FIELDS = ("h", "c", "layer", "last")
EVENT_FIELDS = ("cycle", "layer", "columns", "digits", "low", "restart", "mask")
OUTCOME_FIELDS = ("cycle", "skipped")
#: Ports that engines with one plane do not have, and the port that tells the same there, if any: each column has one
#: digit, and none of the low plane.
ONE_PLANE = {"digits": "columns", "low": None}
#: From this bit on the columns ``layer`` tell the sequence, where an engine runs two in turn.
SEQUENCE_SHIFT = 8


@dataclass(frozen=True)
class Element:
    """One transfer of the input stream, as the core's ports take it; before one that rests the core becomes idle."""

    value: int = 0
    start: bool = False
    restart: bool = False
    mark: bool = False
    mask: int = 0
    sequence: int = 0
    program: int = 0
    rests: bool = False
    step: int = 0


@dataclass(frozen=True)
class CoreJob:
    """One sequence, or two in turn, after some bus writes.

    Parameters
    ----------
    x : int16 [T, I]
        Input stream.
    writes : list of (address, data, idle cycles)
        Done first, while the core is idle.
    start, restart : bool
        Flags of each sequence's first step.
    marks : list of bool
        Steps that are sent as a mark without values; empty for none.
    active_indices : list of int
        Index of the active count per step; empty for 0 everywhere.
    reads : list of int
        Bus addresses to read at the end.
    x_stall, h_stall : float
        Probability that a stream pauses in a cycle.
    seed : int
        Of the stalls.
    abandon : int
        Reset the core after so many cycles and answer nothing; 0 for never.
    turns : list of int
        Which sequence each step belongs to; empty for one alone.
    h_closed, h_gap : int
        Cycles before the first result is taken, and between two results.
    rests : list of bool
        Steps before which the input stream pauses until the core has been idle for a while; empty for none.
    noise : float
        Probability of a random bus access in a cycle in which the core is busy.
    program : int
        Which program runs.
    """

    x: npt.NDArray[np.int16]
    writes: list[Write] = field(default_factory=list)
    start: bool = True
    restart: bool = False
    marks: list[bool] = field(default_factory=list)
    active_indices: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    x_stall: float = 0.0
    h_stall: float = 0.0
    seed: int = 0
    abandon: int = 0
    turns: list[int] = field(default_factory=list)
    rests: list[bool] = field(default_factory=list)
    h_closed: int = 0
    h_gap: int = 0
    noise: float = 0.0
    program: int = 0

    @property
    def stalls(self) -> bool:
        """Whether a stream pauses, so that nothing predicts the cycles."""
        return bool(self.x_stall or self.h_stall or self.h_closed or self.h_gap)

    def elements(self) -> Iterator[Element]:
        """The input stream; flags come with a step's first element."""
        begun = set()
        for t, step in enumerate(self.x.tolist()):
            mark = bool(self.marks and self.marks[t])
            mask = self.active_indices[t] if self.active_indices else 0
            sequence = self.turns[t] if self.turns else 0
            begins = sequence not in begun
            begun.add(sequence)
            rests = bool(self.rests and self.rests[t])
            flags = (self.start and begins, self.restart and begins, mark, mask, sequence, self.program)
            yield Element(0 if mark else step[0], *flags, rests, t)
            if not mark:
                yield from (Element(value) for value in step[1:])

    def save(self, path: Path) -> None:
        """Write as .npz."""
        np.savez(
            path,
            x=self.x,
            writes=np.array(self.writes, dtype=np.int64).reshape(-1, 3),
            flags=np.array([self.start, self.restart]),
            marks=np.array(self.marks, dtype=bool),
            active_indices=np.array(self.active_indices, dtype=np.int64),
            reads=np.array(self.reads, dtype=np.int64),
            stalls=np.array([self.x_stall, self.h_stall]),
            seed=self.seed,
            abandon=self.abandon,
            turns=np.array(self.turns, dtype=np.int64),
            rests=np.array(self.rests, dtype=bool),
            receiver=np.array([self.h_closed, self.h_gap]),
            noise=self.noise,
            program=self.program,
        )

    @classmethod
    def load(cls, path: Path) -> CoreJob:
        """Read what :meth:`save` wrote."""
        with np.load(path) as arrays:
            return cls(
                arrays["x"],
                [(int(a), int(d), int(w)) for a, d, w in arrays["writes"]],
                start=bool(arrays["flags"][0]),
                restart=bool(arrays["flags"][1]),
                marks=arrays["marks"].tolist(),
                active_indices=arrays["active_indices"].tolist(),
                reads=arrays["reads"].tolist(),
                x_stall=float(arrays["stalls"][0]),
                h_stall=float(arrays["stalls"][1]),
                seed=int(arrays["seed"]),
                abandon=int(arrays["abandon"]),
                turns=arrays["turns"].tolist(),
                rests=arrays["rests"].tolist(),
                h_closed=int(arrays["receiver"][0]),
                h_gap=int(arrays["receiver"][1]),
                noise=float(arrays["noise"]),
                program=int(arrays["program"]),
            )


@dataclass(frozen=True)
class CoreTrace:
    """What came out.

    Attributes
    ----------
    results : int64 [K, 4]
        ``RESULT_FIELDS`` of every unit's result.
    events : int64 [P, 7]
        ``EVENT_FIELDS`` of every drained pass.
    outcomes : int64 [T, 2]
        ``OUTCOME_FIELDS`` of every step: when it was known whether it is computed.
    first_input : int
        Cycle in which the first input was taken.
    reads : int64 [R]
    idle : int64 [K, 2]
        Step, and cycle of its first input, of steps after the first that began in an idle engine. The input of all
        others followed that of the step before without a pause.
    """

    results: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    outcomes: npt.NDArray[np.int64]
    first_input: int
    reads: npt.NDArray[np.int64]
    idle: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))

    def save(self, path: Path) -> None:
        """Write as .npz."""
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> CoreTrace:
        """Read what :meth:`save` wrote."""
        with np.load(path) as arrays:
            return cls(
                arrays["results"],
                arrays["events"],
                arrays["outcomes"],
                int(arrays["first_input"]),
                arrays["reads"],
                arrays["idle"],
            )
