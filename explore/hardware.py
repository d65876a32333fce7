"""The levels of synthesis and placement, pure functions as those of :mod:`.levels`; ``files`` hold a ``design``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import find_board
from lstmith.compiler.design import Design
from lstmith.flow import TimingError, build, synthesise
from lstmith.flow.attempt import YOSYS
from lstmith.flow.families import FLOWS
from lstmith.flow.processes import processor_seconds
from lstmith.flow.toolchain import ToolError, logic_cells
from lstmith.spec.errors import UserError


def synthesised(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """Cells of a design's core.

    Parameters
    ----------
    spec : mapping
        ``board``.
    files : mapping
        ``design``.

    Returns
    -------
    dict
        ``luts``, with those in carry chains and small memories, ``dsps``, ``brams``.
    """
    found = synthesise(Design.load(files["design"]), find_board(spec["board"]).family)
    return {"luts": logic_cells(found["cells"]), "dsps": found["dsps"], "brams": found["brams"]}


def placed(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """What nextpnr makes of a design with its link, for the first seed that meets a clock.

    Parameters
    ----------
    spec : mapping
        ``board``; ``clock_mhz``; ``seed``, the first that is tried, and ``seeds``, how many are, at most.
    files : mapping
        ``design``.

    Returns
    -------
    dict
        ``luts``, ``ffs``, ``dsps``, ``brams`` of the bitstream, ``fmax_mhz``, ``target_mhz``, ``seeds``; ``lanes``; and
        ``seconds`` of a processor, for all seeds together, None if some of it was there already. Or ``failed``, why
        there is none.
    """
    design = Design.load(files["design"])
    before = processor_seconds()
    with tempfile.TemporaryDirectory(prefix="lstmith-explore-", ignore_cleanup_errors=True) as folder:
        try:
            found = build(
                design,
                spec["board"],
                Path(folder) / "build",
                seed=spec["seed"],
                clock=spec["clock_mhz"],
                tries=spec["seeds"],
            )
        except TimingError as error:
            # A clock that is missed is a result too.
            found = error.result
        except (ToolError, UserError) as error:
            # So is a device that has no room. The folder that the message names is of another machine, perhaps.
            return {"failed": str(error).partition(", see ")[0]}
    seconds = None if found["reused"] else round(processor_seconds() - before, 1)
    names = ("luts", "ffs", "dsps", "brams", "fmax_mhz", "target_mhz", "seeds")
    return {**{name: found[name] for name in names}, "lanes": design.engine.lanes, "seconds": seconds}


def tools(board: str, *, places: bool) -> tuple[str, ...]:
    """Packages of the tools that a level calls."""
    return (YOSYS, *(FLOWS[find_board(board).family].packages if places else ()))
