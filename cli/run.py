"""``lstmith run``: a design on an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmith.cli.console import figure_rows, out, progress, remark, table
from lstmith.compiler.design import Design
from lstmith.compiler.marks import RUN_FIGURES, RUN_RESULTS
from lstmith.compiler.outputs import Output, check_outputs
from lstmith.host.energy import CONSTANTS, DEFAULT
from lstmith.host.run import ENGINES
from lstmith.host.runner import check_engine, read_request, run_request


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
    check_engine(engine, port, energy)
    check_outputs([design, data, policy], [Output(output, RUN_RESULTS), Output(json, RUN_FIGURES)])
    request = read_request(Design.load(design), data, policy)
    with progress(f"running on {engine}", len(request.x) if engine in ("verilator", "board") else None) as report:
        result = run_request(request, engine, port=port, baud=baud, energy=energy, progress=report)
    if result.verified:
        remark(result.verified)
    result.save(output, json)
    figures = dict(result.figures)
    estimate = figures.pop("energy")
    shown = {name: value for name, value in figures.items() if value is not None and name not in ("policy", "remarks")}
    if estimate is not None:
        shown |= {f"energy per step ({estimate['constants']}), pJ": estimate["total_pj"]}
    out.print(table(str(design), ["figure", "value"], figure_rows(shown)))
    for text in figures["remarks"]:
        remark(text)
