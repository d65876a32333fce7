"""The Pareto set of a search as a picture."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from lstmith.cli.figures import FLOAT, GOLDEN, INK, RTL


def pareto_figure(result: dict[str, Any], tried: list[tuple[float, float]]) -> Figure:
    """Loss over cycles per step.

    Parameters
    ----------
    result : dict
        R.json of ``lstmith tune``.
    tried : list of (cycles per step, loss)
        Every policy, on the data that was tuned on.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    limit, points, chosen = result["max_loss"], result["points"], result["chosen"]
    axes.plot(*zip(*tried, strict=True), ls="", marker=".", ms=4, color=FLOAT, label="tried, on data tuned on")
    for part, color, label in ((None, RTL, "Pareto set, held out"), ("tune", GOLDEN, "the same, on data tuned on")):
        found = [point if part is None else point[part] for point in points]
        # Held out, the order along the front may be another than where it was found.
        found.sort(key=lambda point: point["cycles_per_step"])
        axes.plot(
            [point["cycles_per_step"] for point in found],
            [point["loss"] for point in found],
            marker="o",
            ms=4,
            lw=1,
            color=color,
            label=label,
        )
    axes.plot(chosen["cycles_per_step"], chosen["loss"], ls="", marker="o", ms=11, mfc="none", mec=RTL, label="chosen")
    dense = result["dense"]
    axes.plot(
        dense["cycles_per_step"], dense["loss"], ls="", marker="s", ms=7, color=INK, label="dense, the engine's own"
    )
    axes.axhline(limit, color=INK, lw=0.8, ls=":")
    axes.annotate(
        f"--max-loss {limit:g}",
        (0.0, limit),
        xycoords=("axes fraction", "data"),
        xytext=(3, 3),
        textcoords="offset points",
        fontsize="small",
        color=INK,
    )
    # Policies far beyond the limit would press all others against the axis.
    shown = [dense["loss"]] + [point["loss"] for point in points] + [point["tune"]["loss"] for point in points]
    most = max(1.2 * limit, 1.2 * max(shown), 1e-9)
    axes.set_ylim(min(0.0, *(loss for _, loss in tried)) - 0.04 * most, most)
    axes.set_xlabel("cycles per step")
    axes.set_ylabel(f"loss of {result['metric']['name']} against float")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    return figure
