"""The scaling study as a picture."""

from __future__ import annotations

from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lstmith.cli.figures import INK, RTL


def scaling_figure(study: dict[str, Any]) -> Figure:
    """Cycles of a dense step over units, and logic over lanes, by the estimate and by yosys.

    Parameters
    ----------
    study : dict
        Of :func:`lstmith.scripts.bench.perf.scaling.run_scaling`.
    """
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    cycles, logic = figure.subplots(1, 2)
    for axes in (cycles, logic):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#eaeef2", lw=0.8)
    _cycles(cycles, study["grid"])
    _logic(logic, study["grid"], study["points"])
    marks = [
        Line2D([], [], color=INK, marker="o", ms=5, label="fits ULX3S 85F (estimate)"),
        Line2D([], [], color=INK, marker="o", ms=5, mfc="white", label="does not fit ULX3S 85F (estimate)"),
        Line2D([], [], color=INK, ls="--", label="the compiler's estimate"),
        Line2D([], [], color=RTL, ls="", marker="x", ms=8, mew=2, label="measured by yosys"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
    return figure


def _cycles(axes: Any, grid: list[dict[str, Any]]) -> None:
    """A line for each lane count, which stands at its end."""
    lane_counts = sorted({point["lanes"] for point in grid})
    for index, lanes in enumerate(lane_counts):
        color = colormaps["viridis"](0.85 * index / max(1, len(lane_counts) - 1))
        line = [point for point in grid if point["lanes"] == lanes]
        axes.plot([point["units"] for point in line], [point["cycles_per_step"] for point in line], color=color, lw=1.4)
        for point in line:
            face = color if point["fits"] else "white"
            axes.plot(point["units"], point["cycles_per_step"], color=color, marker="o", ms=5, mfc=face)
        last = line[-1]
        label = f"{lanes} lane{'s' if lanes > 1 else ''}"
        place = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "color": color}
        axes.annotate(label, (last["units"], last["cycles_per_step"]), **place)
    axes.set_yscale("log")
    sizes = sorted({point["units"] for point in grid})
    axes.set_xticks(sizes)
    # Room for the labels.
    axes.set_xlim(right=2.8 * sizes[-1])
    axes.set_title("Cycles of a dense W8A8 step", loc="left")
    axes.set_ylabel("cycles (model that equals the RTL)")
    axes.set_xlabel("units = inputs")


def _logic(axes: Any, grid: list[dict[str, Any]], points: list[dict[str, Any]]) -> None:
    """The estimate depends on lanes alone."""
    estimated = {point["lanes"]: point["luts"] for point in grid}
    axes.plot(list(estimated), list(estimated.values()), color=INK, lw=1.4, ls="--")
    axes.plot([p["lanes"] for p in points], [p["logic"] for p in points], ls="", marker="x", ms=8, mew=2, color=RTL)
    for point in points:
        place = {"xytext": (0, -16), "textcoords": "offset points", "ha": "center", "color": RTL}
        axes.annotate(f"{point['units']} units", (point["lanes"], point["logic"]), **place)
    axes.set_ylim(bottom=0)
    axes.set_title("Logic of the engine on ECP5", loc="left")
    axes.set_ylabel("LUT4, with those of carries and LUT RAM")
    axes.set_xlabel("lanes")
