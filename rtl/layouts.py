"""Payloads that travel between the engine's parts."""

from typing import Any

from amaranth.hdl import Const, Value, signed, unsigned
from amaranth.lib import data

from lstmith.rtl.fields import final_field, program_field
from lstmith.spec import layer_descriptor
from lstmith.spec.codes import Kind, Precision
from lstmith.spec.config import (
    ACTIVE_COUNTS,
    BIAS_BITS,
    MANTISSA_BITS,
    PRECISIONS,
    PROGRAMS,
    SHIFT_BITS,
    EngineConfig,
    bits_for,
)
from lstmith.spec.policy import Mode
from lstmith.spec.register_table import entry_of
from lstmith.spec.registers import FrontRegister, Register


def field_layout(register: Register | FrontRegister) -> data.FlexibleLayout:
    """A register's word as the register map has it, up to its highest field."""
    entry = entry_of(register)
    fields = {
        field.name: data.Field(signed(field.width) if field.signed else unsigned(field.width), field.bit)
        for field in entry.fields
    }
    return data.FlexibleLayout(entry.bits, fields)


def slot_layout(config: EngineConfig) -> data.StructLayout:
    """What enters the array in one cycle.

    ``word``, the width of the digits in the weight word, belongs to the slot, not to the layer: neighbouring slots may
    differ. ``raised`` says that the digits are those of the upper of two planes, so that their products count
    ``2^width`` times as much. ``capture``
    bit 0 moves the sums of gates i and f into the drain chain and clears them, bit 1 those of g and o.
    ``load`` writes ``operand`` as a weight word of lane ``lane``.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "address": config.address_bits,
            "operand": signed(max(16, config.operand_width)),
            "word": unsigned(bits_for(len(PRECISIONS))),
            "raised": 1,
            "sub": unsigned(2),
            "capture": 2,
            "load": 1,
            "lane": unsigned(bits_for(config.lanes)),
        }
    )


def drain_layout(*, acc_width: int, rows: int) -> data.StructLayout:
    """Row sums that leave the array together: gates i and f, then g and o, or all four."""
    names = ("first", "second", "third", "fourth")
    return data.StructLayout({name: signed(acc_width) for name in names[:rows]})


def fold_layout(config: EngineConfig) -> data.StructLayout:
    """A fold whose sums are about to leave the array."""
    return data.StructLayout(
        {
            "first": 1,  # first fold of its layer
            "last": 1,  # last fold of its layer
            "lanes": unsigned(bits_for(config.lanes)),  # lanes in use, minus 1
            **sequence_field(config),
        }
    )


def rows_layout(config: EngineConfig) -> data.StructLayout:
    """Which rows come next: ``rows_per_cycle`` gates of a unit, beginning with ``gate``."""
    return data.StructLayout({"unit": unsigned(config.unit_bits), **sequence_field(config), "gate": 2, "last": 1})


def predictor_place_bits(*, inputs: int, units: int) -> int:
    """Width of a weight's place: the inputs' weights begin at 0, the recurrent ones at the next power of two."""
    return max(bits_for(inputs), bits_for(units)) + 1


def row_layout(*, inputs: int, units: int, operand_width: int) -> data.StructLayout:
    """A column for the skip predictor's row.

    It tells the place of the column's weight, its operand, and whether the sum begins with it. An empty list gives one
    entry all the same, which adds nothing.
    """
    return data.StructLayout(
        {
            "column": predictor_place_bits(inputs=inputs, units=units),
            "operand": signed(operand_width),
            "empty": 1,  # the entry adds nothing
            "clears": 1,  # the sum begins with this entry
        }
    )


def operands_layout(*, operand_width: int, planes: int) -> data.ArrayLayout:
    """A column's operand in each plane, top plane first."""
    return data.ArrayLayout(signed(operand_width), planes)


def entry_layout(*, columns: int, operand_width: int, planes: int) -> data.StructLayout:
    """A list entry: column index within its segment, the planes that it is listed in (bit 0 the top one), operands.

    With one plane there is nothing to tell. The operand of a plane that the entry is not listed in is undefined.
    """
    members = {"planes": planes} if planes > 1 else {}
    operands = operands_layout(operand_width=operand_width, planes=planes)
    return data.StructLayout({"column": unsigned(bits_for(columns)), **members, "operands": operands})


def offer_layout(lanes: int, *, single_rows: bool = False) -> data.StructLayout:
    """What decides when an entry may enter the array, and what happens when it does."""
    return data.StructLayout(
        {
            "word": unsigned(bits_for(len(PRECISIONS))),  # width of a digit
            **single_field(single_rows),
            "pair": 1,  # the entry has two digits, hence twice the words of one
            "last": 1,  # of its fold
            "lanes": unsigned(bits_for(lanes)),  # in use in this fold, minus 1
            "emits": 1,  # the fold's units are sent
            "frees": 1,  # the input stage's list has been read
            "x_buffer": 1,  # which that is
        }
    )


def fetch_layout(config: EngineConfig) -> data.StructLayout:
    """One list entry on its way to the array; list memories are read beside it."""
    return data.StructLayout(
        {
            "from_x": 1,  # read from the input stage's list
            "empty": 1,  # no entry: a fold without columns still has to drain
            "last": 1,  # of its fold
            "first_fold": 1,
            "last_fold": 1,
            "opens": 1,  # first entry of a pass of the first layer
            "counts": 1,  # the predictor counts it: the first layer's first fold
            "clears": 1,  # the kept sums count as zero
            "emits": 1,  # the fold's units are sent
            "frees": 1,  # the input stage's list has been read
            "x_buffer": 1,  # input buffer of the step
            "word": 2,  # width of a digit
            **single_field(config.single_rows),
            "raises": 1,  # the weights have two planes
            # By plane: weight word of the segment's column 0.
            "bases": data.ArrayLayout(unsigned(config.address_bits), config.planes),
            "lanes": unsigned(bits_for(config.lanes)),  # in use in this fold, minus 1
            **sequence_field(config),
        }
    )


def work_layout(config: EngineConfig) -> data.StructLayout:
    """An entry that has been read: by plane its first weight word and its operand, and what ends with it."""
    return data.StructLayout(
        {
            "planes": config.planes,  # which the entry has, bit 0 the top one; at least one
            "addresses": data.ArrayLayout(unsigned(config.address_bits), config.planes),
            "operands": operands_layout(operand_width=config.operand_width, planes=config.planes),
            "word": 2,  # width of a digit
            **single_field(config.single_rows),
            "raises": 1,  # the weights have two planes
            "last": 1,
            "fold": fold_layout(config),
            "emits": 1,
            "frees": 1,
            "x_buffer": 1,  # input buffer of the step
        }
    )


#: Width of the number of a step since its sequence's start; it saturates.
STEP_BITS = layer_descriptor.FIELDS["warmup"]

#: Lists that an encoder serves.
DELTA, RESTART = 0, 1


def lists(planes: int) -> int:
    """Lists of a segment: what changed and what is not zero, or with one plane the one that the mode chooses."""
    return planes


def length_layout(entries: int, planes: int) -> data.StructLayout:
    """A list's entries, at most so many; with two planes also their digits together, and the low ones."""
    members = {"digits": unsigned(bits_for(2 * entries + 1)), "low": unsigned(bits_for(entries + 1))}
    return data.StructLayout({"count": unsigned(bits_for(entries + 1)), **(members if planes > 1 else {})})


def candidate_layout(*, operand_width: int, planes: int) -> data.StructLayout:
    """What one list would hold of a value: the planes it is listed in, bit 0 the top one, and its operands."""
    operands = operands_layout(operand_width=operand_width, planes=planes)
    return data.StructLayout({"planes": planes, "operands": operands})


def step_list_layout(config: EngineConfig) -> data.StructLayout:
    """A finished list of one step's inputs."""
    return data.StructLayout(
        {
            "lengths": data.ArrayLayout(length_layout(config.x_entries, config.planes), lists(config.planes)),
            "start": 1,
            "restart": 1,
            "mask": unsigned(bits_for(ACTIVE_COUNTS)),
            **sequence_field(config),
            **program_field(config),
        }
    )


def descriptor_layout(*, verdicts: bool = False, counts: bool = False) -> data.StructLayout:
    """The layer descriptor's fields; those that only engines with verdicts or several active counts have come last."""
    left_out = {
        *(() if verdicts else layer_descriptor.VERDICT_FIELDS),
        *(() if counts else layer_descriptor.COUNT_FIELDS),
    }
    fields = {name: unsigned(width) for name, width in layer_descriptor.FIELDS.items() if name not in left_out}
    return data.StructLayout(fields)


def read_fields(config: EngineConfig) -> dict[str, Any]:
    """What a pass reads: columns, with two planes also digits, and how many of them are low ones."""
    columns = config.x_entries + 2 * config.units
    members = {"digits": unsigned(bits_for(2 * columns + 1)), "low": unsigned(bits_for(columns + 1))}
    return {"columns": unsigned(bits_for(columns + 1)), **(members if config.planes > 1 else {})}


def step_fields(config: EngineConfig) -> dict[str, int]:
    """With a monitor a pass tells the number of its step."""
    return {"step": STEP_BITS, "step_low": 2} if config.monitor else {}


def pass_layout(config: EngineConfig) -> data.StructLayout:
    """A layer's step on its way through the drain side.

    ``step`` counts computed steps from 0 at a sequence's start, a restart or another active count, and saturates.
    ``step_low`` counts all computed steps modulo 4, and nothing resets it: it tells the monitor's decisions apart.
    """
    return data.StructLayout(
        {
            "descriptor": descriptor_layout(verdicts=config.verdicts, counts=config.active_counts > 1),
            "layer": unsigned(bits_for(config.layers)),
            **sequence_field(config),
            "list_half": 1,  # which half of the h lists the step reads; the next one's is written to the other
            "mask": unsigned(bits_for(ACTIVE_COUNTS)),
            **program_field(config),
            "start": 1,  # first step of a sequence: no state before it
            "exact": 1,  # x lists hold values, sums are computed anew
            "clear": 1,  # kept sums count as zero
            **read_fields(config),
            **step_fields(config),
        }
    )


def pass_descriptor(config: EngineConfig, program: data.View, kept: data.View) -> data.View:
    """The descriptor of a pass; the only one of a program holds still while anything is in flight and needs no copy."""
    return program if config.descriptors == 1 else kept.descriptor


class InputWord(data.Struct):
    """One element of the input stream; all but the value belongs to a step's first element."""

    value: signed(16)  #: the layer's input, int16
    start: 1  #: begin a sequence: h, c and the sums are zero
    restart: 1  #: states were loaded, or another program left them: recompute the sums
    mark: 1  #: a whole step that is skipped; no values follow
    mask: unsigned(bits_for(ACTIVE_COUNTS))  #: index of the active count
    sequence: 1  #: which of two interleaved sequences the step belongs to
    program: unsigned(bits_for(PROGRAMS))  #: with ``start`` or ``restart``: the program that the sequence runs


class SkipFields(data.Struct):
    """When a step is skipped; see ``spec.policy.Skip``."""

    change: unsigned(24)
    limit: unsigned(4)
    predictor: 1


class MonitorFields(data.Struct):
    """When the monitor decides on the first layer's input; see ``spec.policy.Monitor``."""

    judges: 1  #: there is a rule, and it judges a layer as a whole
    warmup: unsigned(STEP_BITS)


class GridFields(data.Struct):
    """How values become operands, and which of them are listed; see ``spec.quantised.Grid``."""

    shift: unsigned(4)
    exponent: unsigned(3)
    unsigned: 1
    mode: Mode
    theta: unsigned(16)  #: of the top plane
    low_theta: unsigned(16)  #: of the low plane
    pair: 1  #: the weights have two planes
    defers: 1  #: the low plane is not served: its references stay
    forget: 1  #: references count as zero
    exact: 1  #: no threshold: the sums are recomputed


class RowScale(data.Struct):
    """What a row's shifted sum meets."""

    mantissa: unsigned(MANTISSA_BITS)
    bias: signed(BIAS_BITS)


class RowParameters(data.Struct):
    """A row's parameters."""

    shift: unsigned(SHIFT_BITS)
    scale: RowScale


def output_layout(config: EngineConfig) -> data.StructLayout:
    """One unit's result."""
    return data.StructLayout(
        {
            "h": signed(16),  # Q1.15
            "c": signed(config.c_width),
            "layer": unsigned(bits_for(config.layers)),
            "last": 1,  # last unit of its layer's step
            **({"final": 1} if config.layers > 1 else {}),  # of the last layer
            **sequence_field(config),
            **final_field(config),
        }
    )


def event_layout(config: EngineConfig) -> data.StructLayout:
    """What is known of a layer's step when it has drained."""
    return data.StructLayout(
        {
            "layer": unsigned(bits_for(config.layers)),
            **read_fields(config),
            "restart": 1,
            "mask": unsigned(bits_for(ACTIVE_COUNTS)),
            **sequence_field(config),
            **final_field(config),
        }
    )


def state_bits(*, units: int, sequences: int) -> int:
    """Width of a place in a state memory: a unit's index, and its sequence's above it where there are two."""
    return bits_for(units) + sequences - 1


def sequence_field(config: EngineConfig) -> dict[str, int]:
    """The field of a layout that says which of two sequences; none with one, as Verilog has no empty wires."""
    return {"sequence": 1} if config.sequences > 1 else {}


def single_field(single_rows: bool) -> dict[str, int]:
    """The field of a layout that says that a unit has a single row, in the first word of its digits."""
    return {"single": 1} if single_rows else {}


def word_of(value: Any, config: EngineConfig) -> Value:
    """What a structure says that its weight words hold; of an engine with one width alone a constant."""
    widths = config.word_bits
    return value.word if len(widths) > 1 else Const(Precision.of(widths[0]), len(value.word))


def single_of(value: Any) -> Value:
    """Whether a structure tells that; the single row's layers have the kinds above the others."""
    if "kind" in value.shape().members:
        return value.kind >= Kind.RNN
    return value.single if "single" in value.shape().members else Const(0)


def set_single(value: Any, single: Value) -> list[Any]:
    """Assignments that make a structure tell it."""
    return [value.single.eq(single)] if "single" in value.shape().members else []


def sequence_of(value: Any) -> Value:
    """The sequence that a structure tells, of no bits where there is one only."""
    return value.sequence if "sequence" in value.shape().members else Const(0, 0)


def set_sequence(value: Any, sequence: Value) -> list[Any]:
    """Assignments that make a structure tell a sequence."""
    return [value.sequence.eq(sequence)] if "sequence" in value.shape().members else []


def of_sequence(values: Any, sequence: Value) -> Any:
    """The element of an array that belongs to a sequence; an index of no bits takes the only one."""
    return values[sequence] if len(sequence) else values[0]
