"""``lstmith explore``: which board, precision, lanes and policy for a network, and a design for each good answer."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from lstmith.boards.catalogue import BOARDS, find_board
from lstmith.boards.clock import with_clock
from lstmith.campaign import Store
from lstmith.cli.campaigns import JsonLines, Scheduler, StoreFile, Workers, open_store, workers_of
from lstmith.cli.console import out, remark, say, steps, table
from lstmith.cli.models import Head, Layer
from lstmith.compiler.files import whole_directory
from lstmith.compiler.marks import EXPLORATION
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.compiler.sizing.estimate import LINK_LUTS, told_error
from lstmith.explore.builds import TOLD, collected
from lstmith.explore.objectives import DEFAULT, parse
from lstmith.explore.points import LEVELS
from lstmith.explore.report import COLUMNS, FOLDER, rows, write
from lstmith.explore.run import results_of
from lstmith.explore.search import Exploration, Request, explore
from lstmith.flow.closing import TRIES
from lstmith.spec.errors import UserError
from lstmith.spec.extras import require
from lstmith.tuning.metrics import check_name


def command(
    model: Annotated[Path, typer.Argument(help="Trained network: .onnx, .pt, .safetensors or .npz.")],
    data: Annotated[
        Path, typer.Option(help="Recorded inputs, as for compile; and labels y for metrics that need them.")
    ],
    metric: Annotated[
        str, typer.Option(help="h_error, decisions, accuracy, f1, sisnr, bpc, or [higher:|lower:]module:function.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory of tables, a plot and designs.")],
    boards: Annotated[
        str | None, typer.Option(help="Names with commas between, see 'lstmith boards'.", show_default="all")
    ] = None,
    max_loss: Annotated[
        float | None, typer.Option(help="Largest loss against float, in the metric's unit.", show_default="any")
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            help="What is to be small, with commas between: us, cycles, nJ, luts, dsps, brams; us=20: at most 20."
        ),
    ] = DEFAULT,
    layer: Layer = None,
    head: Head = False,
    stateful: Annotated[
        bool, typer.Option("--stateful", help="Each call of the data starts where the one before ended.")
    ] = False,
    trials: Annotated[int, typer.Option(help="Policies to try for each kind of numbers.", min=1)] = 40,
    points: Annotated[int, typer.Option(help="Most points of the Pareto set for each board.", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the search, and the first one of placement.", min=0)] = 1,
    synth: Annotated[int, typer.Option(help="So many of the best are synthesised.", min=0)] = 0,
    place: Annotated[int, typer.Option(help="So many of the best are placed and routed.", min=0)] = 0,
    clocks: Annotated[
        str | None,
        typer.Option(help="MHz with commas between: the fastest that is met is kept.", show_default="each board's own"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of placement for each clock, at most.", min=1)] = TRIES,
    workers: Workers = None,
    scheduler: Scheduler = None,
    store: StoreFile = None,
    json_lines: JsonLines = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why points were left out.")] = False,
    json: Annotated[Path | None, typer.Option(help="The Pareto set as JSON.")] = None,
) -> None:
    """Search boards, precisions, lanes and policies of a network, and write a design for each good answer."""
    if max_loss is not None and not 0 <= max_loss < float("inf"):
        raise UserError("option --max-loss", f"is {max_loss}", "give a number from 0 up")
    check_name(metric)
    named = _boards(boards)
    request = Request(
        model=model,
        data=data,
        metric=metric,
        boards=named,
        objectives=parse(objective, max_loss),
        max_loss=max_loss,
        layer=layer,
        head=head,
        stateful=stateful,
        trials=trials,
        seed=seed,
        points=points,
        synth=synth,
        place=place,
        clocks=_clocks(clocks, named, place),
        seeds=seeds,
    )
    if synth or place:
        require("build")
    check_outputs([model, data, store], [Output(output, FOLDER), Output(json, EXPLORATION)])
    kept = open_store(store)
    scratch = tempfile.TemporaryDirectory(prefix="lstmith-explore-")
    try:
        with (
            whole_directory(output, FOLDER) as draft,
            scratch as folder,
            workers_of(workers or os.cpu_count() or 1, scheduler) as cluster,
            steps() as report,
        ):
            tell = functools.partial(_told, report) if json_lines else report
            found = explore(request, results_of(kept, cluster), Path(folder), tell)
            tell("writing designs", None)
            result = write(draft, request, found)
    except KeyboardInterrupt:
        if kept is None:
            raise
        told = f"interrupted: what is done is kept in {kept.path}; start the command again to go on"
        raise KeyboardInterrupt(told) from None
    if json is not None:
        save_json(json, result, EXPLORATION)
    _print(found, output, explain=explain)
    _print_builds(found, kept)


def _told(report: Callable[..., None], level: str, part: float | None) -> None:
    """Progress for people, and as a line for machines."""
    report(level, part)
    say(dumps({"doing": level, "part": part}))


def _boards(text: str | None) -> tuple[str, ...]:
    """Names of boards, each once."""
    if text is None:
        return tuple(board.name for board in BOARDS)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        try:
            find_board(name)
        except UserError as error:
            raise UserError("option --boards", error.problem, error.fix) from None
    return tuple(dict.fromkeys(names))


def _clocks(text: str | None, boards: tuple[str, ...], place: int) -> dict[str, tuple[float, ...]]:
    """Those that each board's PLL can make of the clocks that are asked for."""
    option = "option --clocks"
    if text is None:
        return {}
    if not place:
        raise UserError(option, "needs engines that are placed", "add --place")
    try:
        wanted = {float(part) for part in text.split(",")}
    except ValueError:
        raise UserError(option, f"is {text!r}", "give MHz with commas between, as 50,62.5") from None
    found: dict[str, tuple[float, ...]] = {}
    for name in boards:
        made, refused = [], ""
        for mhz in sorted(wanted):
            try:
                made.append(with_clock(find_board(name), mhz).clock_mhz)
            except UserError as error:
                refused = refused or f"{error.problem}, asked of {name}"
        if not made:
            raise UserError(option, refused, "add one that it can make, or leave the board out with --boards")
        found[name] = tuple(made)
    return found


def _print_builds(found: Exploration, store: Store | None) -> None:
    """What placing the points that were not would give, by what earlier ones gave."""
    lines = collected(store)
    for family in sorted({find_board(one.point.board).family for one in found.pareto if one.level != LEVELS[-1]}):
        luts = [
            one.figures["luts"] + LINK_LUTS[family]
            for one in found.pareto
            if one.level != LEVELS[-1] and find_board(one.point.board).family == family
        ]
        for name, told in TOLD.items():
            if line := lines.get(family, {}).get(name):
                ends = sorted((line.at(min(luts)), line.at(max(luts))))
                say(
                    f"{told} on {family}, expected: {ends[0]:.3g} to {ends[1]:.3g}, by {line.builds} builds of the "
                    f"store; median error {100 * line.median_error:.0f} %, R2 {line.r2:.2f}, of builds left out"
                )


def _print(found: Exploration, output: Path, *, explain: bool) -> None:
    out.print(table("Pareto set", list(COLUMNS), rows(found.pareto)))
    if explain:
        reasons: list[list[object]] = [[one.name, one.level, one.left] for one in found.left]
        reasons += [[name, "estimate", why] for name, why in found.unfit]
        out.print(table("Left", ["point", "stage", "because"], reasons))
    counted = ", ".join(f"{count} by {level}" for level, count in found.counts.items())
    say(f"looked at {counted}; losses and cycles are of data that nothing was tuned on")
    for family in sorted({find_board(one.point.board).family for one in found.pareto if one.level in LEVELS[:2]}):
        say(f"cells on {family} are estimates of luts, dsps and brams: {told_error(family)}")
    if not explain:
        remark("--explain says why the others were left; so does points.csv")
    say(f"designs, policies, tables and a plot in {output}")
