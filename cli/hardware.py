"""``lstmith synth`` and ``lstmith build``: what yosys and nextpnr make of a design."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.boards.board import Front
from lstmith.boards.catalogue import find_board, with_front
from lstmith.cli.campaigns import Scheduler, workers_of
from lstmith.cli.console import out, say, steps, table
from lstmith.compiler.design import Design
from lstmith.compiler.marks import BUILD_FIGURES, SYNTHESIS_FIGURES, Kind
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.flow.closing import AUTO, TRIES
from lstmith.spec.errors import UserError


class Family(enum.StrEnum):
    """FPGA families that yosys maps to."""

    ECP5 = "ecp5"
    ICE40 = "ice40"
    GOWIN = "gowin"
    NEXUS = "nexus"


def synth_command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    family: Annotated[Family, typer.Option(help="FPGA family.")],
    json: Annotated[Path | None, typer.Option(help="Resources.")] = None,
) -> None:
    """Synthesise the core alone and count its resources."""
    from lstmith.flow import synthesise

    check_outputs([design], [Output(json, SYNTHESIS_FIGURES)])
    loaded = Design.load(design)
    with steps() as report:
        figures = synthesise(loaded, family.value, report)
    _finish(f"{design} on {family.value}", figures, json, SYNTHESIS_FIGURES)


def build_command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    board: Annotated[str, typer.Option(help="Board, see 'lstmith boards'.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory of the bitstream.")],
    seed: Annotated[int, typer.Option(help="First seed of placement; others follow if it misses the clock.")] = 1,
    clock: Annotated[
        str | None, typer.Option(help="MHz, or 'auto' for the fastest that is met; the board's own if not given.")
    ] = None,
    front: Annotated[
        str, typer.Option(help="What the board is reached by: uart, or spi for a microcontroller.")
    ] = Front.UART,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds to try for a clock, at most.")] = TRIES,
    workers: Annotated[int, typer.Option(min=1, help="Seeds that are placed at a time, each on a processor.")] = 1,
    scheduler: Scheduler = None,
    json: Annotated[Path | None, typer.Option(help="Resources and clock.")] = None,
) -> None:
    """Build a bitstream.

    Of the seeds that meet the clock the first is kept, also with several workers; what was placed once is not again.
    """
    from lstmith.campaign.placement import side_by_side
    from lstmith.flow.bitstream import FOLDER, build
    from lstmith.flow.routing import one_by_one
    from lstmith.flow.toolchain import TimingError

    wanted = _clock(clock)
    check_outputs([design], [Output(output, FOLDER), Output(json, BUILD_FIGURES)])
    found = with_front(find_board(board), front)
    loaded = Design.load(design)
    try:
        with workers_of(workers, scheduler) as cluster, steps() as report:
            router = one_by_one if cluster is None else side_by_side(cluster)
            figures = build(loaded, found, output, seed=seed, clock=wanted, tries=seeds, progress=report, router=router)
    except TimingError as error:
        # No bitstream, but what was reached is worth knowing.
        if json is not None:
            save_json(json, error.result, BUILD_FIGURES)
        raise
    _finish(f"{design} on {found.title}", figures, json, BUILD_FIGURES)
    if wanted == AUTO:
        say(f"clock: {figures['clock_mhz']:g} MHz, the fastest that was met")
    if figures["reused"]:
        say(f"kept from an earlier build: {', '.join(figures['reused'])}")
    say(f"bitstream in {output}")


def _clock(text: str | None) -> float | str | None:
    """MHz, ``auto``, or None."""
    if text is None or text == AUTO:
        return text
    try:
        return float(text)
    except ValueError:
        raise UserError("option --clock", f"is {text!r}", f"give MHz, or {AUTO}") from None


def _finish(title: str, figures: dict[str, Any], json: Path | None, kind: Kind) -> None:
    if json is not None:
        save_json(json, figures, kind)
    rows: list[list[object]] = [
        [name, f"{value:.4g}" if isinstance(value, float) else value]
        for name, value in figures.items()
        if isinstance(value, int | float)
    ]
    out.print(table(title, ["resource", "value"], rows))
