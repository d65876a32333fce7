"""The plan of functional coverage, as data: what a run is described by, and which combinations must have been met.

cocotb-coverage counts the hits. A *label* is a word that is true of a run of one layer, as ``delta`` of ``mode``; a
run may have several labels of an axis, as a list that was empty in one step and full in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from cocotb_coverage.coverage import CoverCross, CoverPoint, coverage_db

#: Labels that are true of one layer's run, by axis.
Labels = Mapping[str, frozenset[str]]
#: A cross, and a label of each of its axes.
Bin = tuple[str, tuple[str, ...]]

#: Axes, and the labels of each.
AXES: dict[str, tuple[str, ...]] = {
    "weights": ("4 bits", "8 bits", "16 bits"),
    "planes": ("1 plane", "2 planes"),
    "mode": ("dense", "skip", "delta", "auto"),
    "kind": ("lstm", "gru", "rnn", "dense layer"),
    "input": ("values", "symbols"),
    "rows": ("1 row", "2 rows", "4 rows"),
    "mac": ("dsp", "digit"),
    "sequences": ("1 sequence", "2 sequences"),
    "x stream": ("x flows", "x pauses", "x mostly waits"),
    "h stream": ("h flows", "h pauses", "h mostly waits", "h is closed"),
    "begin": ("start", "loaded state", "continued", "after a reset", "bus noise"),
    "list": ("empty", "one entry", "some", "all"),
    "restart": ("changes added", "sums anew"),
    "saturation": ("none", "multiplier", "gate", "cell state"),
    "monitor": ("ratio, layer", "ratio, fold", "count, layer", "count, fold"),
    "low plane": ("listed", "left out"),
    "skip rule": ("change", "hints", "predictor"),
    "step": ("computed", "skipped"),
    "active units": ("all units", "fewer units", "count changes"),
    "folds": ("one fold", "several folds", "last fold of one unit"),
    "lanes": ("one lane", "several lanes"),
    "queue": ("half reserved", "half full"),
}


@dataclass(frozen=True)
class Cross:
    """Combinations of axes' labels.

    Attributes
    ----------
    axes : tuple of str
    without : tuple of tuple
        Combinations that cannot be, by label, None for any.
    """

    axes: tuple[str, ...]
    without: tuple[tuple[str | None, ...], ...] = ()

    @property
    def name(self) -> str:
        """The axes' names."""
        return " x ".join(self.axes)


#: What must be met. What is left out of a cross is no run that any engine accepts: ``auto`` needs two planes, a dense
#: step lists every column, symbols list one, a dense layer has one row and no list of its own h.
CROSSES = (
    Cross(("weights", "planes", "mode"), ((None, "1 plane", "auto"),)),
    Cross(("kind", "planes", "mode"), ((None, "1 plane", "auto"),)),
    Cross(("rows", "mac", "weights")),
    Cross(("x stream", "h stream")),
    Cross(
        ("begin", "planes", "sequences"), (("after a reset", None, "2 sequences"), ("bus noise", None, "2 sequences"))
    ),
    Cross(("begin", "mode"), ()),
    Cross(
        ("list", "mode", "planes"),
        (("empty", "dense", None), ("one entry", "dense", None), ("some", "dense", None), (None, "auto", "1 plane")),
    ),
    Cross(("restart", "mode"), (("changes added", "dense"), ("changes added", "skip"))),
    Cross(("saturation", "weights", "rows")),
    Cross(("saturation", "kind"), (("cell state", "gru"), ("cell state", "rnn"), ("cell state", "dense layer"))),
    Cross(("monitor", "low plane")),
    Cross(("skip rule", "step", "planes")),
    Cross(("active units", "planes")),
    Cross(("active units", "mode")),
    Cross(("input", "mode", "planes"), ((None, "auto", "1 plane"),)),
    Cross(("folds", "lanes"), (("last fold of one unit", "one lane"),)),
    Cross(("queue", "planes", "sequences")),
    Cross(("queue", "rows")),
)


class Plan:
    """Hits of every bin.

    Parameters
    ----------
    name : str
        Of this plan among all of a process.
    crosses : tuple of Cross
    axes : dict of str to tuple of str
    """

    def __init__(
        self, name: str = "lstmith", crosses: tuple[Cross, ...] = CROSSES, axes: Mapping[str, tuple[str, ...]] = AXES
    ):
        self._crosses = {cross.name: f"{name}.{cross.name}" for cross in crosses}
        self._axes = {cross.name: cross.axes for cross in crosses}

        def sample(labels: Labels) -> None:
            """What the library's decorators look at."""

        decorators: list[Any] = [
            CoverPoint(
                f"{name}.{axis}",
                xf=lambda labels, axis=axis: labels.get(axis, frozenset()),
                rel=lambda have, one: one in have,
                bins=list(words),
                inj=False,
            )
            for axis, words in axes.items()
        ]
        decorators += [
            CoverCross(f"{name}.{cross.name}", [f"{name}.{axis}" for axis in cross.axes], list(cross.without))
            for cross in crosses
        ]
        # The innermost is asked last: crosses look at what the points found.
        for decorator in reversed(decorators):
            sample = decorator(sample)
        self._sample = sample

    def sample(self, labels: Labels) -> None:
        """Counts a run.

        Raises
        ------
        KeyError
            If an axis or a label is not of the plan.
        """
        for axis, have in labels.items():
            if unknown := have - set(AXES.get(axis, ())):
                raise KeyError(f"The plan has no {sorted(unknown)} of {axis!r}")
        self._sample(labels)

    def hits(self) -> dict[Bin, int]:
        """How often each bin was hit."""
        return {
            (cross, words): count
            for cross, place in self._crosses.items()
            for words, count in coverage_db[place].detailed_coverage.items()
        }

    def empty(self, without: str | None = None) -> set[Bin]:
        """Bins that nothing hit; without those of an axis."""
        return {each for each, count in self.hits().items() if not count and without not in self._axes[each[0]]}

    def bins_of(self, labels: Labels) -> set[Bin]:
        """Combinations that a run with these labels would hit, planned or not."""
        return {
            (cross, words)
            for cross, axes in self._axes.items()
            for words in product(*(labels.get(axis, frozenset()) for axis in axes))
        }
