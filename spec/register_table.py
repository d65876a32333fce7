"""The register map: one table, from which hardware, driver, documents and CORE.json are made.

An entry tells a register's fields, who may access it, what it holds after a reset, and what may be done to it while the
engine runs. To add a register, add its number to ``spec.registers`` and its entry here.
"""

from __future__ import annotations

from collections.abc import Callable

from lstmith.spec.config import (
    EngineConfig,
)
from lstmith.spec.link_map import LinkRegister
from lstmith.spec.register_map import Access, Entry, Field, Running
from lstmith.spec.registers import IDENTITY, MAP_VERSION, FrontRegister, Register


def _whole(meaning: str) -> tuple[Field, ...]:
    return (Field("value", 0, 32, meaning),)


def _fixed(register: Register, meaning: str, fields: tuple[Field, ...], reset: Callable[[EngineConfig], int]) -> Entry:
    return Entry(register, Access.READ, Running.ALL, meaning, fields, reset)


def _setting(
    register: Register, meaning: str, *fields: Field, image: bool = True, exists: Callable[..., bool] | None = None
) -> Entry:
    return Entry(register, Access.WRITE, Running.NONE, meaning, fields, image=image, exists=exists)


def _counter(register: Register, meaning: str, exists: Callable[[EngineConfig], bool] | None = None) -> Entry:
    return Entry(register, Access.READ, Running.ALL, f"{meaning}, modulo 2^32", _whole("count"), exists=exists)


def _front(register: FrontRegister, access: Access, running: Running, meaning: str, *fields: Field) -> Entry:
    return Entry(register, access, running, meaning, fields)


def _word_bits(bits: int) -> Callable[[EngineConfig], bool]:
    return lambda config: bits in config.word_bits


_CAPABILITIES: tuple[tuple[Field, Callable[[EngineConfig], int]], ...] = (
    (Field("w4", 0, 1, "4-bit weights"), lambda config: 4 in config.precisions),
    (Field("w8", 1, 1, "8-bit weights"), lambda config: 8 in config.precisions),
    (Field("w16", 2, 1, "16-bit weights"), lambda config: 16 in config.precisions),
    (Field("planes", 3, 1, "two digit planes, else one"), lambda config: config.planes - 1),
    (Field("monitor", 4, 1, "cell-state monitor"), lambda config: config.monitor),
    (Field("skip", 5, 1, "skip rules"), lambda config: config.skip),
    (Field("delta", 6, 1, "references and kept sums"), lambda config: config.delta),
    (Field("peepholes", 7, 1, "peephole weights"), lambda config: config.peepholes),
    (Field("sequences", 8, 1, "two sequences in turn, else one"), lambda config: config.sequences - 1),
    (Field("digit", 9, 1, "lanes of carry chains, else of multipliers"), lambda config: config.mac == "digit"),
    (Field("verdicts", 10, 1, "verdicts of a last layer"), lambda config: config.verdicts),
    (Field("rows_per_cycle", 12, 3, "gate rows per cycle"), lambda config: config.rows_per_cycle),
    (Field("active_counts", 16, 4, "active counts"), lambda config: config.active_counts),
    (Field("c_width", 20, 5, "width of the cell state"), lambda config: config.c_width),
)
_SIZES: dict[Register, tuple[str, tuple[tuple[Field, Callable[[EngineConfig], int]], ...]]] = {
    Register.SIZES: (
        "What the memories have room for",
        (
            (Field("inputs", 0, 16, "inputs of the first layer, minus 1"), lambda config: config.inputs - 1),
            (Field("units", 16, 16, "units of all layers, minus 1"), lambda config: config.units - 1),
        ),
    ),
    Register.LANES: (
        "Lanes, and how long a chain of layers may be",
        (
            (Field("lanes", 0, 12, "lanes, minus 1"), lambda config: config.lanes - 1),
            (Field("layers", 16, 8, "layers, minus 1"), lambda config: config.layers - 1),
        ),
    ),
    Register.DEPTH: (
        "Room for weights",
        ((Field("words", 0, 24, "16-bit weight words per lane, minus 1"), lambda config: config.weight_depth - 1),),
    ),
}


def _told(parts: tuple[tuple[Field, Callable[[EngineConfig], int]], ...]) -> Callable[[EngineConfig], int]:
    return lambda config: sum(int(value(config)) << field.bit for field, value in parts)


_IRQ = (
    Field("result", 0, 1, "a result waits at the output"),
    Field("done", 1, 1, "AXI: the last result of a sequence was taken; Wishbone: all is computed and taken"),
    Field("refused", 2, 1, "an access was answered by an error, or a sequence names a program that is not there"),
    Field("short", 3, 1, "AXI: TLAST came before a step's last element, which stands for those that are missing"),
)

#: Every register there is, in order of their addresses.
TABLE: tuple[Entry, ...] = (
    _fixed(Register.IDENTITY, "Tells that this is an engine", _whole("0x4C53544D, LSTM"), lambda config: IDENTITY),
    _fixed(
        Register.STATUS,
        "What the engine does",
        (Field("busy", 0, 1, "something is in flight: memories and settings are closed"),),
        lambda config: 0,
    ),
    _setting(
        Register.OUTPUT_ALL,
        "Which results leave",
        Field("every", 0, 1, "1 every layer's h, 0 the last one's"),
        image=False,
    ),
    _setting(
        Register.X_INPUTS, "Elements of a step", Field("inputs", 0, 16, "input width of the first layer, minus 1")
    ),
    _setting(
        Register.X_GRID,
        "How an x becomes an operand; acts on the elements that follow",
        Field("shift", 0, 4, "bits that the grid drops"),
        Field("exponent", 4, 3, "left shift of the operand"),
        Field("unsigned", 7, 1, "the grid has no negative values"),
        Field("mode", 8, 2, "0 dense, 1 skip, 2 delta, 3 auto"),
        Field("pair", 10, 1, "the weights have two planes"),
        Field("symbols", 11, 1, "a step's only x is a symbol, the number of its column; of engines with symbols"),
    ),
    _setting(
        Register.X_THETA, "Threshold of x in the top plane", Field("theta", 0, 16, "a change up to it is not listed")
    ),
    Entry(
        Register.LOAD,
        Access.WRITE,
        Running.NONE,
        "Begins or ends the loading of a layer's h: a word other than 0 begins, 0 ends",
        (
            Field("layer", 0, 8, "layer, plus 1"),
            Field("mask", 8, 8, "index of the active count"),
            Field("sequence", 16, 1, "sequence"),
            Field("program", 20, 4, "program"),
        ),
    ),
    _counter(Register.CYCLES, "Cycles while busy"),
    _counter(Register.WORDS_4, "Weight words issued of 4-bit digits", _word_bits(4)),
    _counter(Register.WORDS_8, "Weight words issued of 8-bit digits", _word_bits(8)),
    _counter(Register.WORDS_16, "Weight words issued of whole 16-bit weights", _word_bits(16)),
    _counter(Register.SKIPPED, "Skipped steps", lambda config: config.skips_unmarked),
    _counter(Register.RESTARTS, "Passes that recomputed their sums", lambda config: config.delta),
    _setting(
        Register.X_LOW_THETA,
        "Threshold of x in the low plane",
        Field("theta", 0, 16, "a change up to it is not listed"),
    ),
    _setting(
        Register.SKIP_CHANGE,
        "Skips a step whose input changed less",
        Field("change", 0, 24, "sum of changes; 0 is off"),
    ),
    _setting(
        Register.SKIP_RULE,
        "When steps are skipped",
        Field("limit", 0, 4, "most steps in a row"),
        Field("predictor", 4, 1, "the predictor may skip"),
    ),
    _setting(
        Register.SKIP_THRESHOLD,
        "What the predictor's sum is compared with",
        Field("threshold", 0, 24, "of the predictor's sum", signed=True),
    ),
    _setting(
        Register.X_MONITOR,
        "The first layer's monitor and its input",
        Field("judges", 0, 1, "the monitor decides on the input"),
        Field("warmup", 8, 8, "steps before it does"),
        exists=lambda config: config.monitor,
    ),
    _fixed(
        Register.VERSION,
        "Which map this is",
        (Field("map", 0, 16, "version of registers, regions and layer descriptors"),),
        lambda config: MAP_VERSION,
    ),
    _fixed(
        Register.CAPABILITIES,
        "What was built",
        tuple(field for field, _ in _CAPABILITIES),
        _told(_CAPABILITIES),
    ),
    *(
        _fixed(register, meaning, tuple(field for field, _ in parts), _told(parts))
        for register, (meaning, parts) in _SIZES.items()
    ),
    Entry(
        LinkRegister.MODE,
        Access.WRITE,
        Running.ALL,
        "What the link's result ring holds; HELLO sets results alone",
        (Field("full", 0, 1, "1 records of all that happens, 0 results alone"),),
    ),
    Entry(
        LinkRegister.TAG,
        Access.READ_WRITE,
        Running.ALL,
        "For whoever loads weights; HELLO and reset leave it",
        _whole("any number; begins as the bitstream's"),
    ),
    Entry(
        LinkRegister.FLASH,
        Access.READ,
        Running.ALL,
        "What became of the weights in the serial flash",
        (Field("copied", 0, 1, "this build copies them"), Field("valid", 1, 1, "their CRC was right")),
    ),
    _front(
        FrontRegister.IRQ_ENABLE,
        Access.READ_WRITE,
        Running.ALL,
        "Which bits of IRQ_STATUS raise the interrupt line",
        *_IRQ,
    ),
    _front(FrontRegister.IRQ_STATUS, Access.CLEAR, Running.ALL, "What happened since it was cleared", *_IRQ),
    _front(
        FrontRegister.STREAMS,
        Access.READ_WRITE,
        Running.READ,
        "Where x comes from and h goes to",
        Field("registers", 0, 1, "1 through X and H, 0 through the stream ports"),
        Field("x_ready", 1, 1, "read: X takes an element"),
        Field("h_valid", 2, 1, "read: H holds a result"),
    ),
    _front(
        FrontRegister.X,
        Access.WRITE,
        Running.ALL,
        "Sends an element of x; refused while STREAMS.x_ready or STREAMS.registers is 0, or "
        "if it names a program that is not there",
        Field("value", 0, 16, "the element, in units of x_lsb", signed=True),
        Field("start", 16, 1, "with a step's first element: begin a sequence with zero state"),
        Field("restart", 17, 1, "with a step's first element: compute the sums anew; needed after loading states"),
        Field("mark", 18, 1, "with a step's only element: the step is skipped"),
        Field("last", 19, 1, "AXI: with a sequence's last element"),
        Field("sequence", 20, 1, "with a step's first element: which of two sequences"),
        Field("mask", 21, 3, "with a step's first element: index of the active count"),
        Field(
            "program",
            24,
            3,
            "with the first element of a sequence that starts or restarts: the program that it runs",
        ),
    ),
    _front(
        FrontRegister.H,
        Access.READ,
        Running.ALL,
        "Takes a result; 0 if none waits or STREAMS.registers is 0",
        Field("value", 0, 16, "h in Q1.15", signed=True),
        Field("last", 16, 1, "last unit of its layer in this step"),
        Field("end", 17, 1, "AXI: last result of its sequence"),
        Field("skipped", 18, 1, "AXI: the step was skipped; it has this result alone, and value means nothing"),
        Field("sequence", 19, 1, "which of two sequences"),
        Field("layer", 20, 8, "layer it belongs to"),
        Field("valid", 31, 1, "this is a result"),
    ),
)
_ENTRIES = {(type(entry.register), int(entry.register)): entry for entry in TABLE}


def entry_of(register: Register | FrontRegister | LinkRegister) -> Entry:
    """The table's entry of a register."""
    return _ENTRIES[type(register), int(register)]


def pack_register(register: Register | FrontRegister, **values: int) -> int:
    """A register's word from the values of all its fields; see :meth:`.Entry.pack`."""
    return entry_of(register).pack(values)
