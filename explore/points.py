"""What is searched: engines of a network on boards, and what is known of one under a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lstmith.boards.board import Board
from lstmith.boards.catalogue import find_board

#: Where figures come from, each level dearer and closer to the truth than the one before.
LEVELS = ("estimate", "golden", "synth", "place")


@dataclass(frozen=True, order=True)
class Numbers:
    """What decides every value that engines compute: those that share it differ in cells and cycles alone.

    Parameters
    ----------
    precision : int
        Weight bits.
    planes : int
        Digit planes of the engine.
    delta : bool
        Whether steps may list changes.
    device : str
        ``ecp5`` for boards with room for all rules; the small families hold narrower numbers or fewer rules.
    """

    precision: int
    planes: int
    delta: bool
    device: str

    @property
    def name(self) -> str:
        """For folders and messages."""
        small = "" if self.device == "ecp5" else f"-{self.device}"
        return f"{_numbers(self.precision, self.planes, self.delta)}{small}"


@dataclass(frozen=True, order=True)
class Point:
    """An engine on a board, by what tells it from the network's other engines.

    Parameters
    ----------
    board : str
    precision, planes, delta
        As of :class:`Numbers`.
    mac : str
        MAC kind.
    lanes : int
    rows : int
        Rows per cycle of the cell unit.
    """

    board: str
    precision: int
    planes: int
    delta: bool
    mac: str
    lanes: int
    rows: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Point:
        """Inverse of :meth:`values`."""
        return cls(**values)

    @property
    def values(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @property
    def numbers(self) -> Numbers:
        """What it shares with engines that compute the same values."""
        return Numbers(self.precision, self.planes, self.delta, device_of(find_board(self.board)))

    @property
    def name(self) -> str:
        """For folders and messages."""
        rows = {1: "-1row", 4: "-4rows"}.get(self.rows, "")
        numbers = _numbers(self.precision, self.planes, self.delta)
        return f"{self.board}-{numbers}-{self.lanes}{self.mac}{rows}"


@dataclass(frozen=True)
class Candidate:
    """An engine under a policy, with what is known of it.

    Parameters
    ----------
    point : Point
    level : str
        One of ``LEVELS``: where its figures come from.
    figures : dict of str to float
        By the names of objectives, those that the level knows.
    policy : dict or None
        As a policy file holds it; None before there is one.
    label : str
        What tells the policy from the others of the same numbers; empty before there is one.
    left : str
        Why it is none of the Pareto set; empty if it is, or may be.
    mhz : float or None
        The clock that it was placed for; None if it was not, and figures are of the board's own.
    """

    point: Point
    level: str
    figures: dict[str, float]
    policy: dict[str, Any] | None = None
    label: str = ""
    left: str = ""
    mhz: float | None = None

    @property
    def name(self) -> str:
        """For folders and messages."""
        return f"{self.point.name}-{self.label}" if self.label else self.point.name

    @property
    def clock_mhz(self) -> float:
        """The clock that its figures are of."""
        return find_board(self.point.board).clock_mhz if self.mhz is None else self.mhz


def device_of(board: Board) -> str:
    """See :class:`Numbers`."""
    return board.family if board.small else "ecp5"


def _numbers(precision: int, planes: int, delta: bool) -> str:
    return f"w{precision}-{f'{planes}p' if delta else 'nodelta'}"
