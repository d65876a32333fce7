"""One engine for several programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstmith.boards.board import Board
from lstmith.compiler.options import AUTO, CompileOptions
from lstmith.compiler.program_image import ProgramContents, lay_out
from lstmith.compiler.programs import Program
from lstmith.compiler.sizing.estimate import estimate, excess
from lstmith.compiler.sizing.report import SizingReport
from lstmith.compiler.sizing.size import size_engine
from lstmith.spec.codes import Verdict
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantLayer, QuantNetwork

#: Kinds of multipliers, the one to prefer first.
KINDS = ("dsp", "digit")


def size_programs(programs: Sequence[Program], options: CompileOptions) -> tuple[EngineConfig, SizingReport]:
    """The engine for programs: it has the lanes that one network of all their layers would have.

    Its memories hold the weights and row parameters of all programs, and states of the largest. Several programs leave
    no room for the monitor and skip rules.

    Raises
    ------
    UserError
        If the programs do not fit the target with any kind of multiplier.
    """
    kinds = KINDS if options.mac == AUTO and options.board is not None else (options.mac.replace(AUTO, KINDS[0]),)
    found, refusal = [], None
    for mac in kinds:
        try:
            found.append(_sized(programs, options, mac))
        except UserError as error:
            # What keeps the first kind from fitting is what the user hears of.
            refusal = refusal or error
    if not found:
        assert refusal is not None
        raise refusal
    engine, report = min(found, key=lambda sized: sized[1].weight_words)
    try:
        # Laying all programs out proves that every field holds what they need.
        lay_out([_contents(program, engine) for program in programs], engine)
    except ValueError as error:
        names = ", ".join(program.name for program in programs)
        raise UserError(f"chains {names}", f"do not fit any engine ({error})", "use smaller networks") from error
    return engine, report


def _contents(program: Program, engine: EngineConfig) -> ProgramContents:
    return ProgramContents(program.network, default_policies(program.network, engine), program.place)


def _sized(programs: Sequence[Program], options: CompileOptions, mac: str) -> tuple[EngineConfig, SizingReport]:
    joined, board, lanes = _joined(programs), options.board, options.lanes
    while True:
        engine, report = size_engine(
            joined, board, lanes=lanes, mac=mac, planes=options.engine_planes, delta=options.delta
        )
        engine = _of_programs(engine, programs)
        if board is None:
            return engine, report
        if not excess(engine, board):
            cost = estimate(engine, board)
            return engine, replace(report, luts=cost.luts, dsps=cost.dsps, brams=cost.brams)
        if options.lanes is not None or engine.lanes == 1:
            raise _overflow(programs, engine, board)
        lanes = engine.lanes - 1


def _overflow(programs: Sequence[Program], engine: EngineConfig, board: Board) -> UserError:
    return UserError(
        "target",
        f"{board.name} has no room for {len(programs)} programs on {engine.lanes} lanes,"
        f" {excess(engine, board)} block memories too few",
        "use fewer lanes or programs, a lower precision or a larger board",
    )


def _joined(programs: Sequence[Program]) -> QuantNetwork:
    """All layers as one network, the one with the widest input first, equal ones once."""
    layers: dict[tuple[int, bytes], QuantLayer] = {}
    for program in sorted(programs, key=lambda entry: -entry.network.layers[0].inputs):
        for layer in program.network.layers:
            layers.setdefault((layer.precision, layer.weights.tobytes()), layer)
    return QuantNetwork(tuple(layers.values()))


def _of_programs(engine: EngineConfig, programs: Sequence[Program]) -> EngineConfig:
    """The engine with memories as the programs need them."""
    several = len(programs) > 1
    return replace(
        engine,
        programs=len(programs),
        units=max(program.place + program.units for program in programs),
        inputs=max(program.network.inputs for program in programs),
        symbols=max(program.network.symbols for program in programs),
        layers=max(len(program.network.layers) for program in programs),
        skip=engine.skip and not several,
        monitor=engine.monitor and not several,
        verdicts=any(program.network.layers[-1].verdict is not Verdict.NONE for program in programs),
    )
