"""The engine's bus as software sees it: 24-bit word addresses, 32-bit data.

While ``busy`` is high, only registers are read: every write is ignored, and a read of ``CELL`` or ``HIDDEN`` gives 0. A
register that concerns the input acts on the elements that follow, so it is written between steps.
"""

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
    PROGRAM = 1  #: (active count's index * layers + layer) * 16 + word, layers rounded up to a power of two
    ROWS = 2  #: ((index * units + unit) * 4 + gate) * 2 + piece, units likewise: piece 0 scale, 1 bias (takes effect)
    PEEPHOLES = 3  #: unit * 4 + (0, 1, 2 for i, f, o)
    CELL = 4  #: cell state of a unit, readable; the second sequence's from the next power of two of units on
    HIDDEN = 5  #: h of a unit, likewise; a write of the present layer's units in order loads them
    PREDICTOR = 6  #: 4-bit weight of a column of the first layer: inputs, then from the next power of two h


class Register(enum.IntEnum):
    """Control registers."""

    IDENTITY = 0  #: read: 0x4C53544D
    STATUS = 1  #: read: bit 0 busy
    OUTPUT_ALL = 2  #: write: 1 sends every layer's h, 0 only the last's
    X_INPUTS = 3  #: write: input width of the first layer, minus 1
    X_GRID = 4  #: write: shift (bits 0-3), exponent (4-6), unsigned (7), mode (8-9), two planes (10)
    X_THETA = 5  #: write: threshold of the first layer's input, top plane
    LOAD = 6  #: write: 1 + layer (+ 256 * index of the active count, + 65536 * sequence) begins to load its h, 0 ends
    CYCLES = 7  #: read: cycles while busy, modulo 2^32
    WORDS_4 = 8  #: read: weight words issued of 4-bit digits, modulo 2^32
    WORDS_8 = 9  #: read: likewise of 8-bit digits
    WORDS_16 = 10  #: read: likewise of whole 16-bit weights
    SKIPPED = 11  #: read: skipped steps, modulo 2^32
    RESTARTS = 12  #: read: passes that recomputed their sums, modulo 2^32
    X_LOW_THETA = 13  #: write: threshold of the first layer's input, low plane
    SKIP_CHANGE = 14  #: write: 24 bits; 0 is off
    SKIP_RULE = 15  #: write: limit (bits 0-3), predictor (4)
    SKIP_THRESHOLD = 16  #: write: 24 bits, signed
    X_MONITOR = 17  #: write: the first layer's monitor decides on its input (bit 0), its warm-up in steps (8-15)


IDENTITY = 0x4C53544D


def address(region: Region, index: int) -> int:
    """Bus address of a word in a region."""
    return (region << REGION_SHIFT) | index
