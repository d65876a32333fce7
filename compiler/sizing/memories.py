"""The memories of an engine, and the block memories that synthesis makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lstmith.boards.board import Board
from lstmith.spec.config import (
    BIAS_BITS,
    MANTISSA_BITS,
    PEEP_BITS,
    SHIFT_BITS,
    WEIGHT_WORD_BITS,
    EngineConfig,
    bits_for,
)
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE
from lstmith.spec.quantised import PREDICTOR_BITS

BLOCK, TABLES = "block", "lookup tables"
#: Shapes of a block memory, width and depth.
SHAPES = {
    "ecp5": ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    "gowin": ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    "ice40": ((16, 256), (8, 512), (4, 1024), (2, 2048)),
}
#: What yosys' ``memory_libmap`` counts for a block, for a cell of lookup tables of four bits by sixteen words, and for
#: each bit that is chosen among parts of a depth; and for a bit in flip-flops, where there are no such cells.
BLOCK_COST = {"ecp5": 128, "gowin": 128, "ice40": 64}
TABLE_COST, CHOICE_COST, FLIP_FLOP_COST = 4, 0.5, 1.0
#: Words of an activation table and bits of each.
_TABLE = (26, 256)
#: Bits of an output word beside the cell state, h and its place in a step; and what a verdict adds.
_OUTPUT_BITS, _VERDICT_BITS = 18, 4
#: An entry with its operands, as it waits to be issued.
_ENTRY_BITS = 56
#: Delays that an iCE40 has in block memories; that of a row's place is one of them if the place has so many bits.
_DELAYS, _PLACE_BITS = (16, 16), 5


@dataclass(frozen=True)
class Memory:
    """Equal memories of an engine.

    Parameters
    ----------
    name : str
        What they hold.
    width, depth : int
        Bits and words of each.
    count : int
    style : str
        ``block`` or ``lookup tables`` where the hardware asks for them; empty where synthesis chooses.
    constant : int
        Bits of a word that synthesis leaves out, since they never change.
    """

    name: str
    width: int
    depth: int
    count: int = 1
    style: str = ""
    constant: int = 0

    def blocks(self, family: str) -> int:
        """Block memories that all of them take."""
        if self.style == TABLES:
            return 0
        stored = self.width - self.constant
        blocks, deep = min((-(-stored // wide) * -(-self.depth // deep), deep) for wide, deep in SHAPES[family])
        if self.style == BLOCK:
            return self.count * blocks
        chosen = BLOCK_COST[family] * blocks + self._choices(deep)
        if family == "ice40":
            other = FLIP_FLOP_COST * stored * self.depth
        else:
            other = TABLE_COST * self.table_cells + self._choices(16)
        return self.count * blocks if chosen <= other else 0

    @property
    def table_cells(self) -> int:
        """Cells of four bits by sixteen words that one of them would take."""
        return -(-(self.width - self.constant) // 4) * -(-self.depth // 16)

    def _choices(self, deep: int) -> float:
        """Cost of choosing among parts of a depth, when reading and when writing."""
        parts = -(-self.depth // deep)
        return CHOICE_COST * (self.width * (parts - 1) + (parts if parts > 1 else 0))


def state_blocks(config: EngineConfig, board: Board) -> int:
    """Block memories of an engine beside those of its weights."""
    return sum(memory.blocks(board.family) for memory in state_memories(config))


def weight_blocks(lanes: int, words: int, board: Board) -> int:
    """Memories that so many 16-bit words per lane take: single-port ones where the board has them."""
    if board.sprams:
        return lanes * -(-words * WEIGHT_WORD_BITS // board.spram_bits)
    return lanes * Memory("weights", WEIGHT_WORD_BITS, _deep(words), style=BLOCK).blocks(board.family)


def state_memories(config: EngineConfig) -> Iterator[Memory]:
    """What `rtl` builds beside the banks of weights, but for the few bits of a delay or a queue in lookup tables."""
    asked = BLOCK if config.few_lanes else ""
    yield from _lists(config, asked)
    yield from _rows(config, asked)
    place = _deep(config.units if config.sequences == 1 else config.sequences << config.unit_bits)
    yield Memory("cell states", config.c_width, place, 1 + config.peepholes, asked)
    yield Memory("h", 16, place, 1, asked)
    if config.peepholes:
        depth = config.units if config.programs == 1 else config.programs << config.unit_bits
        yield Memory("peepholes", PEEP_BITS, _deep(depth), 3, asked)
    yield Memory("activation tables", *_TABLE, config.rows_per_cycle + 1 + config.peepholes)
    if config.skip:
        columns = 2 << max(bits_for(config.inputs), config.unit_bits)
        yield Memory("predictor", PREDICTOR_BITS, columns, 1, BLOCK)
    if config.descriptors > 1:
        places = config.layer_bits + config.active_bits + config.program_bits
        yield Memory("layer descriptors", 32, DESCRIPTOR_STRIDE << places)
    width = _OUTPUT_BITS + config.c_width + config.layer_bits + config.sequence_bits
    yield Memory("output queue", width + (_VERDICT_BITS if config.verdicts else 0), config.out_depth - 1, constant=1)
    if config.rows_per_cycle == 1:
        yield Memory("drain queue", 2 * config.acc_width, 2 << bits_for(2 * config.lanes), 1, asked)
    if config.family == "ice40":
        yield Memory("delays", *_DELAYS, 2 + (config.unit_bits >= _PLACE_BITS), BLOCK)


def table_luts(config: EngineConfig) -> int:
    """Lookup tables in memories that are made of them: four for a cell of four bits by sixteen words."""
    small = [
        Memory("delays", *_DELAYS),
        Memory("delays of places", 18 + config.unit_bits, 16),
        *([Memory("queue of entries", _ENTRY_BITS, 16)] if config.planes > 1 else []),
        *([Memory("decisions", 1, 4 << bits_for(config.folds(config.units)))] if config.monitor else []),
    ]
    chosen = [memory for memory in state_memories(config) if not memory.blocks(config.family)]
    return 4 * sum(memory.count * memory.table_cells for memory in (*small, *chosen))


def _lists(config: EngineConfig, asked: str) -> Iterator[Memory]:
    planes, kinds = config.planes, 2 if config.layers > 1 else 1
    if config.delta:
        width = planes * min(16, config.operand_width)
        inputs = config.inputs if config.sequences == 1 else config.sequences << bits_for(config.inputs)
        yield Memory("references of x", width, 2 << bits_for(inputs) if config.skip else _deep(inputs), 1, asked)
        yield Memory("references of h", width, kinds << config.state_bits, 1, asked)
    entry = planes * config.operand_width + (planes if planes > 1 else 0)
    width = bits_for(config.x_columns) + entry
    yield Memory("lists of x", width, 2 << bits_for(config.x_entries), planes, asked)
    depth = _deep(2 * config.sequences) << config.unit_bits
    yield Memory("lists of h", config.unit_bits + entry, depth, planes * kinds, asked)


def _rows(config: EngineConfig, asked: str) -> Iterator[Memory]:
    ways = config.rows_per_cycle
    depth = 4 // ways << config.unit_bits
    sets = 1 << config.active_bits + config.program_bits
    if config.delta:
        yield Memory("row sums", config.acc_width, depth << config.sequence_bits, ways, asked)
    yield Memory("scales", BIAS_BITS + MANTISSA_BITS, sets * depth, ways, BLOCK)
    yield Memory("shifts", SHIFT_BITS, sets * depth, ways, asked)


def _deep(words: int) -> int:
    """Depths are powers of two, so that every address is one."""
    return 1 << bits_for(words)
