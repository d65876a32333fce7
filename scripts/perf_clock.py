"""Clock of the large engines alone, placed and routed for the large board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.golden.config import EngineConfig

from .console import steps
from .placement import place, ring_source

#: What nextpnr is asked for: more than can be had, so that it goes on trying.
WANTED_MHZ = 130
_COMMON: dict[str, Any] = {
    "lanes": 64,
    "family": "ecp5",
    "weight_depth": 2048,
    "mixed": True,
    "monitor": True,
    "skip": True,
}
ENGINES = {
    "64 lanes {4,8,16}, 40-bit sums": EngineConfig(precisions=(4, 8, 16), acc_width=40, operand_width=17, **_COMMON),
    "64 lanes {4,8}": EngineConfig(precisions=(4, 8), **_COMMON),
}


def run_clock(cache: Path) -> dict[str, Any]:
    """MHz of every engine and seed; half an hour to several, as the machine goes.

    Parameters
    ----------
    cache : Path
        See :func:`lstmith.scripts.placement.place`.
    """
    with steps() as report:
        return {
            title: place(title, ring_source(config), find_board(DEFAULT), WANTED_MHZ, cache, report)
            for title, config in ENGINES.items()
        }
