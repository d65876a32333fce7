"""``lstmith run``: a design on an engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lstmith.cli.console import figure_rows, out, progress, remark, table
from lstmith.cli.inputs import load_problem, save_json
from lstmith.cli.outputs import Output, check_outputs
from lstmith.compiler.data import save_results
from lstmith.compiler.design import Design
from lstmith.compiler.marks import RUN_FIGURES, RUN_RESULTS
from lstmith.host.accelerator import Accelerator
from lstmith.host.energy import CONSTANTS, DEFAULT, find_constants
from lstmith.host.run import ENGINES, run_engine, summarise
from lstmith.spec.errors import UserError


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    data: Annotated[Path, typer.Option("--input", help="Inputs of the LSTM: .npz with x [T,I] or [N,T,I].")],
    engine: Annotated[str, typer.Option(help=f"One of {', '.join(ENGINES)}.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Results: .npz.")],
    json: Annotated[Path | None, typer.Option(help="Figures of the run.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file.", show_default="delta, no thresholds")] = None,
    port: Annotated[str | None, typer.Option(help="Serial port of the board, see 'devices'.")] = None,
    baud: Annotated[int | None, typer.Option(help="Bits per second of the port.", show_default="found")] = None,
    energy: Annotated[str, typer.Option(help=f"Constants of the energy estimate: {' or '.join(CONSTANTS)}.")] = DEFAULT,
) -> None:
    """Run a design on sequences, and compare it with the golden model and with float."""
    if port is not None and engine != "board":
        raise UserError("option --port", f"is for a board, not for {engine}", "leave it out")
    if port is None and engine == "board":
        raise UserError("option --port", "is missing", "give the board's serial port, see 'lstmith devices'")
    find_constants(energy)
    check_outputs([design, data, policy], [Output(output, RUN_RESULTS), Output(json, RUN_FIGURES)])
    request = load_problem(Design.load(design), data, policy)
    with progress(f"running on {engine}", len(request.x) if engine in ("verilator", "board") else None) as report:
        if port is None:
            run = run_engine(request, engine, report)
        else:
            with Accelerator(port, baud=baud) as accelerator:
                accelerator.load(request.design, request.policies)
                # The board's engine may have other lanes than the one the design was compiled for.
                request = replace(request, design=accelerator.design)
                run = accelerator.run(request, report)
            remark(str(accelerator.verified))
        figures = summarise(request, engine, run, energy)
    save_results(output, run.arrays(), single=request.sequences.single)
    if json is not None:
        save_json(json, figures, RUN_FIGURES)
    estimate = figures.pop("energy")
    shown = {name: value for name, value in figures.items() if value is not None and name not in ("policy", "remarks")}
    if estimate is not None:
        shown |= {f"energy per step ({estimate['constants']}), pJ": estimate["total_pj"]}
    out.print(table(str(design), ["figure", "value"], figure_rows(shown)))
    for text in figures["remarks"]:
        remark(text)
