"""Choosing an engine for a network on a board, and saying what limits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lstmith.boards.board import Board
from lstmith.boards.catalogue import BOARDS
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.fit import accumulator_bits
from lstmith.compiler.sizing.estimate import (
    DIGIT_FAMILIES,
    LINK_BRAMS,
    LINK_LUTS,
    MOST_FIXED_FFS,
    USABLE_LUTS,
    cell_dsps,
    digit_lane_ffs,
    estimate,
    excess,
    lane_dsps,
    lane_luts,
    weight_granule,
    weight_memories,
)
from lstmith.compiler.sizing.memories import state_blocks, weight_blocks
from lstmith.compiler.sizing.report import SizingReport
from lstmith.spec.codes import Kind, Verdict
from lstmith.spec.config import PACKED_OPERAND, PRECISIONS, Z_BITS, EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import QuantNetwork

#: Lanes of an engine without a board, unless the network has fewer units.
GENERIC_LANES = 64
#: Floors, so that an engine can also run other networks than the one it was sized for.
ACC_FLOOR, OPERAND_FLOOR = 24, 13
#: Without DSP blocks each operand bit costs a lane 14 lookup tables; room for every operand of a 4-bit digit.
DIGIT_OPERAND_FLOOR = PACKED_OPERAND.bit_length() + 1
#: The small family has no room for that.
ICE40_ACC_FLOOR, ICE40_OPERAND_FLOOR = 16, 9
UNITS = "the number of units"


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What an engine is built with, beside its size: see :class:`~lstmith.spec.config.EngineConfig`."""

    mac: str
    precisions: tuple[int, ...]
    planes: int
    delta: bool


def most_planes(board: Board | None, *, delta: bool) -> int:
    """Digit planes that an engine may have: small boards have no room for two lists, and dense steps need only one."""
    return 1 if not delta or (board is not None and board.small) else 2


def limits_for(board: Board | None, planes: int = 1) -> EngineLimits:
    """The numbers that an engine of so many digit planes for the board can hold."""
    if board is not None and board.family == "ice40":
        # 16 x 16 multipliers everywhere; wider sums would cost the small device too many adders.
        # Differences of 8-bit values: two rows in one multiplier.
        return EngineLimits(acc_width=32, operand_width=9, c_width=16, requant_width=16)
    return EngineLimits(planes=planes)


def _runs_kinds(network: QuantNetwork, board: Board | None) -> bool:
    """Whether the board's multipliers take the pre-activations of the network's layers."""
    lstm = all(layer.kind is Kind.LSTM for layer in network.layers)
    return lstm or limits_for(board).c_width >= Z_BITS


def weight_words(network: QuantNetwork, lanes: int, precision: int | None = None) -> int:
    """16-bit words per lane of the network's weights, as they are or at another precision; planes change nothing."""
    total = 0
    for layer in network.layers:
        bits = layer.precision if precision is None else precision
        # A single row takes a word of each digit, whatever its width.
        words = bits // 4 if layer.kind.rows > 1 else layer.planes if bits > 4 else 1
        total += -(-layer.units // lanes) * layer.weights.shape[1] * words
    return total


def held_bits(network: QuantNetwork) -> int:
    """Bits of the network's weights; what :func:`weight_words` takes beyond them is wasted."""
    return sum(layer.weights.size * layer.precision for layer in network.layers)


def size_engine(
    network: QuantNetwork,
    board: Board | None,
    *,
    lanes: int | None = None,
    mac: str = "dsp",
    precisions: Sequence[int] | None = None,
    planes: int | None = None,
    delta: bool = True,
) -> tuple[EngineConfig, SizingReport]:
    """The engine for a network.

    Parameters
    ----------
    network : QuantNetwork
    board : Board or None
        None for the target without limits.
    lanes : int or None
        None takes the count with the fewest cycles that fits.
    mac : str
        ``dsp`` or ``digit``.
    precisions : sequence of int or None
        Weight widths of the lanes; None means 4 and 8, and 16 if a layer needs it, or what the board has.
    planes : int or None
        Digit planes; None takes those of the network's weights, and for 4-bit weights, whose only digit serves either
        engine, as many as the board has room for.
    delta : bool
        Whether the engine takes changes, and with that the options that build on them.

    Raises
    ------
    UserError
        If the network does not fit: by how much, and which board or precision does.
    """
    if not _runs_kinds(network, board):
        assert board is not None
        other = next(layer.kind.name for layer in network.layers if layer.kind is not Kind.LSTM)
        problem = f"{board.name} has 16-bit multipliers, too narrow for layers of kind {other}"
        raise UserError("target", problem, "use a board with ECP5, or LSTM layers only")
    # Without delta a board's engine is as small as its network allows.
    options = _Options(
        mac=mac,
        precisions=_precisions(network, board, () if precisions is None and not delta else precisions),
        planes=_planes(network, board, delta) if planes is None else planes,
        delta=delta,
    )
    if lanes is not None and lanes < 1:
        raise UserError("lanes", f"is {lanes}", "use a positive number")
    if mac == "digit" and board is not None and board.family not in DIGIT_FAMILIES:
        raise UserError("mac", f"'digit' is not made for {board.name}", "use dsp, or an ECP5 board")
    units = max(layer.units for layer in network.layers)
    if board is None and lanes is not None and lanes > units:
        raise UserError("lanes", f"is {lanes}, but the largest layer has {units} units", f"use at most {units}")
    most, limited_by = _most_lanes(network, board, options)
    if board is not None and lanes is not None and lanes > most:
        raise UserError(
            "lanes",
            f"is {lanes}, above the {most} that {board.name} has room for ({limited_by})",
            f"use at most {most}",
        )
    chosen = lanes if lanes is not None else _fewest_cycles(network, most)
    config = _config(network, board, chosen, options)
    if board is not None and lanes is not None:
        _refuse_overflow(network, config, board)
    return config, _report(network, config, board, limited_by if lanes is None else "the --lanes option")


def for_sequences(
    network: QuantNetwork, config: EngineConfig, report: SizingReport, board: Board | None, sequences: int
) -> tuple[EngineConfig, SizingReport]:
    """The same engine for so many sequences in turn; two leave no room for the monitor and skip rules.

    Raises
    ------
    UserError
        If there is no such engine, or its states do not fit the board.
    """
    if sequences == 1:
        return config, report
    if sequences != 2:
        raise UserError("option --sequences", f"is {sequences}", "use 1 or 2")
    if config.active_counts > 1:
        raise UserError("option --sequences", "is 2 with several active counts", "leave out --active, or use 1")
    config = in_turn(config)
    if board is not None:
        _refuse_overflow(network, config, board)
    return config, _report(network, config, board, report.limited_by, report.candidates)


def in_turn(config: EngineConfig) -> EngineConfig:
    """An engine with one active count for two sequences."""
    return replace(config, sequences=2, monitor=False, skip=False)


def lane_counts(
    network: QuantNetwork, board: Board, mac: str, *, planes: int | None = None, delta: bool = True
) -> list[int]:
    """Lane counts that fit a board, those with the fewest weight words first; of equal ones only the smallest.

    Raises
    ------
    UserError
        As :func:`size_engine`.
    """
    return [config.lanes for config in fitting_engines(network, board, mac, planes=planes, delta=delta)]


def fitting_engines(
    network: QuantNetwork, board: Board, mac: str, *, planes: int | None = None, delta: bool = True
) -> list[EngineConfig]:
    """The engines of :func:`lane_counts`, in the same order."""
    config, _ = size_engine(network, board, mac=mac, planes=planes, delta=delta)
    options = _options_of(config)
    smallest: dict[int, int] = {}
    for lanes in range(1, config.lanes + 1):
        smallest.setdefault(weight_words(network, lanes), lanes)
    engines = [_config(network, board, smallest[words], options) for words in sorted(smallest)]
    return [engine for engine in engines if not excess(engine, board)]


def _options_of(config: EngineConfig) -> _Options:
    return _Options(mac=config.mac, precisions=config.precisions, planes=config.planes, delta=config.delta)


def _planes(network: QuantNetwork, board: Board | None, delta: bool) -> int:
    split = [layer.planes for layer in network.layers if layer.precision > 4]
    return min([most_planes(board, delta=delta), *split])


def _precisions(network: QuantNetwork, board: Board | None, wanted: Sequence[int] | None) -> tuple[int, ...]:
    needed = {layer.precision for layer in network.layers}
    offered = set(board.precisions) if board is not None else {4, 8, 16}
    if missing := sorted((needed | set(wanted or ())) - offered):
        able = [other.name for other in BOARDS if set(missing) <= set(other.precisions)]
        assert board is not None
        raise UserError(
            "precision",
            f"{missing[0]} bit is not supported on {board.name}",
            f"use {' or '.join(str(bits) for bits in sorted(offered))} bit, or a board such as {able[0]}",
        )
    chosen = set(wanted) if wanted is not None else ({4, 8} | needed) & offered
    return tuple(sorted(chosen | needed))


def _most_lanes(network: QuantNetwork, board: Board | None, options: _Options) -> tuple[int, str]:
    """Largest lane count, and what bounds it."""
    if board is None:
        units = max(layer.units for layer in network.layers)
        return min(GENERIC_LANES, units), "the default" if units > GENERIC_LANES else UNITS
    bounds = _logic_bounds(network, board, options)
    room = min(bounds.values())
    if room < 1:
        scarce = min(bounds, key=lambda name: bounds[name])
        raise UserError("target", f"{board.name} has too few {scarce} for one lane", "use a larger board")
    bounds["weight memory"] = _memory_lanes(network, board, options, room)
    limited_by = min(bounds, key=lambda name: bounds[name])
    if not bounds[limited_by]:
        _refuse_overflow(network, _config(network, board, room, options), board)
    return bounds[limited_by], limited_by


def _logic_bounds(network: QuantNetwork, board: Board, options: _Options) -> dict[str, int]:
    """Largest lane count by each resource except memory."""
    one = _config(network, board, 1, options)
    per_lane = lane_luts(one, board.family)
    usable = int(board.luts * USABLE_LUTS[board.family])
    bounds = {
        "lookup tables": (usable - LINK_LUTS[board.family] - estimate(one, board).luts + per_lane) // per_lane,
        UNITS: max(layer.units for layer in network.layers),
    }
    if options.mac == "dsp":
        bounds["DSP blocks"] = (board.dsps - cell_dsps(one)) // lane_dsps(one)
    else:
        # A logic cell has a flip-flop for each lookup table.
        bounds["flip-flops"] = (usable - MOST_FIXED_FFS) // digit_lane_ffs(one)
    return bounds


def _memory_lanes(network: QuantNetwork, board: Board, options: _Options, most: int) -> int:
    """Largest lane count up to ``most`` whose weights fit; not every smaller one does."""
    fitting = (n for n in range(most, 0, -1) if not excess(_config(network, board, n, options), board))
    return next(fitting, 0)


def _fewest_cycles(network: QuantNetwork, most: int) -> int:
    """The smallest of the lane counts with the fewest cycles: 64 rather than 72 for 128 units."""

    def cycles(lanes: int) -> int:
        return weight_words(network, lanes)

    return min(range(1, most + 1), key=lambda lanes: (cycles(lanes), lanes))


def _config(network: QuantNetwork, board: Board | None, lanes: int, options: _Options) -> EngineConfig:
    layers = network.layers
    limits = limits_for(board)
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in layers)
    words = weight_words(network, lanes)
    small = board is not None and board.small
    adaptive = options.delta and not small
    narrow = options.mac == "digit" or (options.planes == 2 and options.precisions[-1] <= 8)
    floor = ICE40_OPERAND_FLOOR if small else DIGIT_OPERAND_FLOOR if narrow else OPERAND_FLOOR
    if board is not None:
        granule = weight_granule(board)
        words = -(-words // granule) * granule
    return EngineConfig(
        lanes=lanes,
        precisions=options.precisions,
        mac=options.mac,
        family="generic" if board is None else board.family,
        peepholes=any(layer.peep is not None for layer in layers),
        acc_width=max(ICE40_ACC_FLOOR if small else ACC_FLOOR, *(accumulator_bits(layer) for layer in layers)),
        operand_width=max(floor, span.bit_length() + 1),
        c_width=limits.c_width,
        kinds=tuple(sorted({layer.kind for layer in layers})),
        requant_width=limits.requant_width,
        rows_per_cycle=1 if small else 2,
        weight_depth=words,
        units=sum(layer.units for layer in layers),
        inputs=network.inputs,
        symbols=network.symbols,
        layers=len(layers),
        active_counts=network.active_counts,
        planes=options.planes,
        monitor=options.planes == 2 and any(layer.planes == 2 for layer in layers),
        skip=adaptive,
        delta=options.delta,
        verdicts=any(layer.verdict is not Verdict.NONE for layer in layers),
    )


def _refuse_overflow(network: QuantNetwork, config: EngineConfig, board: Board) -> None:
    """Say by how much a network is too large, and what fits; returns if it is not."""
    if not excess(config, board):
        return
    have = weight_memories(board) * weight_granule(board) * 16
    if not board.sprams:
        have -= (state_blocks(config, board) + LINK_BRAMS[board.family]) * board.bram_bits
    need = weight_words(network, config.lanes) * config.lanes * 16
    highest = max(layer.precision for layer in network.layers)
    others = sorted(BOARDS, key=lambda other: other.luts)
    larger = next((other.name for other in others if _fits(network, other, config)), None)
    lower = [bits for bits in board.precisions if bits < highest and _lower_fits(network, board, config, bits)]
    fixes = ([f"--precision {max(lower)}"] if lower else []) + ([f"--target {larger}"] if larger else [])
    need, have = max(need, have + 16), max(have, 0)
    problem = f"{have} bits for weights and the network needs {need}, {need - have} too many"
    if board.sprams and estimate(config, board).weight_memories <= board.sprams:
        # The weights fit, and what lies in the other memories does not.
        blocks = state_blocks(config, board) + LINK_BRAMS[board.family]
        problem = f"{board.brams} block memories, and lists and states of {network.inputs} inputs need {blocks}"
    raise UserError(
        "target",
        f"{board.name} has {problem}",
        f"use {' or '.join(fixes)}" if fixes else "use a smaller network; no supported board holds this one",
    )


def _fits(network: QuantNetwork, board: Board, config: EngineConfig) -> bool:
    precisions = tuple(sorted({layer.precision for layer in network.layers}))
    if not set(precisions) <= set(board.precisions) or not _runs_kinds(network, board):
        return False
    planes = min(config.planes, most_planes(board, delta=config.delta))
    options = replace(_options_of(config), precisions=precisions, planes=planes)
    room = min(_logic_bounds(network, board, options).values())
    return room > 0 and bool(_memory_lanes(network, board, options, room))


def _lower_fits(network: QuantNetwork, board: Board, config: EngineConfig, precision: int) -> bool:
    """Whether the weights would fit at a lower precision, with as many lanes or fewer."""
    counts = range(1, config.lanes + 1)
    return any(_weights_fit(network, board, replace(config, lanes=lanes), precision) for lanes in counts)


def _weights_fit(network: QuantNetwork, board: Board, config: EngineConfig, precision: int) -> bool:
    blocks = weight_blocks(config.lanes, weight_words(network, config.lanes, precision), board)
    spare = 0 if board.sprams else state_blocks(config, board) + LINK_BRAMS[board.family]
    return precision in board.precisions and blocks + spare <= weight_memories(board)


def _report(
    network: QuantNetwork,
    config: EngineConfig,
    board: Board | None,
    limited_by: str,
    candidates: Sequence[dict[str, Any]] = (),
) -> SizingReport:
    words = weight_words(network, config.lanes)
    if board is None:
        unknown: dict[str, bool | None] = dict.fromkeys(map(str, PRECISIONS))
        return SizingReport("generic", config.lanes, limited_by, words, words * config.lanes * 16, 0, unknown)
    cost = estimate(config, board)
    return SizingReport(
        target=board.name,
        lanes=config.lanes,
        limited_by=limited_by,
        weight_words=words,
        weight_bits=words * config.lanes * 16,
        memory_bits=weight_memories(board) * weight_granule(board) * 16,
        precisions={str(bits): _weights_fit(network, board, config, bits) for bits in PRECISIONS},
        luts=cost.luts,
        dsps=cost.dsps,
        brams=cost.brams,
        candidates=list(candidates),
    )
