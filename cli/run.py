"""``lstmith run``: a design on an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.cli.console import figure_rows, out, progress, remark, table
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.marks import RUN_FIGURES, RUN_RESULTS
from lstmith.compiler.outputs import Output, check_outputs
from lstmith.host.energy import CONSTANTS, DEFAULT
from lstmith.host.run import ENGINES
from lstmith.host.runner import check_engine, read_input, run_design

#: Figures that are lists, and too long for a terminal.
HIDDEN = ("policy", "remarks", "placement", "stages", "reference")


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    data: Annotated[
        Path,
        typer.Option(
            "--input",
            help="Inputs: .npz with one array per graph input, or x [T,I] or [N,T,I] as the first layer sees it.",
        ),
    ],
    engine: Annotated[str, typer.Option(help=f"One of {', '.join(ENGINES)}.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Results: .npz.")],
    json: Annotated[Path | None, typer.Option(help="Figures of the run.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file.", show_default="delta, no thresholds")] = None,
    port: Annotated[str | None, typer.Option(help="Serial port of the board, see 'devices'.")] = None,
    baud: Annotated[int | None, typer.Option(help="Bits per second of the port.", show_default="found")] = None,
    energy: Annotated[str, typer.Option(help=f"Constants of the energy estimate: {' or '.join(CONSTANTS)}.")] = DEFAULT,
    stateful: Annotated[bool, typer.Option("--stateful", help="Each call starts where the one before ended.")] = False,
) -> None:
    """Run a design on sequences, and compare it with the golden model and with float."""
    check_engine(engine, port, energy)
    check_outputs([design, data, policy], [Output(output, RUN_RESULTS), Output(json, RUN_FIGURES)])
    loaded = Design.load(design)
    given = read_input(loaded, data, stateful=stateful)
    total = len(given.x) if isinstance(given, Sequences) and engine in ("verilator", "board") else None
    options: dict[str, Any] = {"policy": policy, "port": port, "baud": baud, "energy": energy}
    with progress(f"running on {engine}", total) as report:
        result = run_design(loaded, given, engine, progress=report, **options)
    if result.verified:
        remark(result.verified)
    result.save(output, json)
    figures = dict(result.figures)
    outputs = figures.pop("outputs", {})
    estimate = figures.pop("energy")
    shown = {name: value for name, value in figures.items() if value is not None and name not in HIDDEN}
    if estimate is not None:
        shown |= {f"energy per step ({estimate['constants']}), pJ": estimate["total_pj"]}
    out.print(table(str(design), ["figure", "value"], figure_rows(shown)))
    if outputs:
        columns = ["output", "mean error", "largest", f"range in {figures['reference']}"]
        out.print(table("Graph", columns, [_output_row(name, error) for name, error in outputs.items()]))
    for text in figures["remarks"]:
        remark(text)


def _output_row(name: str, error: dict[str, Any]) -> list[object]:
    if error["range"] is None:
        return [name, f"{error['differing']} differ", "", ""]
    low, high = error["range"]
    return [name, f"{error['mean_abs_error']:.2e}", f"{error['max_abs_error']:.2e}", f"{low:.4g} to {high:.4g}"]
