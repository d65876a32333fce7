"""What a simulated core is asked to do, and what it answers: plain arrays on disk between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: Bus writes: (address, data, idle cycles after it).
Write = tuple[int, int, int]


@dataclass(frozen=True)
class Job:
    """One sequence, after some bus writes.

    Parameters
    ----------
    x : int16 [T, I]
        Input stream.
    writes : list of (address, data, idle cycles)
        Done first, while the core is idle.
    start, restart : bool
        Flags of the first step.
    results : int
        Results to expect from the output stream.
    reads : list of int
        Bus addresses to read at the end.
    x_stall, h_stall : float
        Probability that a stream pauses in a cycle.
    seed : int
        Of the stalls.
    abandon : int
        Reset the core after so many cycles and answer nothing; 0 for never.
    """

    x: npt.NDArray[np.int16]
    writes: list[Write] = field(default_factory=list)
    start: bool = True
    restart: bool = False
    results: int = 0
    reads: list[int] = field(default_factory=list)
    x_stall: float = 0.0
    h_stall: float = 0.0
    seed: int = 0
    abandon: int = 0

    def save(self, path: Path) -> None:
        """Write as .npz."""
        np.savez(
            path,
            x=self.x,
            writes=np.array(self.writes, dtype=np.int64).reshape(-1, 3),
            flags=np.array([self.start, self.restart]),
            results=self.results,
            reads=np.array(self.reads, dtype=np.int64),
            stalls=np.array([self.x_stall, self.h_stall]),
            seed=self.seed,
            abandon=self.abandon,
        )

    @classmethod
    def load(cls, path: Path) -> Job:
        """Read what :meth:`save` wrote."""
        with np.load(path) as arrays:
            return cls(
                arrays["x"],
                [(int(a), int(d), int(w)) for a, d, w in arrays["writes"]],
                start=bool(arrays["flags"][0]),
                restart=bool(arrays["flags"][1]),
                results=int(arrays["results"]),
                reads=arrays["reads"].tolist(),
                x_stall=float(arrays["stalls"][0]),
                h_stall=float(arrays["stalls"][1]),
                seed=int(arrays["seed"]),
                abandon=int(arrays["abandon"]),
            )


@dataclass(frozen=True)
class Answer:
    """What came out.

    Attributes
    ----------
    results : int64 [K, 4]
        h, c, layer and last of every result.
    events : int64 [passes, 4]
        Cycle, layer, columns and restart of every drained pass.
    first_input : int
        Cycle in which the first input was taken.
    reads : int64 [R]
    """

    results: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    first_input: int
    reads: npt.NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write as .npz."""
        np.savez(path, results=self.results, events=self.events, first_input=self.first_input, reads=self.reads)

    @classmethod
    def load(cls, path: Path) -> Answer:
        """Read what :meth:`save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["results"], arrays["events"], int(arrays["first_input"]), arrays["reads"])
