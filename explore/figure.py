"""The Pareto set as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from lstmith.explore.objectives import FIGURES
from lstmith.explore.points import LEVELS, Candidate

if TYPE_CHECKING:
    from lstmith.explore.search import Exploration, Request

#: Colours that are told apart in print and by most eyes (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def pareto_figure(request: Request, found: Exploration) -> Figure:
    """The first objective over the second, by board: the Pareto set, and what was left after the golden level."""
    across, up = _axes(request)
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    for board, colour in zip(request.boards, COLOURS * (1 + len(request.boards) // len(COLOURS)), strict=False):
        left = [one for one in found.left if one.point.board == board and one.level != LEVELS[0]]
        pareto = sorted((one for one in found.pareto if one.point.board == board), key=lambda one: one.figures[across])
        axes.plot(*_places(left, across, up), ls="", marker=".", ms=3, alpha=0.35, color=colour)
        axes.plot(*_places(pareto, across, up), marker="o", ms=6, lw=1, color=colour, label=board)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="minor", labelsize="small")
    axes.set_xlabel(f"{across}: {FIGURES[across]}")
    axes.set_ylabel(f"{up}: {FIGURES[up]}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", title="Pareto set; small dots were left")
    return figure


def _axes(request: Request) -> tuple[str, str]:
    names = [one.name for one in request.objectives]
    return (names[0], names[1]) if len(names) > 1 else (names[0], "luts")


def _places(candidates: list[Candidate], across: str, up: str) -> tuple[list[float], list[float]]:
    return [one.figures[across] for one in candidates], [one.figures[up] for one in candidates]
