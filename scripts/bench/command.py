"""``lstmith bench``: the figures of the documentation, measured, and written into it."""

from __future__ import annotations

import enum
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.cli.console import out, say, steps, table
from lstmith.compiler.files import read_json
from lstmith.compiler.marks import bench_figures
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.scripts.bench.blocks import Table, find_block, markdown, replace_block
from lstmith.scripts.bench.choices import check_known
from lstmith.scripts.bench.stamps import MEASURED, stamp, told
from lstmith.spec.errors import UserError
from lstmith.spec.extras import require


class Name(enum.StrEnum):
    """Benches."""

    SILERO = "silero"
    BOARDS = "boards"
    ADAPTIVE = "adaptive"
    STEPS = "steps"
    TRAINED = "trained"
    SEQ2SEQ = "seq2seq"
    AREA = "area"
    ENERGY = "energy"
    PERF = "perf"
    LINK = "link"
    PRESETS = "presets"
    CLOCKS = "clocks"
    CAMPAIGN = "campaign"
    GRAPHS = "graphs"


#: Folder of the pages that benches renew, one for each.
PAGES = Path("docs/results")
#: Benches whose table also stands in README.
IN_README = (Name.PRESETS,)
README = Path("README.md")
#: README's block with what the adaptive bench comes to.
MEANS = "bench:adaptive-means"


def command(
    name: Annotated[Name, typer.Argument(help="Which bench.")] = Name.SILERO,
    json: Annotated[Path | None, typer.Option(help="All figures; default build/bench-NAME.json.")] = None,
    document: Annotated[list[Path] | None, typer.Option(help="Documents whose block is renewed.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of placement (boards).")] = 1,
    network: Annotated[
        list[str] | None,
        typer.Option(help="Measure only this network again (adaptive, steps, trained); may be repeated."),
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="Measure only this part again (perf, link, graphs); may be repeated.")
    ] = None,
    effort: Annotated[
        float, typer.Option(help="Factor on the policies tried (adaptive), on frames and sessions (link).", min=0.001)
    ] = 1.0,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Without large engines (perf), the small network alone (boards), few policies (adaptive).",
        ),
    ] = False,
    lanes: Annotated[
        int | None, typer.Option(help="Most lanes of an engine (adaptive).", show_default="64", min=1, max=64)
    ] = None,
    board: Annotated[
        list[str] | None, typer.Option(help="Build the small network for this board only (boards); may be repeated.")
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="Measure the clock of this engine only (perf); may be repeated.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Build only this preset (presets) or row (clocks) again; may be repeated.")
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option(help="Measure with this seed of 1, 2 and 3 again (clocks); may be repeated.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the last recorded run instead of recording (perf).")
    ] = False,
) -> None:
    """Measure silero, graphs, link, area, energy, campaign (minutes); boards, clocks, presets and others (hours)."""
    stamp()  # A long run is of the commit at which it began.
    path = json or Path("build") / f"bench-{name.value}.json"
    given = {
        "--check": (check, (Name.PERF,)),
        "--quick": (quick, (Name.PERF, Name.BOARDS, Name.ADAPTIVE)),
        "--network": (bool(network), (Name.ADAPTIVE, Name.STEPS, Name.TRAINED)),
        "--lanes": (lanes is not None, (Name.ADAPTIVE,)),
        "--part": (bool(part), (Name.PERF, Name.LINK, Name.GRAPHS)),
        "--board": (bool(board), (Name.BOARDS,)),
        "--engine": (bool(engine), (Name.PERF,)),
        "--only": (bool(only), (Name.PRESETS, Name.CLOCKS)),
        "--seeds": (bool(seeds), (Name.CLOCKS,)),
    }
    for option, (value, benches) in given.items():
        if value and name not in benches:
            raise UserError(f"option {option}", f"is not for {name.value}", f"use it with {' or '.join(benches)}")
    kind = bench_figures(name.value)
    documents = [] if check else document or _documents(name)
    check_outputs([], [Output(each, None) for each in documents])
    for each in documents:
        for block in _blocks(name):
            find_block(each, block)
    means_in = README if name is Name.ADAPTIVE and not document else None
    if means_in is not None:
        find_block(means_in, MEANS)
    if name in (Name.TRAINED, Name.SEQ2SEQ):
        require("torch")
    if json is None:
        path.parent.mkdir(exist_ok=True)
    check_outputs(documents, [Output(path, kind)])
    if check:
        _check(part, engine, path, quick=quick)
        return
    blocks = None
    if name is Name.ADAPTIVE:
        result, tables, text = _adaptive(network, effort / 8 if quick else effort, lanes, path.with_suffix(""))
    elif name is Name.STEPS:
        result, tables, text = _steps(network, path.with_suffix(""))
    elif name is Name.TRAINED:
        result, tables, text = _trained(network, path.with_suffix(""))
    elif name is Name.SEQ2SEQ:
        result, tables, text = _seq2seq(path.with_suffix(""))
    elif name is Name.AREA:
        result, tables, text = _area()
    elif name is Name.ENERGY:
        result, tables, text = _energy()
    elif name is Name.CAMPAIGN:
        result, tables, text = _campaign()
    elif name is Name.GRAPHS:
        result, tables, text = _graphs(part, path)
    elif name is Name.PERF:
        result, tables, text = _perf(part, engine, quick=quick)
    elif name is Name.LINK:
        result, tables, text = _link(part, effort, path)
    elif name is Name.BOARDS:
        result, tables, blocks = _boards(seed, board or [], quick=quick)
    elif name is Name.PRESETS:
        result, tables, text = _presets(only)
    elif name is Name.CLOCKS:
        result, tables, text = _clocks(only, seeds, path.with_suffix(""))
    else:
        result, tables, text = _silero()
    save_json(path, result, kind)
    for each in documents:
        for block, content in (blocks or {f"bench:{name.value}": text}).items():
            replace_block(each, block, content)
    if means_in is not None:
        from lstmith.scripts.bench.adaptive.tables import means_text

        replace_block(means_in, MEANS, means_text(result))
    for title, found in tables.items():
        out.print(table(title, *found))
    say(f"figures in {path}" + (f", tables in {', '.join(map(str, documents))}" if documents else ""))


def _documents(name: Name) -> list[Path]:
    """The project's own documents that a bench renews.

    Raises
    ------
    UserError
        If the current folder is not the project's.
    """
    page = PAGES / f"{name.value}.md"
    if not page.is_file():
        blocks = " and ".join(_blocks(name))
        raise UserError(
            "option --document",
            "is missing, and this is not the project's folder",
            f"name a document that holds the block {blocks}, or run the bench in a checkout",
        )
    return [README, page] if name in IN_README else [page]


def _blocks(name: Name) -> list[str]:
    """Names of the blocks that a bench renews."""
    if name is not Name.BOARDS:
        return [f"bench:{name.value}"]
    return ["bench:boards-small", "bench:boards"]


def _today() -> str:
    """The stamp of a bench that is always measured whole."""
    return told({"all": stamp()})


def _silero() -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.silero import accuracy_rows, mode_rows, run_silero

    result = run_silero()
    accuracy, modes = accuracy_rows(result), mode_rows(result)
    text = (
        f"{_today()} Silero VAD v6.2 on speech that nothing was calibrated on, clean and with noise "
        "(`lstmith bench silero`). Speech decisions against float:\n\n"
        f"{markdown(*accuracy)}\n"
        f"The W8A8 core with {result['lanes']} lanes, simulated by Verilator on all {result['frames']} frames: "
        "every h, c and list compared with the golden model, every step's cycles with the predicted ones. "
        f"h is {'the same, bit for bit,' if result['same_h'] else 'NOT the same'} in all modes; the last policy "
        "computes small changes in 4 bit.\n\n"
        f"{markdown(*modes)}"
    )
    tables = {
        "Silero VAD against float": accuracy,
        f"RTL on {result['lanes']} lanes, {result['frames']} frames": modes,
    }
    return result, tables, text


def _boards(seed: int, boards: list[str], *, quick: bool) -> tuple[dict[str, Any], dict[str, Table], dict[str, str]]:
    """The small network and, unless ``quick``, Silero; other boards' rows are those that the repository holds."""
    from lstmith.boards.catalogue import BOARDS, find_board
    from lstmith.scripts.bench.boards import (
        BUILDS,
        INPUTS,
        LANES,
        UNITS,
        board_rows,
        load_boards,
        run_silero,
        run_small,
        silero_rows,
    )

    for board in boards:
        find_board(board)
    run_small(seed, boards or [board.name for board in BOARDS])
    if not quick:
        run_silero(seed, boards or list(BUILDS))
    result = load_boards()
    tables = {"a small network": board_rows(result["small"]), "Silero": silero_rows(result["silero"])}
    blocks = {
        "bench:boards-small": f"A network of {UNITS} units and {INPUTS} input, W8A8, {LANES} lanes, with the host link "
        f"on every board (`lstmith bench boards --quick`):\n\n{markdown(*tables['a small network'])}",
        "bench:boards": "Silero VAD's W8A8 core with the host link (`lstmith bench boards`); cycles of exact changes "
        "on held-out speech, and how often a step fits into the 32 ms of its frame, at the board's clock:\n\n"
        f"{markdown(*tables['Silero'])}",
    }
    return result, tables, blocks


def _area() -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.area import area_rows, area_text, run_area
    from lstmith.scripts.bench.small import run_small, small_rows, small_text

    result = run_area()
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
        result["small"] = run_small(Path(folder))
    tables = {"area": area_rows(result), "small": small_rows(result["small"])}
    adaptive, small = (markdown(*table) for table in tables.values())
    return result, tables, f"{_today()} {area_text(result)}\n\n{adaptive}\n{small_text()}\n\n{small}"


def _perf(
    parts: list[str] | None, engines: list[str] | None, *, quick: bool
) -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.perf.run import chosen_parts, measure
    from lstmith.scripts.bench.perf.tables import perf_tables, perf_text

    result = measure(chosen_parts(parts, quick=quick), engines)
    return result, perf_tables(result), perf_text(result)


def _check(parts: list[str] | None, engines: list[str] | None, path: Path, *, quick: bool) -> None:
    """Leave with 1 if something is worse than recorded."""
    from lstmith.scripts.bench.perf.run import check, chosen_parts
    from lstmith.scripts.bench.perf.tables import perf_tables

    result, worse, since = check(chosen_parts(parts, quick=quick), engines)
    save_json(path, result, bench_figures(Name.PERF.value))
    for title, found in perf_tables(result).items():
        out.print(table(title, *found))
    for line in worse:
        say(line)
    if worse:
        raise typer.Exit(1)
    say(f"as good as the run of {since}")


def _campaign() -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.campaign.bench import campaign_tables, campaign_text, run_campaign

    with steps() as report:
        result = run_campaign(report)
    return result, campaign_tables(result), f"{_today()} {campaign_text(result)}"


def _graphs(parts: list[str] | None, path: Path) -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.graphs.run import PARTS, run_graphs
    from lstmith.scripts.bench.graphs.tables import graph_tables, graphs_text

    with steps() as report:
        result = _with_kept(run_graphs(report, parts or PARTS), path, kept=bool(parts))
    return result, graph_tables(result), graphs_text(result)


def _energy() -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.energy.bench import energy_text, part_rows, run_energy, total_rows

    result = run_energy()
    totals, parts = total_rows(result), part_rows(result)
    text = f"{_today()} {energy_text(result)}\n\n{markdown(*totals)}\nThe same by part:\n\n{markdown(*parts)}"
    return result, {"energy estimate and value changes": totals, "by part": parts}, text


def _link(parts: list[str] | None, effort: float, path: Path) -> tuple[dict[str, Any], dict[str, Table], str]:
    """The parts that are not measured again are those of an earlier run."""
    from lstmith.scripts.bench.link.bench import PARTS, link_tables, link_text, run_link

    with steps() as report:
        measured = run_link(report, parts or list(PARTS), effort)
    result = _with_kept(measured, path, kept=bool(parts))
    return result, link_tables(result), link_text(result)


def _with_kept(measured: dict[str, Any], path: Path, *, kept: bool) -> dict[str, Any]:
    """Parts just measured, and if asked for the others of an earlier run, which another may have renewed meanwhile."""
    before = read_json(path, "measure all parts") if kept and path.exists() else {}
    return {**before, **measured, MEASURED: {**before.get(MEASURED, {}), **measured[MEASURED]}}


def _adaptive(
    networks: list[str] | None, effort: float, lanes: int | None, folder: Path
) -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.adaptive.bench import TRIALS, run_adaptive
    from lstmith.scripts.bench.adaptive.networks import LANES
    from lstmith.scripts.bench.adaptive.tables import full_text, network_tables, summary_table

    names = _known(networks, TRIALS)
    most = lanes or LANES
    with steps() as report:
        result = run_adaptive(names, report, effort, most, folder if most == LANES else folder / f"{most}-lanes")
    tables = {**network_tables(result), "all networks": summary_table(result)}
    return result, tables, full_text(result)


def _steps(networks: list[str] | None, folder: Path) -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.steps.bench import run_steps
    from lstmith.scripts.bench.steps.tables import step_tables, steps_text
    from lstmith.workloads.catalogue import NAMES

    with steps() as report:
        result = run_steps(_known(networks, NAMES), report, folder)
    return result, step_tables(result), steps_text(result)


def _trained(networks: list[str] | None, folder: Path) -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.trained.bench import TRIALS, run_trained
    from lstmith.scripts.bench.trained.tables import trained_tables, trained_text

    with steps() as report:
        result = run_trained(_known(networks, TRIALS), report, folder)
    return result, trained_tables(result), trained_text(result)


def _seq2seq(folder: Path) -> tuple[dict[str, Any], dict[str, Table], str]:
    from lstmith.scripts.bench.seq2seq.bench import run_seq2seq
    from lstmith.scripts.bench.seq2seq.tables import seq2seq_rows, seq2seq_text

    with steps() as report:
        result = run_seq2seq(report, folder)
    return result, {"held-out words": seq2seq_rows(result)}, seq2seq_text(result, _today())


def _known(networks: list[str] | None, names: Iterable[str]) -> list[str]:
    """The networks that are asked for, all if none is."""
    check_known("--network", networks or [], names)
    return networks or list(names)


def _presets(names: list[str] | None) -> tuple[dict[str, Any], dict[str, Table], str]:
    """The rows of presets that are not measured again are those that the repository holds."""
    from lstmith.scripts.bench.presets import preset_rows, preset_text, run_presets
    from lstmith.spec.presets import PRESETS

    rows = run_presets(names or [each.name for each in PRESETS])
    return rows, {"presets": preset_rows(rows)}, preset_text(rows)


def _clocks(
    rows: list[str] | None, seeds: list[int] | None, folder: Path
) -> tuple[dict[str, Any], dict[str, Table], str]:
    """The figures of rows that are not measured again are those that the repository holds."""
    from lstmith.scripts.bench.clocks import ROWS, clock_rows, clocks_text, histogram_rows, run_clocks
    from lstmith.scripts.bench.placement import SEEDS

    result = run_clocks(rows or ROWS, seeds or SEEDS, folder)
    return result, {"clocks": clock_rows(result), "seeds by clock": histogram_rows(result)}, clocks_text(result)
