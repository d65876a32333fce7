"""Figures of the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SPEECH, FLOAT, GOLDEN, RTL = "#1b1f24", "#dceefb", "#8c959f", "#0969da", "#cf222e"
#: What the lines of a figure are called, by engine and by mode.
LABELS = {
    "golden": "golden model (integers)",
    "RTL": "simulated core, equal to golden",
    "dense": "dense: every column",
    "delta": "delta: columns that changed",
}


def detection_figure(
    samples: npt.NDArray[np.floating],
    rate: int,
    step_seconds: float,
    probabilities: Mapping[str, npt.NDArray[np.floating]],
    segments: Sequence[tuple[float, float]],
    cycles: Mapping[str, npt.NDArray[np.integer]],
    threshold: float,
    cost_label: str = "cycles per step",
) -> Figure:
    """A recording, where speech is in it, and what each step cost.

    Parameters
    ----------
    samples : float [n]
        The recording.
    rate : int
        Samples per second.
    step_seconds : float
        Time between two steps.
    probabilities : mapping of engine to float [T_e]
        p(speech) per step; an engine may have run fewer steps than others.
    segments : sequence of (begin, end)
        Seconds of speech.
    cycles : mapping of mode to int [T]
        Cycles per step.
    threshold : float
        p(speech) above which a step is speech.
    cost_label : str
        What ``cycles`` counts, if it is something else.
    """
    figure = _figure(11, 6.6)
    wave, chance, cost = figure.subplots(3, 1, sharex=True, height_ratios=(1.0, 1.2, 1.2))
    end = len(samples) / rate
    _envelope(wave, samples, rate)
    for axes in (wave, chance, cost):
        for begin, finish in segments:
            axes.axvspan(begin, min(finish, end), color=SPEECH, lw=0, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    wave.set_ylabel("amplitude")

    styles: dict[str, dict[str, Any]] = {
        "float": {"color": FLOAT, "lw": 4.5, "alpha": 0.55},
        "golden": {"color": GOLDEN, "lw": 1.8},
        "RTL": {"color": RTL, "lw": 1.0, "ls": (0, (3, 3))},
    }
    for name, values in probabilities.items():
        times = (np.arange(len(values)) + 0.5) * step_seconds
        chance.plot(times, values, label=LABELS.get(name, name), **styles.get(name, styles["golden"]))
    chance.axhline(threshold, color=INK, lw=0.6, ls=":")
    chance.set_ylabel("p(speech)")
    chance.set_ylim(-0.03, 1.03)
    _legend(chance, len(probabilities))

    for (name, spent), color in zip(cycles.items(), (FLOAT, RTL, GOLDEN), strict=False):
        edges = np.arange(len(spent) + 1) * step_seconds
        cost.stairs(
            spent,
            edges,
            label=f"{LABELS.get(name, name)}, mean {np.mean(spent):.0f}",
            color=color,
            lw=1.1,
            baseline=None,
        )
    cost.set_ylabel(cost_label)
    cost.set_xlabel("seconds")
    cost.set_ylim(bottom=0)
    cost.set_xlim(0, end)
    if cycles:
        _legend(cost, len(cycles))
    return figure


def _figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; matplotlib comes with the extra ``report``."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _legend(axes: Any, columns: int) -> None:
    """A legend above the axes, where it hides nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=columns, frameon=False, fontsize="small")


def _envelope(axes: Any, samples: npt.NDArray[np.floating], rate: int, bins: int = 2400) -> None:
    """Extremes of short pieces: what a plot of every sample would show."""
    size = max(1, len(samples) // bins)
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    times = (np.arange(len(pieces)) + 0.5) * size / rate
    axes.fill_between(times, pieces.min(axis=1), pieces.max(axis=1), color=INK, lw=0, zorder=2)


def cycles_figure(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Mean, 99th percentile and largest cycles per step of some runs, given as R.json figures by name."""
    figure = _figure(8, 0.9 + 0.75 * len(runs))
    axes = figure.subplots()
    kinds = {"cycles_per_step": ("mean", GOLDEN), "cycles_p99": ("99 %", FLOAT), "cycles_max": ("worst", RTL)}
    places = np.arange(len(runs))
    for index, (key, (label, color)) in enumerate(kinds.items()):
        values = [run[key] for run in runs.values()]
        bars = axes.barh(places + (index - 1) * 0.26, values, 0.24, color=color, label=label)
        axes.bar_label(bars, fmt="%.0f", padding=3, fontsize="small")
    axes.set_yticks(places, list(runs))
    axes.invert_yaxis()
    axes.set_xlabel("cycles per step")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small")
    return figure


def memory_figure(sizes: Mapping[str, int], capacity: int, board: str) -> Figure:
    """Bits of weights at each precision against what the board holds."""
    figure = _figure(8, 2.4)
    axes = figure.subplots()
    kib = [bits / 8192 for bits in sizes.values()]
    colors = [GOLDEN if bits <= capacity else RTL for bits in sizes.values()]
    bars = axes.barh([f"{name} bit" for name in sizes], kib, color=colors)
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize="small")
    axes.axvline(capacity / 8192, color=INK, lw=1, ls=":")
    axes.annotate(
        board,
        (capacity / 8192, 0),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize="small",
        va="center",
    )
    axes.invert_yaxis()
    axes.set_xlabel("weights, KiB")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
