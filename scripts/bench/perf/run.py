"""The speed bench as a command: which parts, what is kept of them, and the check against it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstmith.scripts.bench.choices import check_known
from lstmith.scripts.bench.perf.bench import LONG, PARTS, run_perf
from lstmith.scripts.bench.perf.clock import chosen_engines
from lstmith.scripts.bench.perf.history import HISTORY, load_history, record, regressions
from lstmith.scripts.bench.perf.scaling_figure import scaling_figure
from lstmith.spec.errors import UserError

#: Netlists and clocks, so that a long run that was stopped goes on where it was.
CACHE = Path("build/bench-perf")
PICTURE = Path("docs/scaling.png")


def chosen_parts(parts: Sequence[str] | None, *, quick: bool) -> tuple[str, ...]:
    """The parts to measure.

    Parameters
    ----------
    parts : sequence of str or None
        What the user asks for; None means all.
    quick : bool
        Without those that take hours.

    Raises
    ------
    UserError
        If there is no such part.
    """
    check_known("--part", parts or (), PARTS)
    return tuple(part for part in parts or PARTS if not (quick and part in LONG))


def measure(parts: Sequence[str], engines: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure some parts, keep them, and draw the scaling study anew; returns the latest figures of all parts."""
    load_history()  # A damaged file is refused before the work.
    latest = record(run_perf(parts, CACHE, chosen_engines(engines)))
    if "scaling" in latest:
        scaling_figure(latest["scaling"]).savefig(PICTURE, dpi=110)
    return latest


def check(parts: Sequence[str], engines: Sequence[str] | None = None) -> tuple[dict[str, Any], list[str], str]:
    """Measure some parts and hold them against what is kept.

    Returns
    -------
    measured : dict
    worse : list of str
        One line for each figure that is.
    since : str
        Day of the last kept run.

    Raises
    ------
    UserError
        If nothing is kept.
    """
    kept = load_history()
    if not kept["runs"]:
        raise UserError(str(HISTORY), "holds no run to compare with", "run the bench without --check first")
    measured = run_perf(parts, CACHE, chosen_engines(engines))
    return measured, list(regressions(measured, kept["latest"])), kept["runs"][-1]["date"]
