"""Runs of the speed bench that are kept: every figure of the latest, what must not get worse of all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from lstmith.compiler.files import whole_file
from lstmith.scripts.bench.stamps import MEASURED, stamp
from lstmith.spec.errors import UserError

#: Part of the repository, so that growth shows.
HISTORY = Path("scripts/bench/recorded/perf.json")
#: How much an area may grow.
AREA_MARGIN = 1.05
#: Rounding of figures that a run leaves in JSON.
EXACT = 1e-6
#: What figures of two sequences in turn are called beside those of one.
IN_TURN = "_in_turn"


def load_history() -> dict[str, Any]:
    """The file: ``latest``, every part as it was measured last, and ``runs``, oldest first.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    if not HISTORY.exists():
        return {"latest": {}, "runs": []}
    try:
        found = json.loads(HISTORY.read_text())
    except ValueError as error:
        raise UserError(str(HISTORY), f"is not JSON ({error})", "restore it from the repository") from None
    if not isinstance(found, dict) or not {"latest", "runs"} <= found.keys():
        raise UserError(str(HISTORY), "holds no runs of this bench", "restore it from the repository")
    return found


def record(result: dict[str, Any]) -> dict[str, Any]:
    """Keep a run.

    Parameters
    ----------
    result : dict
        Some parts of the bench.

    Returns
    -------
    dict
        The latest figures of all parts.
    """
    kept = load_history()
    latest = merged(kept["latest"], result, stamp())
    entry = {
        "date": date.today().isoformat(),
        "parts": list(result),
        "cycles": exact_figures(result),
        "logic": areas(result),
    }
    entry["clock_mhz"] = {title: found["median_mhz"] for title, found in result.get("clock", {}).items()}
    # Parts without a figure that could get worse leave nothing to look back at.
    runs = [*kept["runs"], entry] if entry["cycles"] or entry["logic"] or entry["clock_mhz"] else kept["runs"]
    with whole_file(HISTORY) as draft:
        draft.write_text(json.dumps({"latest": latest, "runs": runs}, indent=1) + "\n")
    return latest


def merged(latest: dict[str, Any], result: dict[str, Any], when: str) -> dict[str, Any]:
    """The latest figures with some parts renewed; a peer or a clock that was not measured stays as it was."""
    found = {**latest, **result}
    if "clock" in result:
        found["clock"] = {**latest.get("clock", {}), **result["clock"]}
    if result.get("peers", {}).get("missing") and "peers" in latest:
        rows = {**latest["peers"]["rows"], **result["peers"]["rows"]}
        found["peers"] = {**result["peers"], "rows": rows}
    found[MEASURED] = {**latest.get(MEASURED, {}), **dict.fromkeys(result, when)}
    return found


def exact_figures(result: dict[str, Any]) -> dict[str, float]:
    """What must not change unnoticed: cycles per step by title."""
    found = {
        title + suffix: run[f"cycles_per_step{suffix}"]
        for title, run in result.get("cycles", {}).items()
        for suffix in ("", IN_TURN)
        # Kept figures may be older than two sequences.
        if f"cycles_per_step{suffix}" in run
    }
    modes = result.get("silero", {}).get("modes", {})
    found |= {f"Silero, {title}": run["cycles_per_step"] for title, run in modes.items()}
    found |= {title: row["cycles_per_step"] for title, row in result.get("peers", {}).get("rows", {}).items()}
    found |= {
        f"symbols, {title}, {mode}": figures["after"][mode]["cycles_per_step"]
        for title, figures in result.get("symbols", {}).items()
        for mode in ("dense", "auto")
    }
    options = result.get("options", {}).get("ecp5", {})
    found |= {f"options, {title}": row["cycles_per_step"] for title, row in options.items()}
    return found | {
        f"{point['units']} units on {point['lanes']} lanes": point["cycles_per_step"]
        for point in result.get("scaling", {}).get("grid", [])
    }


def areas(result: dict[str, Any]) -> dict[str, float]:
    """What must not grow: cells of logic by title."""
    found = {f"lane {title}": lane["logic"] for title, lane in result.get("lanes", {}).items()}
    found |= {title: row["logic"] for title, row in result.get("peers", {}).get("rows", {}).items()}
    found |= {f"options, {title}": row["logic"] for title, row in result.get("options", {}).get("ecp5", {}).items()}
    return found | {
        f"{point['units']} units on {point['lanes']} lanes": point["logic"]
        for point in result.get("scaling", {}).get("points", [])
    }


def regressions(result: dict[str, Any], latest: dict[str, Any]) -> Iterator[str]:
    """What differs from, or is worse than, what was recorded, one line each.

    Parameters
    ----------
    result : dict
        The parts to judge.
    latest : dict
        As :func:`load_history` has them.
    """
    recorded = exact_figures(latest)
    for title, cycles in exact_figures(result).items():
        before = recorded.get(title, cycles)
        if abs(cycles - before) > EXACT:
            yield f"{title}: {cycles:.1f} cycles per step, recorded are {before:.1f}"
    recorded = areas(latest)
    for title, logic in areas(result).items():
        before = recorded.get(title, logic)
        if logic > before * AREA_MARGIN:
            yield f"{title}: {logic:g} cells of logic, recorded are {before:g}"
