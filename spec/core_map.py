"""Memories on the bus, and what of the map a generated core has."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lstmith.spec.config import (
    BIAS_BITS,
    MANTISSA_BITS,
    PEEP_BITS,
    SHIFT_BITS,
    WEIGHT_WORD_BITS,
    EngineConfig,
    bits_for,
)
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE, WORD_BITS
from lstmith.spec.quantised import PREDICTOR_BITS
from lstmith.spec.register_map import Access, Bus, Entry, Memory
from lstmith.spec.register_table import TABLE
from lstmith.spec.registers import DATA_BITS, OF_PROGRAM, WEIGHTS, FrontRegister, Region, Register, address

#: Every memory on the bus, in order of their addresses.
MEMORIES: tuple[Memory, ...] = (
    Memory(
        "program",
        address(Region.PROGRAM, 0),
        Access.WRITE,
        WORD_BITS,
        "((program * active counts + active count's index) * layers + layer) * 16 + word, each rounded up to a power "
        "of two: layer descriptors",
        lambda config: DESCRIPTOR_STRIDE << (config.layer_bits + config.active_bits + config.program_bits),
    ),
    Memory(
        "rows",
        address(Region.ROWS, 0),
        Access.WRITE,
        max(BIAS_BITS, MANTISSA_BITS + SHIFT_BITS),
        "(((program * active counts + active count's index) * units + unit) * 4 + gate) * 2 + piece, likewise: piece 0 "
        "is the scale (mantissa, above it the shift), 1 the bias; the write of piece 1 takes effect",
        lambda config: 8 << (config.unit_bits + config.active_bits + config.program_bits),
    ),
    Memory(
        "peepholes",
        address(Region.PEEPHOLES, 0),
        Access.WRITE,
        PEEP_BITS,
        "(program * units + unit) * 4 + (0, 1, 2 for i, f, o)",
        lambda config: 4 << (config.unit_bits + config.program_bits),
        lambda config: config.peepholes,
    ),
    Memory(
        "cell",
        address(Region.CELL, 0),
        Access.READ_WRITE,
        DATA_BITS,
        "cell state of a unit, signed; the second sequence's from the next power of two of units on",
        lambda config: 1 << config.state_bits,
    ),
    Memory(
        "hidden",
        address(Region.HIDDEN, 0),
        Access.READ_WRITE,
        DATA_BITS,
        "h of a unit, signed Q1.15, places likewise; writes of a layer's units in order, between the writes of LOAD, "
        "load them",
        lambda config: 1 << config.state_bits,
    ),
    Memory(
        "predictor",
        address(Region.PREDICTOR, 0),
        Access.WRITE,
        PREDICTOR_BITS,
        "weight of a column of the first layer: inputs, then from the next power of two of inputs on h",
        lambda config: 2 << max(bits_for(config.x_columns), config.unit_bits),
        lambda config: config.skip,
    ),
    Memory(
        "weights",
        WEIGHTS,
        Access.WRITE,
        WEIGHT_WORD_BITS,
        "lane * depth + word, depth rounded up to a power of two",
        lambda config: 1 << (bits_for(config.lanes) + config.address_bits),
    ),
)


@dataclass(frozen=True)
class CoreMap:
    """What a generated core has of the map.

    Attributes
    ----------
    config : EngineConfig
    bus : Bus
    entries : tuple of Entry
    memories : tuple of Memory
    """

    config: EngineConfig
    bus: Bus
    entries: tuple[Entry, ...]
    memories: tuple[Memory, ...]


def core_map(config: EngineConfig, bus: Bus = Bus.NATIVE) -> CoreMap:
    """The part of the map that a generated core has: without the link's registers, and without what was not built.

    A fixed engine has nothing of it. Each program of several has its own registers of its input.
    """
    kinds = (Register,) if bus is Bus.NATIVE else (Register, FrontRegister)
    entries = [entry for entry in TABLE if isinstance(entry.register, kinds) and _built(entry, config)]
    entries += [
        replace(entry, program=program)
        for program in range(1, config.programs)
        for entry in entries
        if entry.register in OF_PROGRAM
    ]
    return CoreMap(
        config,
        bus,
        tuple(sorted(entries, key=lambda entry: entry.address)),
        tuple(memory for memory in MEMORIES if _built(memory, config)),
    )


def _built(part: Entry | Memory, config: EngineConfig) -> bool:
    return not config.fixed and (part.exists is None or part.exists(config))
