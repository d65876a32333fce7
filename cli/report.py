"""``lstmith report``: a design, or what was built from it, as one HTML file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.boards.catalogue import find_target
from lstmith.cli.compile_model import CANDIDATE_COLUMNS, LAYER_COLUMNS, candidate_rows, layer_rows
from lstmith.cli.console import say
from lstmith.cli.figures import cycles_figure, memory_figure
from lstmith.cli.html import Section, embedded, save_report
from lstmith.compiler.design import Design
from lstmith.compiler.files import read_json
from lstmith.compiler.marks import REPORT
from lstmith.compiler.outputs import Output, check_outputs
from lstmith.compiler.sizing.size import held_bits, weight_words
from lstmith.spec.errors import UserError

RUN_COLUMNS = ["run", "engine", "steps", "cycles per step", "99 %", "worst", "utilisation", "mismatches", "max error"]

#: What to give instead of a wrong file.
COMMAND = "give a file a command wrote"


def command(
    source: Annotated[Path, typer.Argument(help="Directory that 'compile' or 'build' wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file.")],
    runs: Annotated[list[Path] | None, typer.Option("--run", help="JSON that 'run' wrote; may be repeated.")] = None,
) -> None:
    """Write an HTML report."""
    check_outputs([source, *(runs or [])], [Output(output, REPORT)])
    sections = design_sections(Design.load(source)) if (source / "design.json").is_file() else build_sections(source)
    if runs:
        sections += run_sections({path.stem: read_json(path, COMMAND) for path in runs})
    save_report(output, f"lstmith: {source.name}", f"What is in {source}.", sections)
    say(f"report written to {output}")


def design_sections(design: Design) -> list[Section]:
    """Formats, engine and memory of a design."""
    sizing = design.report["sizing"]
    parameters = [[name, value] for name, value in asdict(design.engine).items()]
    sections = [
        Section(
            "Number formats",
            "Errors of h are against float, on calibration data that was held back.",
            LAYER_COLUMNS,
            layer_rows(design),
        ),
        *(
            [Section("Remarks", "", ["remark"], [[text] for text in told])]
            if (told := design.report["remarks"])
            else []
        ),
        Section(
            "Engine",
            f"{sizing['lanes']} {design.engine.mac} lanes on {sizing['target']}, limited by {sizing['limited_by']}.",
            ["parameter", "value"],
            parameters,
        ),
    ]
    board = find_target(design.target)
    if board is not None:
        lanes = design.engine.lanes
        sizes = {name: 16 * lanes * weight_words(design.network, lanes, int(name)) for name in sizing["precisions"]}
        rows: list[list[object]] = [
            [f"{name} bit", bits, f"{bits / sizing['memory_bits']:.0%}", "yes" if sizing["precisions"][name] else "no"]
            for name, bits in sizes.items()
        ]
        held, words, memory = held_bits(design.network), sizing["weight_bits"], sizing["memory_bits"]
        sections.append(
            Section(
                "Memory",
                f"{held} bits of weights take {words} of {memory} bits of weight memory ({words / memory:.1%}); "
                f"{1 - held / words:.1%} of these words is wasted. "
                "Weights at each precision; blue fits, the dotted line is what the board has for weights.",
                ["precision", "bits", "of the board", "fits"],
                rows,
                embedded(memory_figure(sizes, sizing["memory_bits"], board.title)),
            )
        )
        estimates: list[list[object]] = [
            ["LUTs", sizing["luts"], board.luts],
            ["DSP blocks", sizing["dsps"], board.dsps],
            ["block RAMs", sizing["brams"], board.brams],
        ]
        sections.append(Section("Estimated resources", "", ["resource", "estimate", "board"], estimates))
    if candidates := sizing.get("candidates"):
        sections.append(Section("Engines compared", "", CANDIDATE_COLUMNS, candidate_rows(candidates)))
    return sections


def build_sections(folder: Path) -> list[Section]:
    """Resources and clock of a build.

    Raises
    ------
    UserError
        If the folder is neither a design nor a build.
    """
    described = [read_json(path, COMMAND) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    figures = next((values for values in described if "fmax_mhz" in values), None)
    if figures is None:
        raise UserError(str(folder), "is neither a design nor a build", "give what 'compile' or 'build' wrote")
    rows: list[list[object]] = [[name, value] for name, value in figures.items() if not isinstance(value, dict | list)]
    tools = figures.get("tool_versions", {})
    return [
        Section("Build", "", ["figure", "value"], rows),
        Section("Tools", "", ["tool", "version"], [[name, version] for name, version in tools.items()]),
    ]


def run_sections(runs: dict[str, dict[str, Any]]) -> list[Section]:
    """Cycles and errors of runs, given as R.json by name.

    Raises
    ------
    UserError
        If a file is not what 'run' wrote.
    """
    keys = ("engine", "steps", "cycles_per_step", "cycles_p99", "cycles_max", "utilisation", "mismatches")
    for name, run in runs.items():
        if missing := [key for key in (*keys, "max_abs_error") if key not in run]:
            raise UserError(f"{name} field {missing[0]}", "is missing", "give the JSON that 'run' wrote")
    rows = [[name, *(_cell(run[key]) for key in (*keys, "max_abs_error"))] for name, run in runs.items()]
    counted = {name: run for name, run in runs.items() if run["cycles_per_step"] is not None}
    figure = embedded(cycles_figure(counted)) if counted else ""
    return [Section("Runs", "", RUN_COLUMNS, rows, figure)]


def _cell(value: Any) -> object:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else value
