"""The engine's bus as software sees it: 24-bit word addresses, 32-bit data."""

from __future__ import annotations

import enum

ADDRESS_BITS = 24
DATA_BITS = 32
#: Cycles from a read to its data.
READ_LATENCY = 4
#: Addresses at or above this hold weights: lane in the upper bits, word in the lower.
WEIGHTS = 1 << 23
REGION_SHIFT = 20


class Region(enum.IntEnum):
    """Upper address bits below the weights."""

    CONTROL = 0  #: registers, see :class:`Register`
    PROGRAM = 1  #: layer * 8 + word, see :mod:`.record`
    ROWS = 2  #: (unit * 4 + gate) * 2 + piece: piece 0 mantissa and shift, piece 1 bias (takes effect)
    PEEPHOLES = 3  #: unit * 4 + (0, 1, 2 for i, f, o)
    CELL = 4  #: cell state of a unit, readable
    HIDDEN = 5  #: h of a unit; readable; a write of the present layer's units in order loads them


class Register(enum.IntEnum):
    """Control registers."""

    IDENTITY = 0  #: read: 0x4C53544D
    STATUS = 1  #: read: bit 0 busy
    OUTPUT_ALL = 2  #: write: 1 sends every layer's h, 0 only the last's
    X_INPUTS = 3  #: write: input width of the first layer, minus 1
    X_GRID = 4  #: write: shift (bits 0-3), exponent (4-6), unsigned (7), mode (8-9)
    X_THETA = 5  #: write: threshold of the first layer's input
    LOAD = 6  #: write: 1 + layer begins to load its h, 0 ends
    CYCLES = 7  #: read: cycles while busy, modulo 2^32
    WORDS = 8  #: read: weight words issued, modulo 2^32


IDENTITY = 0x4C53544D


def address(region: Region, index: int) -> int:
    """Bus address of a word in a region."""
    return (region << REGION_SHIFT) | index
