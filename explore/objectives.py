"""What is to be small, and how small at least."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lstmith.explore.points import Candidate
from lstmith.spec.errors import UserError

#: Figures that may be asked for: unit, and what they are.
FIGURES = {
    "us": "microseconds per step, mean, at the clock under MHz",
    "cycles": "cycles per step, mean",
    "nJ": "nanojoules per step, by the estimate of docs/energy.md",
    "luts": "4-input lookup tables",
    "dsps": "DSP blocks",
    "brams": "block memories",
    "loss": "how much worse the metric is than float's",
}
#: Those that sizes alone tell.
BY_SIZE = ("us", "cycles", "luts", "dsps", "brams")
DEFAULT = "us,luts"
OPTION = "option --objective"


@dataclass(frozen=True)
class Objective:
    """A figure that is to be small.

    Parameters
    ----------
    name : str
        One of ``FIGURES``.
    most : float
        Larger is of no use; infinite if any value may be.
    """

    name: str
    most: float = math.inf


def parse(text: str, max_loss: float | None) -> tuple[Objective, ...]:
    """Objectives from the command line, ``us,luts=8000``; the loss is one of them.

    Raises
    ------
    UserError
        If a name is unknown or given twice, or a value is no positive number.
    """
    found: dict[str, Objective] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if name not in FIGURES or name == "loss":
            known = ", ".join(each for each in FIGURES if each != "loss")
            fix = "give --max-loss" if name == "loss" else f"use {known}, with commas between, as us,luts=8000"
            raise UserError(OPTION, f"{name!r} is {'always one' if name == 'loss' else 'unknown'}", fix)
        if name in found:
            raise UserError(OPTION, f"names {name} twice", "name each once")
        found[name] = Objective(name, _limit(part.strip(), value) if equals else math.inf)
    return (*found.values(), Objective("loss", math.inf if max_loss is None else max_loss))


def _limit(part: str, value: str) -> float:
    try:
        most = float(value)
    except ValueError:
        most = math.nan
    if not 0 < most < math.inf:
        raise UserError(OPTION, f"is {part!r}", "give a positive number behind =")
    return most


def beyond(candidate: Candidate, objectives: Sequence[Objective]) -> str:
    """Which limits a candidate misses, with its figures; empty if none that its level knows."""
    missed = [
        f"{one.name} {candidate.figures[one.name]:.4g} is above {one.most:g}"
        for one in objectives
        if candidate.figures.get(one.name, -math.inf) > one.most
    ]
    return ", ".join(missed)


def excess(figures: Mapping[str, float], objectives: Sequence[Objective]) -> float:
    """By what part limits are missed, all together: what tells the nearest candidate."""
    limited = [one for one in objectives if one.most < math.inf]
    return sum(max(0.0, figures[one.name] - one.most) / max(abs(one.most), 1e-9) for one in limited)
