"""``lstmith verify``: a design's core against golden, over as many steps as wanted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from lstmith.cli.console import figure_rows, out, progress, table
from lstmith.compiler.design import Design
from lstmith.compiler.marks import VERIFICATION
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.host.verification import verify_design


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps to compare.")],
    data: Annotated[
        Path | None,
        typer.Option("--input", help="Recorded inputs, as for 'run'.", show_default="random values of the whole range"),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file.", show_default="delta, no thresholds")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Simulations at a time.", show_default="one per processor")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random values.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Figures.")] = None,
) -> None:
    """Compare a design's core in Verilator with the golden model over many steps.

    Every value and every cycle is compared; the exit code is 1 if any differs.
    """
    check_outputs([design, data, policy], [Output(json, VERIFICATION)])
    loaded = Design.load(design)
    begun = time.perf_counter()
    with progress("comparing", steps) as report:
        found = verify_design(
            loaded, steps, data, policy=policy, workers=workers or os.cpu_count() or 1, seed=seed, progress=report
        )
    figures = {
        "steps": found.steps,
        "mismatches": found.mismatches,
        "wrong_cycles": found.wrong_cycles,
        "seconds": time.perf_counter() - begun,
    }
    if json is not None:
        save_json(json, figures, VERIFICATION)
    out.print(table(str(design), ["figure", "value"], figure_rows(figures)))
    if not found.equal:
        raise typer.Exit(1)
