"""``lstmith verify``: a design's core against golden, over as many steps as wanted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from lstmith.cli.campaigns import JsonLines, Scheduler, StoreFile, Workers, campaign
from lstmith.cli.console import figure_rows, out, table
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
    seed: Annotated[int, typer.Option(min=0, help="Of random values.")] = 1,
    workers: Workers = None,
    scheduler: Scheduler = None,
    store: StoreFile = None,
    json_lines: JsonLines = False,
    json: Annotated[Path | None, typer.Option(help="Figures.")] = None,
) -> None:
    """Compare a design's core in Verilator with the golden model over many steps.

    Every value and every cycle is compared; the exit code is 1 if any differs. A run that was stopped goes on.
    """
    check_outputs([design, data, policy, store], [Output(json, VERIFICATION)])
    loaded = Design.load(design)
    begun = time.perf_counter()
    with campaign(
        "comparing",
        steps,
        workers=workers or os.cpu_count() or 1,
        scheduler=scheduler,
        store=store,
        json_lines=json_lines,
    ) as running:
        found = verify_design(
            loaded,
            steps,
            data,
            policy=policy,
            seed=seed,
            store=running.store,
            cluster=running.cluster,
            progress=running.report,
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
