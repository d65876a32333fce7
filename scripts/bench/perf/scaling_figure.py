"""The scaling study as a picture."""

from __future__ import annotations

from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

from lstmith.cli.figures import INK, RTL

#: Over units, one line per lane count: key of a grid point, factor, label.
_BY_UNITS = (
    ("cycles_per_step", 1, "cycles per step"),
    ("utilisation", 100, "multipliers at work, %"),
    ("brams", 1, "block memories, estimate"),
)
#: Over lanes: key of a grid point, of a measured one, label.
_BY_LANES = (("luts", "logic", "logic, LUT4"), ("dsps", "dsps", "multipliers"))


def scaling_figure(study: dict[str, Any], clocks: dict[int, float]) -> Figure:
    """Cycles, utilisation and memory over units; cells and clock over lanes.

    Parameters
    ----------
    study : dict
        Of :func:`lstmith.scripts.bench.perf.scaling.run_scaling`.
    clocks : dict of int to float
        MHz by lanes, where it was measured.
    """
    figure = Figure(figsize=(13, 7.6), layout="constrained")
    panels = figure.subplots(2, 3)
    grid, points = study["grid"], study["points"]
    for axes in panels.flat:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#eaeef2", lw=0.8)
    for axes, (key, factor, label) in zip(panels[0], _BY_UNITS, strict=True):
        _over_units(axes, grid, key, factor)
        axes.set_ylabel(label)
        axes.set_xlabel("units = inputs; hollow: beyond ULX3S 85F")
    for axes in (panels[0, 0], panels[0, 2]):
        axes.set_yscale("log")
    panels[0, 1].set_ylim(0, 103)
    panels[0, 1].legend(title="lanes", frameon=False, fontsize="small", ncols=2, loc="lower right")
    for axes, (key, measured, label) in zip(panels[1], _BY_LANES, strict=False):
        _over_lanes(axes, grid, points, key, measured)
        axes.set_ylabel(label)
    lanes = sorted(clocks)
    panels[1, 2].plot(lanes, [clocks[count] for count in lanes], color=RTL, lw=1.3, marker="x", ms=7, mew=1.6)
    panels[1, 2].set_ylabel("MHz by nextpnr")
    panels[1, 2].set_visible(bool(clocks))
    for axes in panels[1]:
        axes.set_ylim(bottom=0)
        axes.set_xlabel("lanes")
    return figure


def _over_units(axes: Any, grid: list[dict[str, Any]], key: str, factor: int) -> None:
    lane_counts = sorted({point["lanes"] for point in grid})
    for index, lanes in enumerate(lane_counts):
        color = colormaps["viridis"](0.92 * index / max(1, len(lane_counts) - 1))
        line = [point for point in grid if point["lanes"] == lanes]
        beyond = [point for point in line if not point["fits"]]
        for chosen, style in ((line, {"lw": 1.3, "label": f"{lanes}"}), (beyond, {"ls": "", "mfc": "white"})):
            values = [factor * point[key] for point in chosen]
            axes.plot([point["units"] for point in chosen], values, color=color, marker="o", ms=3.5, **style)


def _over_lanes(
    axes: Any, grid: list[dict[str, Any]], points: list[dict[str, Any]], key: str, measured_key: str
) -> None:
    estimated = {point["lanes"]: point[key] for point in grid}
    axes.plot(list(estimated), list(estimated.values()), color=INK, lw=1.3, marker="o", ms=3.5, label="estimate")
    measured = [(point["lanes"], point[measured_key]) for point in points]
    axes.plot(*zip(*measured, strict=True), ls="", marker="x", ms=7, mew=1.6, color=RTL, label="yosys")
    axes.legend(frameon=False, fontsize="small")
