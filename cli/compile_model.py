"""``lstmith compile``: a trained model and calibration data become a design."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.boards.board import Board
from lstmith.boards.catalogue import DEFAULT, find_target
from lstmith.cli.console import out, remark, say, steps, table
from lstmith.cli.inputs import save_json
from lstmith.cli.outputs import Output, check_outputs
from lstmith.compiler.accuracy import measure
from lstmith.compiler.data import load_sequences
from lstmith.compiler.design import FOLDER, Design
from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.split import split_model
from lstmith.compiler.importers.split_graph import SplitGraph
from lstmith.compiler.marks import DESIGN_FIGURES
from lstmith.compiler.program_image import build_memory_image
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.order import mean_h, order_on, parse_counts, with_counts
from lstmith.compiler.quantise.quantise import LayerReport, Quantised, quantise
from lstmith.compiler.remarks import remarks
from lstmith.compiler.sizing.choose import choose_engine
from lstmith.compiler.sizing.early import refuse_early
from lstmith.compiler.sizing.report import SizingReport
from lstmith.compiler.sizing.size import for_sequences, limits_for, size_engine, size_with_variants
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantLayer, QuantNetwork


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


class Images(enum.StrEnum):
    """Whether layers are also stored at a lower precision."""

    AUTO = "auto"
    NONE = "none"


def command(
    model: Annotated[Path, typer.Argument(help="Trained LSTM: .onnx, .pt, .safetensors or .npz.")],
    calibration: Annotated[Path, typer.Option(help="Typical inputs of the LSTM: .npz with x [T,I] or [N,T,I].")],
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
    layer: Annotated[str | None, typer.Option(help="Which LSTM, if the file holds several.")] = None,
    active: Annotated[
        str | None,
        typer.Option(help="Active counts: 96,64 also runs with the 96 or 64 most important units; / separates layers."),
    ] = None,
    images: Annotated[
        Images, typer.Option(help="auto: also store weights at a lower precision where there is room, for policies.")
    ] = Images.AUTO,
    sequences: Annotated[
        int, typer.Option(help="Sequences that the engine takes in turn, 1 or 2, so that neither waits for itself.")
    ] = 1,
    delta: Annotated[
        bool, typer.Option("--delta/--no-delta", help="Without, every step is dense and the engine smaller.")
    ] = True,
    json: Annotated[Path | None, typer.Option(help="Figures of the design: its error and what to remark on.")] = None,
) -> None:
    """Quantise a trained LSTM and size an engine for it."""
    check_outputs([model, calibration], [Output(output, FOLDER), Output(json, DESIGN_FIGURES)])
    design, quantised, sizing = compile_design(
        model,
        calibration,
        precision=precision.value,
        activation_bits=None if activations is None else int(activations),
        target=target,
        lanes=lanes,
        mac=mac.value,
        layer=layer,
        images=images.value,
        active=active,
        sequences=sequences,
        delta=delta,
    )
    design.save(output)
    if json is not None:
        save_json(json, compile_figures(design), DESIGN_FIGURES)
    _print(design, quantised, sizing)
    for text in design.report["remarks"]:
        remark(text)
    say(f"design written to {output}")


def compile_design(
    model: Path,
    calibration: Path,
    *,
    precision: str = "8",
    activation_bits: int | None = None,
    target: str = DEFAULT,
    lanes: int | None = None,
    mac: str = "dsp",
    layer: str | None = None,
    images: str = "auto",
    active: str | None = None,
    sequences: int = 1,
    delta: bool = True,
) -> tuple[Design, Quantised, SizingReport]:
    """Everything ``lstmith compile`` does before it writes.

    Raises
    ------
    UserError
        If the model, the data or an option is wrong, or the model does not fit the target.
    """
    board = find_target(target)
    if lanes is not None and lanes < 1:
        raise UserError("option --lanes", f"is {lanes}", "give a positive number")
    if active is not None and not delta:
        raise UserError(
            "option --active",
            f"is {active!r} with --no-delta, whose steps always compute every unit",
            "leave out one of them",
        )
    with steps() as report:
        report("reading the model")
        network = load_model(model, layer)
        bits = None if precision == "auto" else int(precision)
        refuse_early(network, board, precision=bits, lanes=lanes, mac=mac, delta=delta, sequences=sequences)
        data = load_sequences(calibration, network).calibration()
        counts = None if active is None else parse_counts(active, network)
        arranged, permutations = (network, None) if counts is None else order_on(network, data)
        report("choosing number formats")
        allowed = PRECISIONS if board is None else board.precisions
        wanted: str | list[int] = "auto" if precision == "auto" else [int(precision)]
        quantised = quantise(
            arranged,
            data,
            precision=wanted,
            activation_bits=activation_bits,
            limits=limits_for(board),
            allowed=allowed,
        )
        if counts is not None:
            means = mean_h(arranged, data)
            reduced = with_counts(quantised.network, limits_for(board).requant_width, counts, means, permutations)
            quantised = replace(quantised, network=reduced)
        report("sizing the engine")
        integer, engine, sizing = _fitted(model, quantised.network, data, board, lanes, mac, images, delta, sequences)
        report("measuring the error")
        error = measure(network, integer, engine, data)
        told = remarks(network, integer, engine, data, quantised.layers, error, automatic=wanted == "auto")
        graph = _graph(model, layer, network)
    summary: dict[str, Any] = {
        "quantisation": quantised.summary(),
        "sizing": sizing.summary(),
        "error": error.summary(),
        "remarks": told,
    }
    return Design(engine, integer, network, target, graph, summary), quantised, sizing


def compile_figures(design: Design) -> dict[str, Any]:
    """What ``compile --json`` writes: error of h on held-back data, remarks, and what was chosen."""
    error = design.report["error"]
    return {
        "error": {"mean": error["mean"], "max": error["max"]},
        "held_back_steps": error["steps"] if error["held_back"] else 0,
        "remarks": design.report["remarks"],
        "images": [list(layer.variants) for layer in design.network.layers],
        "lanes": design.engine.lanes,
        "precision": [layer.precision for layer in design.network.layers],
        "target": design.target,
    }


def _fitted(
    model: Path,
    network: QuantNetwork,
    data: Calibration,
    board: Board | None,
    lanes: int | None,
    mac: str,
    images: str,
    delta: bool,
    sequences: int,
) -> tuple[QuantNetwork, EngineConfig, SizingReport]:
    try:
        if mac == "auto" and board is not None:
            network, engine, sizing = choose_engine(
                network, board, data, lanes=lanes, variants=images != "none", delta=delta
            )
        else:
            # Without a board nothing tells the kinds apart.
            kind = "dsp" if mac == "auto" else mac
            if images == "none":
                engine, sizing = size_engine(network, board, lanes=lanes, mac=kind, delta=delta)
            else:
                network, engine, sizing = size_with_variants(network, board, lanes=lanes, mac=kind, delta=delta)
        engine, sizing = for_sequences(network, engine, sizing, board, sequences)
        # Building the image once proves that every field holds what this network needs.
        build_memory_image(network, engine, default_policies(network, engine))
    except ValueError as error:
        raise UserError(str(model), f"does not fit any engine ({error})", "use a smaller network") from error
    return network, engine, sizing


def _graph(model: Path, layer: str | None, network: FloatNetwork) -> SplitGraph | None:
    """What the host runs around the LSTM; a model without it is still a design."""
    if model.suffix.lower() != ".onnx":
        return None
    try:
        graph = split_model(model, layer)
    except UserError as error:
        remark(f"compiling the LSTM alone, without the graph around it: {error}")
        return None
    for name in graph.others:
        remark(f"LSTM {name!r} stays in the graph around it, which the host runs in float")
    return graph


def _print(design: Design, quantised: Quantised, sizing: SizingReport) -> None:
    engine = design.engine
    if sizing.candidates:
        out.print(table("Candidates", CANDIDATE_COLUMNS, candidate_rows(sizing.candidates)))
    rows = [layer_row(report) for report in quantised.layers]
    out.print(table("Layers", LAYER_COLUMNS, [*rows, stack_row(design.report["error"])]))
    say(
        f"{sizing.lanes} {engine.mac} lanes on {sizing.target}, limited by {sizing.limited_by}; "
        f"weights of {'/'.join(str(bits) for bits in engine.precisions)} bit, sums of {engine.acc_width} bit"
    )
    if engine.sequences > 1:
        say(f"{engine.sequences} sequences in turn")
    lower = [f"{name} at {'+'.join(map(str, layer.variants))} bit" for name, layer in _named(design) if layer.variants]
    say(f"lower weight images for policies: {', '.join(lower) or 'none'}")
    for name, layer in _named(design):
        if layer.counts:
            say(f"{name} also runs with its {', '.join(map(str, layer.counts))} most important units")
    if sizing.memory_bits:
        say(f"weights take {sizing.weight_bits} of {sizing.memory_bits} bits of weight memory")
        say(f"precision images in this memory: {', '.join(_images(design.target, sizing))}")
        say(f"estimate: {sizing.luts} LUTs, {sizing.dsps} DSP blocks, {sizing.brams} block RAMs")


def _named(design: Design) -> list[tuple[str, QuantLayer]]:
    return [(source.name, layer) for source, layer in zip(design.source.layers, design.network.layers, strict=True)]


def _images(target: str, sizing: SizingReport) -> list[str]:
    """Whether each set of precisions fits the board, or why not."""
    board = find_target(target)
    able = set(PRECISIONS if board is None else board.precisions)
    told = []
    for name, fits in sizing.variants.items():
        supported = able.issuperset(int(bits) for bits in name.split("+"))
        told.append(f"{name} bit {'fits' if fits else 'does not fit' if supported else 'is not supported'}")
    return told


CANDIDATE_COLUMNS = ["multipliers", "lanes", "cycles per step", "ns per step", "LUTs", "DSP blocks", "block RAMs"]


def candidate_rows(candidates: Iterable[Mapping[str, Any]]) -> list[list[object]]:
    """Compared engines as cells under ``CANDIDATE_COLUMNS``."""
    names = ("mac", "lanes", "cycles_per_step", "ns_per_step", "luts", "dsps", "brams")
    return [[candidate[name] for name in names] for candidate in candidates]


def stack_row(error: Mapping[str, Any]) -> list[object]:
    """Error of the whole network as cells under ``LAYER_COLUMNS``."""
    name = "whole network, held back" if error["held_back"] else "whole network, nothing held back"
    return [name, *[""] * 5, f"{error['mean']:.2e}", f"{error['max']:.2e}"]


LAYER_COLUMNS = ["layer", "weights", "operands", "x range", "c range", "sum bits", "mean error of h", "largest"]


def layer_row(report: LayerReport) -> list[object]:
    """A layer's formats as cells under ``LAYER_COLUMNS``."""
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
