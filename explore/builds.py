"""What placement is expected to give, by the builds that a store holds: the clock that is reached, and its time.

Both are powers of the lookup tables of a bitstream: larger engines have longer wires, and a placer's work grows
faster than its cells. Least squares of the logarithms, for each family apart; a build that the line is judged on has
no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.boards.catalogue import find_board
from lstmith.campaign import Store
from lstmith.campaign.task import function_name
from lstmith.explore.hardware import placed

#: Builds without which nothing is told: a line through fewer has no error that means something.
FEWEST = 4
#: What is told, by the names that :func:`.hardware.placed` gives.
TOLD = {"fmax_mhz": "MHz reached", "seconds": "seconds of a processor for a build"}


@dataclass(frozen=True)
class Line:
    """A power of the lookup tables, with how far it was off.

    Parameters
    ----------
    factor, exponent : float
        The logarithm at one lookup table, and the slope.
    builds : int
        That it was fitted to.
    median_error : float
        Relative, of builds that were left out, see :func:`left_out`.
    r2 : float
        Of the same; not a number if all builds are equal.
    """

    factor: float
    exponent: float
    builds: int
    median_error: float
    r2: float

    def at(self, luts: float) -> float:
        """What is expected of a bitstream with so many lookup tables."""
        return float(np.exp(self.factor + self.exponent * np.log(luts)))


def fitted(luts: Sequence[float], values: Sequence[float]) -> Line | None:
    """The line of some builds; None of fewer than ``FEWEST``, or if all have the same lookup tables."""
    if len(luts) < FEWEST or len(set(luts)) < FEWEST - 1:
        return None
    across, up = np.log(np.array(luts, dtype=float)), np.log(np.array(values, dtype=float))
    factor, exponent = _least_squares(across, up)
    told, true = left_out(luts, values), np.array(values, dtype=float)
    spread = ((true - true.mean()) ** 2).sum()
    r2 = float(1 - ((told - true) ** 2).sum() / spread) if spread else float("nan")
    return Line(factor, exponent, len(up), float(np.median(np.abs(told / true - 1))), r2)


def left_out(luts: Sequence[float], values: Sequence[float]) -> npt.NDArray[np.float64]:
    """What the line of other designs tells of each build; those with as many lookup tables are seeds of one design."""
    across, up = np.log(np.array(luts, dtype=float)), np.log(np.array(values, dtype=float))
    told = []
    for here in across:
        others = across != here
        factor, exponent = _least_squares(across[others], up[others])
        told.append(factor + exponent * here)
    return np.exp(told)


def _least_squares(across: np.ndarray[Any, Any], up: np.ndarray[Any, Any]) -> tuple[float, float]:
    centred = across - across.mean()
    exponent = float(centred @ up / (centred @ centred)) if centred.any() else 0.0
    return float(up.mean() - exponent * across.mean()), exponent


def collected(store: Store | None) -> dict[str, dict[str, Line]]:
    """Lines by family and by the names of ``TOLD``, of all builds that explorations left in a store."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for spec, result in store.collected(function_name(placed)) if store is not None else ():
        if "failed" not in result:
            rows.setdefault(find_board(spec["board"]).family, []).append(result)
    found: dict[str, dict[str, Line]] = {}
    for family, built in rows.items():
        for name in TOLD:
            # Builds that found some of their work done tell no time; those of before tell none either.
            known = [one for one in built if one.get(name) is not None]
            if line := fitted([one["luts"] for one in known], [one[name] for one in known]):
                found.setdefault(family, {})[name] = line
    return found
