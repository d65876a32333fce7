"""Numbers of the register bus: 24-bit word addresses, 32-bit data, regions, registers.

``spec.register_map`` tells what is behind each of them, and what may be accessed while the engine runs.
"""

from __future__ import annotations

import enum

ADDRESS_BITS = 24
DATA_BITS = 32
#: Cycles from a read to its data.
READ_LATENCY = 4
#: Registers that each program has of its own lie so many addresses apart, the first program's at their own numbers.
PROGRAM_REGISTERS = 32
#: Idle cycles that the engine needs behind a write of LOAD, to fetch a layer's descriptor; wrappers answer that late.
LOAD_IDLE = 20
#: Addresses at or above this hold weights: lane in the upper bits, word in the lower.
WEIGHTS = 1 << 23
REGION_SHIFT = 20


class Region(enum.IntEnum):
    """Upper address bits below the weights."""

    CONTROL = 0
    PROGRAM = 1
    ROWS = 2
    PEEPHOLES = 3
    CELL = 4
    HIDDEN = 5
    PREDICTOR = 6
    FRONT = 7  #: of whatever stands around the engine: the host link, or a wrapper for a standard bus


class Register(enum.IntEnum):
    """The engine's registers, in ``Region.CONTROL``."""

    IDENTITY = 0
    STATUS = 1
    OUTPUT_ALL = 2
    X_INPUTS = 3
    X_GRID = 4
    X_THETA = 5
    LOAD = 6
    CYCLES = 7
    WORDS_4 = 8
    WORDS_8 = 9
    WORDS_16 = 10
    SKIPPED = 11
    RESTARTS = 12
    X_LOW_THETA = 13
    SKIP_CHANGE = 14
    SKIP_RULE = 15
    SKIP_THRESHOLD = 16
    X_MONITOR = 17
    VERSION = 18
    CAPABILITIES = 19
    SIZES = 20
    LANES = 21
    DEPTH = 22


class FrontRegister(enum.IntEnum):
    """Registers of a wrapper for a standard bus, in ``Region.FRONT`` behind those of the link."""

    IRQ_ENABLE = 16
    IRQ_STATUS = 17
    STREAMS = 18
    X = 19
    H = 20


#: What ``IDENTITY`` reads as: "LSTM".
IDENTITY = 0x4C53544D
#: Version of registers, regions and layer descriptors, as ``VERSION`` tells it.
MAP_VERSION = 1
#: Registers that describe a program's input; the others are the engine's.
OF_PROGRAM = (Register.X_INPUTS, Register.X_GRID, Register.X_THETA, Register.X_LOW_THETA)


def address(region: Region, index: int) -> int:
    """Bus address of a word in a region."""
    return (region << REGION_SHIFT) | index
