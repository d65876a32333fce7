"""What was chosen for a network on a board, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class SizingReport:
    """What was chosen and why.

    Parameters
    ----------
    target : str
        Board name or ``generic``.
    lanes : int
    limited_by : str
        What keeps the lane count from growing.
    weight_words : int
        16-bit words per lane that the network needs.
    weight_bits, memory_bits : int
        Bits of the network's weights in all lanes; bits of the board's weight memory (0 without board).
    precisions : dict of str to bool or None
        Whether the weights at 4, 8 and 16 bit fit the board; None without board.
    luts, dsps, brams : int or None
        Estimated use; None without board.
    candidates : list of dict
        The engines that were compared (:class:`.choose.Candidate`); none if the kind of multiplier was given.
    """

    target: str
    lanes: int
    limited_by: str
    weight_words: int
    weight_bits: int
    memory_bits: int
    precisions: dict[str, bool | None]
    luts: int | None = None
    dsps: int | None = None
    brams: int | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)
