"""From a trained model and calibration data to a design, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from lstmith.boards.catalogue import DEFAULT
from lstmith.compiler.accuracy import measure
from lstmith.compiler.calls import program_sequences, read_calls
from lstmith.compiler.chains import Chain, compile_chains
from lstmith.compiler.data import Sequences, SequenceSource
from lstmith.compiler.design import Design
from lstmith.compiler.importers.importer import Model, ModelSource, read_model
from lstmith.compiler.options import AUTO, ActiveCounts, CompileOptions
from lstmith.compiler.program_image import build_memory_image
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.order import mean_h, order_on, parse_counts, with_counts, with_skim
from lstmith.compiler.quantise.quantise import Quantised, quantise
from lstmith.compiler.remarks import remarks
from lstmith.compiler.sizing.choose import choose_engine
from lstmith.compiler.sizing.drain import for_drain
from lstmith.compiler.sizing.early import refuse_options
from lstmith.compiler.sizing.fixed import for_fixed, refuse_fixed
from lstmith.compiler.sizing.report import SizingReport
from lstmith.compiler.sizing.size import for_sequences, limits_for, size_engine
from lstmith.compiler.symbols import with_symbols
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantNetwork

#: Takes one line of text: a stage of the work, or a remark.
Tell = Callable[[str], None]

Counts = list[tuple[int, ...]]


def compile_model(
    model: ModelSource,
    calibration: SequenceSource,
    *,
    precision: int | str = 8,
    activations: int | None = None,
    target: str = DEFAULT,
    lanes: int | None = None,
    mac: str = "dsp",
    layer: str | None = None,
    head: bool = False,
    stateful: bool = False,
    active: ActiveCounts | None = None,
    skim: bool = False,
    planes: int | str = AUTO,
    sequences: int = 1,
    delta: bool = True,
    fixed: bool = False,
    progress: Tell | None = None,
    remark: Tell | None = None,
) -> Design:
    """Quantise a trained network and size an engine for it: what ``lstmith compile`` does before it writes.

    Parameters
    ----------
    model : str, Path, mapping or ModelProto
        A file (.onnx, .pt, .safetensors, .npz); arrays by the names that an .npz file has; a PyTorch state dict; or an
        ONNX model.
    calibration : str, Path, array or mapping
        Typical inputs: an .npz file, or arrays by the names that a file has: those of the graph's inputs, each
        [calls, ...], or ``x`` as the first recurrent layer sees it, float32 [T, I] or [N, T, I].
    precision, activations, target, lanes, mac, active, skim, planes, sequences, delta, fixed
        See :class:`~lstmith.compiler.options.CompileOptions`.
    layer : str or None
        Of several recurrent layers, the only one to run on the core.
    head : bool
        Whether dense layers of a graph behind recurrent ones run on the core too.
    stateful : bool
        Every call of the calibration starts where the one before ended.
    progress : callable or None
        Called with the name of each stage.
    remark : callable or None
        Called with each remark as soon as it is known; all of them are in ``design.report["remarks"]`` too.

    Returns
    -------
    Design

    Raises
    ------
    UserError
        If the model, the data or an option is wrong, or the model does not fit the target. What can be refused
        without calibration is refused before it.
    """
    options = CompileOptions(precision, activations, target, lanes, mac, active, skim, planes, sequences, delta, fixed)
    stage, told = progress or _nobody, remark or _nobody
    stage("reading the model")
    read = read_model(model, layer, head=head)
    counts = _refused_early(read.source, read.network, options)
    read = with_symbols(read, model, layer, calibration, options, head=head)
    # Why there is no graph may also be why the data does not suit what is left.
    for text in read.remarks:
        told(text)
    calls = read_calls(calibration, read.plan, read.networks, "calibration", stateful=stateful)
    data = program_sequences(calls, read.plan, read.networks)
    if len(read.networks) > 1:
        return _of_programs(read, data, options, stage, told)
    return compile_chain(read, data[0].calibration(), options, counts, stage, told)


def _of_programs(read: Model, data: list[Sequences], options: CompileOptions, stage: Tell, told: Tell) -> Design:
    """Chains of a graph side by side in one engine."""
    assert read.plan is not None
    given = {
        "--active": options.active_text is not None, "--sequences": options.sequences > 1, "--fixed": options.fixed
    }  # fmt: skip
    if any(given.values()):
        option = next(name for name, asked in given.items() if asked)
        raise UserError(
            f"option {option}", f"is for one chain of layers; this model has {len(data)}", "choose one with --layer"
        )
    names = {each.program: each.name for each in reversed(read.plan.stages)}
    chains = [
        Chain(names[index], network, found)
        for index, (network, found) in enumerate(zip(read.networks, data, strict=True))
    ]
    with _no_engine(read.source):
        design = compile_chains(
            chains,
            precision=AUTO if options.weight_bits is None else options.weight_bits,
            activations=options.activation_bits,
            target=options.target,
            lanes=options.lanes,
            mac=options.mac,
            planes=options.planes,
            delta=options.delta,
            progress=stage,
            remark=told,
        )
    report = {**design.report, "remarks": [*read.remarks, *design.report["remarks"]]}
    return replace(design, graph=read.plan, report=report)


def compile_chain(
    read: Model,
    data: Calibration,
    options: CompileOptions,
    counts: Counts | None = None,
    stage: Tell | None = None,
    told: Tell | None = None,
) -> Design:
    """A single chain of layers that was read already; see :func:`compile_model`.

    Parameters
    ----------
    read : Model
        With one network.
    data : Calibration
        What its first layer sees.
    options : CompileOptions
    counts : list of tuple of int, or None
        Active counts of each layer.
    stage, told : callable or None
        As ``progress`` and ``remark``.
    """
    stage, told = stage or _nobody, told or _nobody
    if options.fixed:
        refuse_fixed(read.network)
    stage("choosing number formats")
    quantised = _quantised(read.network, data, options, counts)
    stage("sizing the engine")
    integer = quantised.network
    engine, sizing = _fitted(read.source, integer, data, options)
    stage("measuring the error")
    error = measure(read.network, integer, engine, data)
    automatic = options.weight_bits is None
    numbers = remarks(read.network, integer, engine, data, quantised.layers, error, automatic=automatic)
    for text in numbers:
        told(text)
    report = {
        "quantisation": quantised.summary(),
        "sizing": sizing.summary(),
        "error": error.summary(),
        "remarks": [*read.remarks, *numbers],
    }
    return Design(engine, integer, read.network, options.target, read.plan, report)


def _nobody(text: str) -> None:
    """Where stages and remarks go that nobody asked for."""


def _refused_early(source: str, network: FloatNetwork, options: CompileOptions) -> Counts | None:
    """The active counts of each layer; refuses what no calibration data can make fit."""
    counts = None if options.active_text is None else parse_counts(options.active_text, network, skims=options.skim)
    with _no_engine(source):
        refuse_options(network, options, counts)
    return counts


def _quantised(network: FloatNetwork, data: Calibration, options: CompileOptions, counts: Counts | None) -> Quantised:
    board, limits = options.board, limits_for(options.board, options.engine_planes)
    arranged, permutations = (network, None) if counts is None else order_on(network, data)
    quantised = quantise(
        arranged,
        data,
        precision=AUTO if options.weight_bits is None else [options.weight_bits],
        activation_bits=options.activation_bits,
        limits=limits,
        allowed=PRECISIONS if board is None else board.precisions,
    )
    if counts is None or permutations is None:
        return quantised
    if options.skim:
        return replace(quantised, network=with_skim(quantised.network, counts, permutations))
    means = mean_h(arranged, data)
    reduced = with_counts(quantised.network, limits.requant_width, counts, means, permutations)
    return replace(quantised, network=reduced)


def _fitted(
    source: str, network: QuantNetwork, data: Calibration, options: CompileOptions
) -> tuple[EngineConfig, SizingReport]:
    """The engine of a network, on which it is proven to fit."""
    board, lanes, planes, delta = options.board, options.lanes, options.engine_planes, options.delta
    with _no_engine(source):
        if options.mac == AUTO and board is not None:
            engine, sizing = choose_engine(network, board, data, lanes=lanes, planes=planes, delta=delta)
        else:
            # Without a board nothing tells the kinds apart.
            kind = "dsp" if options.mac == AUTO else options.mac
            engine, sizing = size_engine(network, board, lanes=lanes, mac=kind, planes=planes, delta=delta)
        engine, sizing = for_sequences(network, engine, sizing, board, options.sequences)
        engine, sizing = for_drain(network, engine, sizing, board, data)
        if options.fixed:
            engine, sizing = for_fixed(network, engine, sizing, board)
        # Building the memory image once proves that every field holds what this network needs.
        build_memory_image(network, engine, default_policies(network, engine))
    return engine, sizing


@contextmanager
def _no_engine(source: str) -> Iterator[None]:
    """Turn what an engine cannot be into a user error."""
    try:
        yield
    except ValueError as error:
        raise UserError(source, f"does not fit any engine ({error})", "use a smaller network") from error
