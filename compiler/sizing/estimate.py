"""Rough costs of an engine on a board; all constants of the estimate are here."""

from __future__ import annotations

from dataclasses import dataclass

from lstmith.boards.board import Board
from lstmith.compiler.sizing.memories import state_blocks, table_luts, weight_blocks
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.monitor_rule import DROP, spare_bits

#: 4-input lookup tables (on iCE40 logic cells, which also hold the flip-flops) of one lane with DSP blocks, by family
#: and the precisions it supports. Measured; on ECP5 with sums of 24 bits, of 40 bits where there are 16-bit weights.
LANE_LUTS: dict[str, dict[tuple[int, ...], int]] = {
    "ecp5": {
        (4,): 175,
        (8,): 150,
        (16,): 270,
        (4, 8): 175,
        (4, 16): 295,
        (8, 16): 270,
        (4, 8, 16): 295,
    },
    "ice40": {(8,): 330},
    # Estimated from the cells of a lane: tables, adders, and the flip-flops that have no table beside them.
    "gowin": {(4,): 540, (8,): 540, (16,): 720, (4, 8): 540, (4, 16): 720, (8, 16): 720, (4, 8, 16): 720},
}
#: The same of lanes with two planes, by the widths of digits; with sums of 40 bits where there are 8-bit digits.
PLANES_LANE_LUTS: dict[str, dict[tuple[int, ...], int]] = {
    "ecp5": {(4,): 155, (8,): 250, (4, 8): 290},
    "ice40": {(4,): 330},
    "gowin": {(4,): 540, (8,): 720, (4, 8): 720},
}
#: What an engine without delta does without: references, thresholds, kept sums. Measured (`lstmith bench perf --part
#: options`) but on Gowin.
DELTA_LUTS = {"ecp5": 448, "ice40": 450, "gowin": 450}
#: Logic cells of an iCE40 lane whose multiplier takes both rows of a word.
DUAL_LANE_LUTS = 280
#: Width of a 4-bit digit times the largest operand that meets one.
PACKED_PRODUCT_BITS = 15
#: Families for which there are lanes without DSP blocks.
DIGIT_FAMILIES = ("ecp5",)
#: The same of everything else: encoders, lists, pre memory, cell unit, controller, self-test. On ECP5 without memories,
#: which are counted, and without the host link; on the small families with both.
FIXED_LUTS = {"ecp5": 3175, "ice40": 4050, "gowin": 4700}
#: What a bitstream has beside a core, where the line above does not hold it.
LINK_LUTS = {"ecp5": 3000, "ice40": 0, "gowin": 0}
#: What few lanes save by multipliers and block memories, what one row per cycle saves beside two, and what each bit of
#: sums takes beyond the least width.
FEW_LANES_LUTS, ONE_ROW_LUTS, SUM_BIT_LUTS, LEAST_SUM = 640, 280, 11.5, 24
#: What multipliers save in the activations of the small families, and what an engine without a bus does without
#: (measured on ECP5, where most memories are counted apart, and on iCE40 with the link; Gowin is taken as iCE40).
SPARED_LUTS, BUS_LUTS = 340, {"ecp5": 1060, "ice40": 600, "gowin": 600}
#: Most flip-flops of the same, with all options and the link, and of what a lane without DSP blocks has beside its
#: numbers.
MOST_FIXED_FFS, DIGIT_CONTROL_FFS = 8000, 24
#: Usual flip-flops of the same on ECP5, and of a lane with DSP blocks: for how long a build takes, not for what fits.
USUAL_FIXED_FFS, LANE_FFS = 4500, 297
#: What options add to that, measured on ECP5 (`lstmith bench perf --part options`) without memories.
OPTION_LUTS = {
    "planes": 736,
    "monitor": 406,
    "skip": 184,
    "active_counts": 202,
    "programs": 240,
    "verdicts": 250,
    "layers": 450,
    "sequences": 36,
    "peepholes": 700,
    "kinds": 222,
}
#: The same on the small families, where the others are within what was measured.
SMALL_OPTION_LUTS = {"active_counts": 200, "programs": 200, "verdicts": 180}
#: Median errors of lookup tables, DSP blocks and block memories on engines that nothing was fitted to, in percent, by
#: family (`python -m lstmith.scripts.bench.estimates`); of the small families too few were built to say.
MEDIAN_ERRORS = {"ecp5": (2, 0, 0)}
#: Block memories of the host link, which a bitstream has beside the core.
LINK_BRAMS = {"ecp5": 4, "ice40": 0, "gowin": 3}
#: DSP blocks that options add, up to so wide a sum of the monitor: an input of a block, and a bit that becomes logic.
OPTION_DSPS, DSP_BITS = {"monitor": 1, "skip": 1}, 18 + 1
#: Part of a device that still routes well; on Gowin 67 % was placed, 85 % was not.
USABLE_LUTS = {"ecp5": 0.85, "ice40": 0.99, "gowin": 0.7}
#: DSP blocks of the cell unit by rows per cycle, and what peepholes add.
CELL_DSPS = {1: 4, 2: 5, 4: 7}
PEEPHOLE_DSPS = {1: 2, 2: 3, 4: 5}
#: Lookup tables of two more ways of the gate pipeline, measured on ECP5, as what they add to a lane's drain.
MORE_WAYS_LUTS = 1270


@dataclass(frozen=True)
class Cost:
    """Resources an engine is estimated to take.

    Parameters
    ----------
    luts, dsps : int
    weight_memories : int
        Block memories (single-port memories where the board has them) for weights.
    brams : int
        Block memories of the core.
    """

    luts: int
    dsps: int
    weight_memories: int
    brams: int


def told_error(family: str) -> str:
    """What to say beside an estimate: how far such estimates were off."""
    if family not in MEDIAN_ERRORS:
        return "not measured for this family"
    return "median error {} %, {} %, {} %".format(*MEDIAN_ERRORS[family])


def weight_granule(board: Board) -> int:
    """16-bit words of one weight memory."""
    return (board.spram_bits if board.sprams else board.bram_bits) // 16


def weight_memories(board: Board) -> int:
    """Weight memories that the board has."""
    return board.sprams or board.brams


def estimate(config: EngineConfig, board: Board) -> Cost:
    """Estimated cost of an engine."""
    weights = weight_blocks(config.lanes, config.weight_depth, board)
    return Cost(
        luts=fixed_luts(config, board.family) + config.lanes * lane_luts(config, board.family) + _drain_luts(config),
        dsps=(config.lanes * lane_dsps(config)) + cell_dsps(config) + function_dsps(config),
        weight_memories=weights,
        brams=state_blocks(config, board) + (0 if board.sprams else weights),
    )


def fixed_luts(config: EngineConfig, family: str) -> int:
    """Lookup tables of all but the lanes."""
    options = OPTION_LUTS if family == "ecp5" else SMALL_OPTION_LUTS
    luts = FIXED_LUTS[family] - (0 if config.delta else DELTA_LUTS[family]) + _options(config, options)
    luts -= BUS_LUTS[family] * config.fixed
    if family != "ecp5":
        return luts - SPARED_LUTS * config.spare_multipliers
    sums = round(SUM_BIT_LUTS * max(0, config.acc_width - LEAST_SUM))
    saved = FEW_LANES_LUTS * config.few_lanes + ONE_ROW_LUTS * (config.rows_per_cycle == 1)
    return luts + sums + table_luts(config) - saved


def fits(config: EngineConfig, board: Board) -> bool:
    """Whether a board has room for an engine, as far as the estimate goes."""
    cost = estimate(config, board)
    luts = cost.luts + LINK_LUTS[board.family]
    logic = luts <= board.luts * USABLE_LUTS[board.family] and cost.dsps <= board.dsps
    return logic and not excess(config, board)


def excess(config: EngineConfig, board: Board) -> int:
    """Memory blocks beyond the board's, of a core with its link."""
    cost = estimate(config, board)
    beyond = cost.brams + LINK_BRAMS[board.family] - board.brams
    if board.sprams:
        return max(0, cost.weight_memories - board.sprams, beyond)
    return max(0, beyond)


def _drain_luts(config: EngineConfig) -> int:
    """What four rows per cycle take beside two: two more places in every lane's drain, two more ways behind it."""
    if config.rows_per_cycle < 4:
        return 0
    return 5 * config.acc_width // 4 * config.lanes + MORE_WAYS_LUTS


def lane_luts(config: EngineConfig, family: str) -> int:
    """Lookup tables of one lane."""
    if config.mac == "digit":
        return digit_lane_luts(config)
    if config.planes == 2:
        return PLANES_LANE_LUTS[family][config.word_bits]
    return DUAL_LANE_LUTS if config.dual_rows else LANE_LUTS[family][config.precisions]


def lane_dsps(config: EngineConfig) -> int:
    """DSP blocks of one lane: one per 8-bit row of a word, or on iCE40 one for both."""
    if config.mac != "dsp":
        return 0
    return 1 if config.dual_rows else 2


def digit_lane_luts(config: EngineConfig) -> int:
    """What yosys makes of a lane without DSP blocks on ECP5; carry cells come in pairs."""
    operand, highest = config.operand_width, config.word_bits[-1]
    # Four sums and, per bit of a pair of them, a place in the drain chain.
    cells = 4 * _paired(config.acc_width) + 2 * config.acc_width + 4
    # Four bricks of three chains and the gate of their lowest bit; two chains join them to 8 bits, one to 16.
    cells += 4 * (3 * _paired(operand + 1) + 1)
    if highest > 4:
        cells += 2 * _paired(operand + 4)
    if highest > 8:
        cells += _paired(operand + 8) + (operand + 16 if 8 in config.word_bits else 0)
    if config.planes == 2 and config.word_bits == (4, 8):
        # Products of the top plane are chosen before they are added: of two halves, and of four parts.
        cells += 2 * (operand + 16) + 4 * PACKED_PRODUCT_BITS + 2
    return cells


def digit_lane_ffs(config: EngineConfig) -> int:
    """About the flip-flops of a lane without DSP blocks, which are more than its lookup tables."""
    operand = config.operand_width
    # Sums, captured sums and the drain chain; word, operand and bricks.
    bits = 10 * config.acc_width + 16 + max(16, operand) + 4 * (operand + 4) + DIGIT_CONTROL_FFS
    # Its negative for the signed weights of each width.
    bits += len(config.word_bits) * (operand + 1)
    if config.word_bits[-1] > 8:
        bits += 2 * (operand + 8) + (4 * PACKED_PRODUCT_BITS if 4 in config.word_bits else 0)
    return bits


def _paired(bits: int) -> int:
    return bits + bits % 2


def cell_dsps(config: EngineConfig) -> int:
    """DSP blocks of the cell unit and of what looks at it."""
    peepholes = PEEPHOLE_DSPS[config.rows_per_cycle] if config.peepholes else 0
    judged = config.c_width - 1 - DROP + bits_for(config.units) - spare_bits(config.lanes)
    wide = int(config.monitor and judged > DSP_BITS)
    return CELL_DSPS[config.rows_per_cycle] + peepholes + _options(config, OPTION_DSPS) + wide


def function_dsps(config: EngineConfig) -> int:
    """DSP blocks that few lanes leave to activations: of the gates of each way, of c, of an output gate behind c."""
    return config.rows_per_cycle + 1 + config.peepholes if config.spare_multipliers else 0


def _options(config: EngineConfig, costs: dict[str, int]) -> int:
    """Cost of the options that an engine is built with."""
    built = {
        "planes": config.planes > 1,
        "monitor": config.monitor,
        "skip": config.skip,
        "active_counts": config.active_counts > 1,
        "programs": config.programs > 1,
        "verdicts": config.verdicts,
        "layers": config.layers > 1,
        "sequences": config.sequences > 1,
        "peepholes": config.peepholes,
        "kinds": config.mixed,
    }
    return sum(cost for name, cost in costs.items() if built[name])
