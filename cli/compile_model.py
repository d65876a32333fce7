"""``lstmith compile``: a trained model and calibration data become a design."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.boards.catalogue import DEFAULT, find_target
from lstmith.cli.console import out, remark, say, steps, table
from lstmith.cli.models import Head, Layer
from lstmith.compiler.design import Design
from lstmith.compiler.design_files import FOLDER
from lstmith.compiler.marks import DESIGN_FIGURES
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.compiler.pipeline import compile_model
from lstmith.compiler.quantise.quantise import LayerReport
from lstmith.compiler.sizing.estimate import told_error
from lstmith.spec.config import PRECISIONS
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import QuantLayer


class Precision(enum.StrEnum):
    """Weight widths a user may ask for."""

    FOUR = "4"
    EIGHT = "8"
    SIXTEEN = "16"
    AUTO = "auto"


class Mac(enum.StrEnum):
    """Kinds of multiply-accumulate unit."""

    DIGIT = "digit"
    DSP = "dsp"
    AUTO = "auto"


class Activations(enum.StrEnum):
    """Operand widths a user may ask for."""

    EIGHT = "8"
    SIXTEEN = "16"


class Planes(enum.StrEnum):
    """Digit planes a user may ask for."""

    ONE = "1"
    TWO = "2"
    AUTO = "auto"


def _replaced(value: str | None) -> None:
    """Refuse the option that ``--planes`` took the place of."""
    if value is not None:
        raise UserError("option --images", f"is {value!r}, of designs before digit planes", "use --planes 1, 2 or auto")


def command(
    model: Annotated[Path, typer.Argument(help="Trained network: .onnx, .pt, .safetensors or .npz.")],
    calibration: Annotated[
        Path, typer.Option(help="Typical inputs: .npz with one array per graph input, or x as the first layer sees it.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory of the design.")],
    precision: Annotated[
        Precision, typer.Option(help="Weight bits; auto: the lowest with a mean error of h below 0.01.")
    ] = Precision.EIGHT,
    activations: Annotated[
        Activations | None, typer.Option(help="Operand bits.", show_default="16 for 16-bit weights, else 8")
    ] = None,
    target: Annotated[str, typer.Option(help="A board (see 'lstmith boards') or generic.")] = DEFAULT,
    lanes: Annotated[int | None, typer.Option(help="Lanes of the array.", show_default="most that are of use")] = None,
    mac: Annotated[
        Mac,
        typer.Option(
            help="DSP blocks (dsp), lookup tables (digit), or which takes the fewest nanoseconds per step (auto)."
        ),
    ] = Mac.DSP,
    layer: Layer = None,
    head: Head = False,
    stateful: Annotated[
        bool, typer.Option("--stateful", help="Each call of the calibration starts where the one before ended.")
    ] = False,
    active: Annotated[
        str | None,
        typer.Option(help="Active counts: 96,64 also runs with the 96 or 64 most important units; / separates layers."),
    ] = None,
    skim: Annotated[
        bool,
        typer.Option("--skim", help="Steps of the one active count leave the other units as they are, not dropped."),
    ] = False,
    planes: Annotated[
        Planes,
        typer.Option(help="Digit planes of a weight, each following its own changes; auto: 2 where there is room."),
    ] = Planes.AUTO,
    images: Annotated[str | None, typer.Option(hidden=True, callback=_replaced)] = None,
    sequences: Annotated[
        int, typer.Option(help="Sequences that the engine takes in turn, 1 or 2, so that neither waits for itself.")
    ] = 1,
    delta: Annotated[
        bool, typer.Option("--delta/--no-delta", help="Without, every step is dense and the engine smaller.")
    ] = True,
    fixed: Annotated[
        bool,
        typer.Option(
            "--fixed", help="An engine for this network alone: weights and policy are constants, no register bus."
        ),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Figures of the design: its error and what to remark on.")] = None,
) -> None:
    """Quantise a trained network and size an engine for it."""
    check_outputs([model, calibration], [Output(output, FOLDER), Output(json, DESIGN_FIGURES)])
    with steps() as report:
        design = compile_model(
            model,
            calibration,
            precision=precision.value,
            activations=None if activations is None else int(activations),
            target=target,
            lanes=lanes,
            mac=mac.value,
            layer=layer,
            head=head,
            stateful=stateful,
            active=active,
            skim=skim,
            planes=planes.value,
            sequences=sequences,
            delta=delta,
            fixed=fixed,
            progress=report,
            remark=remark,
        )
    design.save(output)
    if json is not None:
        save_json(json, design.figures, DESIGN_FIGURES)
    _print(design)
    say(f"design written to {output}")


def _print(design: Design) -> None:
    engine, sizing = design.engine, design.report["sizing"]
    if sizing["candidates"]:
        out.print(table("Candidates", CANDIDATE_COLUMNS, candidate_rows(sizing["candidates"])))
    out.print(table("Layers", LAYER_COLUMNS, layer_rows(design)))
    say(
        f"{sizing['lanes']} {engine.mac} lanes on {sizing['target']}, limited by {sizing['limited_by']}; "
        f"weights of {'/'.join(str(bits) for bits in engine.precisions)} bit, sums of {engine.acc_width} bit"
    )
    if engine.fixed:
        say("fixed: weights, formats and policy are constants of the netlist, which has no register bus")
    if engine.sequences > 1:
        say(f"{engine.sequences} sequences in turn")
    split = [f"{name} in 2 digits of {layer.plane_bits} bits" for name, layer in _named(design) if layer.planes == 2]
    say(f"weights with digit planes for policies: {', '.join(split) or 'none'}")
    for name, layer in _named(design):
        if layer.counts:
            others = ", the others left as they are" if layer.skims else ""
            say(f"{name} also runs with its {', '.join(map(str, layer.counts))} most important units{others}")
    if sizing["memory_bits"]:
        say(f"weights take {sizing['weight_bits']} of {sizing['memory_bits']} bits of weight memory")
        say(f"precisions in this memory: {', '.join(_precisions(design.target, sizing['precisions']))}")
        cells = f"{sizing['luts']} LUTs, {sizing['dsps']} DSP blocks, {sizing['brams']} block RAMs"
        say(f"estimate: {cells} ({told_error(engine.family)})")


def _named(design: Design) -> list[tuple[str, QuantLayer]]:
    return [
        (source.name, layer)
        for program in design.programs
        for source, layer in zip(program.source.layers, program.network.layers, strict=True)
    ]


def _precisions(target: str, precisions: Mapping[str, bool]) -> list[str]:
    """Whether the weights fit the board at each precision, or why not."""
    board = find_target(target)
    able = PRECISIONS if board is None else board.precisions
    return [
        f"{bits} bit {'fits' if fits else 'does not fit' if int(bits) in able else 'is not supported'}"
        for bits, fits in precisions.items()
    ]


CANDIDATE_COLUMNS = ["multipliers", "lanes", "cycles per step", "ns per step", "LUTs", "DSP blocks", "block RAMs"]


def candidate_rows(candidates: Iterable[Mapping[str, Any]]) -> list[list[object]]:
    """Compared engines as cells under ``CANDIDATE_COLUMNS``."""
    names = ("mac", "lanes", "cycles_per_step", "ns_per_step", "luts", "dsps", "brams")
    return [[candidate[name] for name in names] for candidate in candidates]


LAYER_COLUMNS = ["layer", "weights", "operands", "x range", "c range", "sum bits", "mean error of h", "largest"]


def layer_rows(design: Design) -> list[list[object]]:
    """Formats and errors of a design's layers, then of the whole network, as cells under ``LAYER_COLUMNS``."""
    programs = design.report.get("programs", {"": design.report}).values()
    layers = [LayerReport(**entry) for program in programs for entry in program["quantisation"]["layers"]]
    error = design.report["error"]
    whole = "whole network" if len(design.programs) == 1 else "program with the largest error"
    name = f"{whole}, {'held back' if error['held_back'] else 'nothing held back'}"
    return [
        *(_layer_row(layer) for layer in layers),
        [name, *[""] * 5, f"{error['mean']:.2e}", f"{error['max']:.2e}"],
    ]


def _layer_row(report: LayerReport) -> list[object]:
    return [
        report.name,
        f"{report.precision} bit",
        f"{report.activation_bits} bit",
        f"{report.x_range:.4g}",
        f"{report.c_range:.4g}",
        report.acc_width,
        f"{report.error_mean:.2e}",
        f"{report.error_max:.2e}",
    ]
