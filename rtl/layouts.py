"""Payloads that travel between the engine's parts."""

from typing import Any

from amaranth.hdl import Const, Value, signed, unsigned
from amaranth.lib import data

from lstmith.rtl.array.mac.multiples import multiples
from lstmith.spec import layer_descriptor as descriptor
from lstmith.spec.config import ACTIVE_COUNTS, PRECISIONS, EngineConfig, bits_for


def slot_layout(config: EngineConfig) -> data.StructLayout:
    """What enters the array in one cycle.

    ``precision`` belongs to the slot, not to the layer: neighbouring slots may differ. ``capture``
    bit 0 moves the sums of gates i and f into the drain chain and clears them, bit 1 those of g and o.
    ``load`` writes ``operand`` as a weight word of lane ``lane``.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "address": config.address_bits,
            "operand": signed(max(16, config.operand_width)),
            "precision": unsigned(bits_for(len(PRECISIONS))),
            "sub": unsigned(2),
            "capture": 2,
            "load": 1,
            "lane": unsigned(bits_for(config.lanes)),
        }
    )


def lane_layout(config: EngineConfig) -> data.StructLayout:
    """A slot between lanes, each field in the cycle in which its stage needs it.

    ``address``, ``load`` and ``lane`` come first; ``operand`` and its multiples with the weight word, as ``packed``
    (four 4-bit rows) and ``wide`` (one 16-bit row); ``enables`` of the rows, ``split`` and ``capture`` with the word's
    products. A load has address and operand at once. Fields that no precision needs are there all the same, for
    Verilog has no empty wires; synthesis drops them.
    """
    return data.StructLayout(
        {
            "address": config.address_bits,
            "load": 1,
            "lane": unsigned(bits_for(config.lanes)),
            "operand": signed(max(16, config.operand_width)),
            **multiples(config),
            "packed": 1,
            "wide": 1,
            "enables": 4,
            "split": 1,
            "capture": 2,
        }
    )


def pair_layout(config: EngineConfig) -> data.StructLayout:
    """Two row sums that leave the array together: gates i and f, then g and o."""
    return data.StructLayout({"first": signed(config.acc_width), "second": signed(config.acc_width)})


def entry_layout(config: EngineConfig, columns: int) -> data.StructLayout:
    """A list entry: column index within its segment, operand, and whether it takes the lower image."""
    low = {"low": 1} if config.mixed else {}
    return data.StructLayout({"column": unsigned(bits_for(columns)), **low, "operand": signed(config.operand_width)})


def lists(config: EngineConfig) -> int:
    """Lists of a segment: what changed and what is not zero, or the one that the mode chooses."""
    return 2 if config.mixed else 1


def length_layout(columns: int) -> data.StructLayout:
    """A list's length, and how many of its entries take the lower image."""
    return data.StructLayout({"count": unsigned(bits_for(columns + 1)), "low": unsigned(bits_for(columns + 1))})


def descriptor_layout() -> data.StructLayout:
    """The layer record's fields."""
    return data.StructLayout({name: unsigned(width) for name, width in descriptor.FIELDS.items()})


class InputWord(data.Struct):
    """One element of the input stream; all but the value belongs to a step's first element."""

    value: signed(16)  #: the layer's input, int16
    start: 1  #: begin a sequence: h, c and the sums are zero
    restart: 1  #: states were loaded: recompute the sums
    mark: 1  #: a whole step that is skipped; no values follow
    mask: unsigned(bits_for(ACTIVE_COUNTS))  #: index of the active count
    sequence: 1  #: which of two interleaved sequences the step belongs to


class SkipFields(data.Struct):
    """When a step is skipped; see ``spec.policy.Skip``."""

    change: unsigned(24)
    limit: unsigned(4)
    predictor: 1


def output_layout(config: EngineConfig) -> data.StructLayout:
    """One unit's result."""
    return data.StructLayout(
        {
            "h": signed(16),  # Q1.15
            "c": signed(config.c_width),
            "layer": unsigned(bits_for(config.layers)),
            "last": 1,  # last unit of its layer's step
            **sequence_field(config),
        }
    )


def event_layout(config: EngineConfig) -> data.StructLayout:
    """What is known of a layer's step when it has drained."""
    return data.StructLayout(
        {
            "layer": unsigned(bits_for(config.layers)),
            "columns": unsigned(bits_for(config.inputs + 2 * config.units + 1)),
            "low": unsigned(bits_for(config.inputs + 2 * config.units + 1)),  # of them, on the lower image
            "level": unsigned(bits_for(len(PRECISIONS))),  # highest of the folds' precisions
            "restart": 1,
            "mask": unsigned(bits_for(ACTIVE_COUNTS)),
            **sequence_field(config),
        }
    )


def sequence_field(config: EngineConfig) -> dict[str, int]:
    """The field of a layout that says which of two sequences; none with one, as Verilog has no empty wires."""
    return {"sequence": 1} if config.sequences > 1 else {}


def sequence_of(value: Any) -> Value:
    """The sequence that a structure tells, of no bits where there is one only."""
    return value.sequence if "sequence" in value.shape().members else Const(0, 0)


def set_sequence(value: Any, sequence: Value) -> list[Any]:
    """Assignments that make a structure tell a sequence."""
    return [value.sequence.eq(sequence)] if "sequence" in value.shape().members else []


def of_sequence(values: Any, sequence: Value) -> Any:
    """The element of an array that belongs to a sequence; an index of no bits takes the only one."""
    return values[sequence] if len(sequence) else values[0]
