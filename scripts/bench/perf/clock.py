"""Clock of engines alone, placed and routed for the large board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.cli.console import steps
from lstmith.scripts.bench.choices import check_known
from lstmith.scripts.bench.perf.scaling import POINTS, scaling_config
from lstmith.scripts.bench.placement import SEEDS, place, ring_source
from lstmith.spec.config import EngineConfig
from lstmith.spec.presets import preset

#: What nextpnr is asked for: more than can be had, so that it goes on trying.
WANTED_MHZ = 130
_ADAPTIVE = replace(preset("adaptive").engine, active_counts=1)
#: With the seeds of their placement; after the large engines those of the scaling study, each with one seed.
ENGINES: dict[str, tuple[EngineConfig, Sequence[int]]] = {
    "64 lanes {4,8,16}, 40-bit sums": (
        replace(_ADAPTIVE, precisions=(4, 8, 16), acc_width=40, operand_width=17),
        SEEDS,
    ),
    "64 lanes {4,8}": (_ADAPTIVE, SEEDS),
    "32 digit lanes {4,8}, 11-bit operands": (
        replace(_ADAPTIVE, mac="digit", operand_width=11, lanes=32),
        SEEDS[:1],
    ),
    **{f"{lanes} lanes {{4,8}}, H = {units}": (scaling_config(units, lanes), SEEDS[:1]) for units, lanes in POINTS},
}


def chosen_engines(titles: Sequence[str] | None) -> tuple[str, ...]:
    """The engines to measure, None meaning all.

    Raises
    ------
    UserError
        If there is no such engine.
    """
    check_known("--engine", titles or (), ENGINES, "; ")
    return tuple(title for title in ENGINES if titles is None or title in titles)


def run_clock(cache: Path, titles: Sequence[str]) -> dict[str, Any]:
    """MHz of engines by seed; ten minutes to half an hour for each seed of a large one.

    Parameters
    ----------
    cache : Path
        See :func:`lstmith.scripts.bench.placement.place`.
    titles : sequence of str
        Some of ``ENGINES``.
    """
    with steps() as report:
        return {
            title: place(title, ring_source(config), find_board(DEFAULT), WANTED_MHZ, cache, report, seeds)
            for title, (config, seeds) in ENGINES.items()
            if title in titles
        }
