"""The host link, byte by byte: frames, commands, answers and result words.

RTL, driver, virtual board and docs/link.md are all made from this description. A frame is
``COBS(sequence u8, command u8, body, CRC-32/ISO-HDLC u32)`` and a zero byte; all numbers are little-endian.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lstmith.spec.registers import REGION_SHIFT, Region

#: Version of everything in this module.
LINK_VERSION = 4

#: Most bytes of a frame before COBS, with its CRC; COBS then adds one byte, and no code is ever 0xFF.
FRAME_BYTES = 224
#: Fewest: sequence, command, CRC.
FRAME_BYTES_MIN = 6
CRC_BYTES = 4
DELIMITER = 0
#: Bytes before a request's body: sequence, command.
REQUEST_HEAD = 2
#: Bytes before an answer's body: sequence, command with ``ANSWER`` set, status, expected sequence.
ANSWER_HEAD = 4
ANSWER = 0x80


class Command(enum.IntEnum):
    """What a request asks for."""

    HELLO = 1  #: no body; taken at any sequence number and at any time: resets link and engine, not the memories
    READ = 2  #: READ_HEAD; answered by count x u32 of consecutive addresses
    WRITE = 3  #: WRITE_HEAD, then 1 to WRITE_WORDS x u32 for consecutive addresses
    STREAM = 4  #: STREAM_HEAD, then 0 to STREAM_VALUES x int16; answered as FETCH
    FETCH = 5  #: FETCH_HEAD; answered by 0 to ANSWER_WORDS x u16 of the result ring
    NARROW = 6  #: NARROW_HEAD, then 0 to NARROW_VALUES x 8-bit grid values; otherwise as STREAM


class Status(enum.IntEnum):
    """How a request went. Only OK and STALLED make the device expect the next sequence number."""

    OK = 0
    REJECTED = 1  #: not the expected sequence number; nothing was done
    BAD_LENGTH = 2  #: the body's length does not fit the command; nothing was done
    BAD_COMMAND = 3  #: unknown; nothing was done
    STALLED = 4  #: no progress for too long: the engine was reset, the session is over
    NO_SESSION = 5  #: no HELLO since reset or since a stall; nothing was done


class StreamFlag(enum.IntFlag):
    """First byte of STREAM; ``ACTIVE_SHIFT`` and up, for the whole frame: index of the active count, or the program."""

    START = 1  #: the first value begins a sequence
    RESTART = 2  #: states were loaded: the first value's step recomputes its sums
    MARK = 4  #: one step that is skipped; the frame has no values
    QUIET = 8  #: steps that begin in this frame do not send h (COMPACT, with RECORDS only)


ACTIVE_SHIFT = 5

#: ``struct`` formats of what follows a request's head.
READ_HEAD = "<BHB"  #: count, address bits 0-15, address bits 16-23
WRITE_HEAD = "<HB"  #: address bits 0-15, address bits 16-23
STREAM_HEAD = "<BHH"  #: flags, release, from
FETCH_HEAD = "<HH"  #: release, from
NARROW_HEAD = "<BBHH"  #: flags, grid, release, from
#: Byte ``grid``: values are shifted left by its lowest four bits, and have a sign unless this is set.
UNSIGNED = 16
#: Places in the result ring count words modulo this: everything before ``release`` may be overwritten, the answer
#: holds words from ``from`` on, none if that is beyond the last word written.
PLACES = 1 << 16

READ_WORDS = (FRAME_BYTES - ANSWER_HEAD - CRC_BYTES) // 4
WRITE_WORDS = (FRAME_BYTES - REQUEST_HEAD - 3 - CRC_BYTES) // 4
STREAM_VALUES = (FRAME_BYTES - REQUEST_HEAD - 5 - CRC_BYTES) // 2
NARROW_VALUES = FRAME_BYTES - REQUEST_HEAD - 6 - CRC_BYTES
ANSWER_WORDS = (FRAME_BYTES - ANSWER_HEAD - CRC_BYTES) // 2

#: Region of bus addresses that belong to the link.
LINK_REGION = Region.FRONT


class LinkRegister(enum.IntEnum):
    """Registers of the link's region; ``spec.register_table`` describes them."""

    MODE = 0  #: :class:`Mode`
    TAG = 1
    FLASH = 2  #: :class:`FlashStatus`


def link_address(register: LinkRegister) -> int:
    """Bus address of a link register."""
    return LINK_REGION << REGION_SHIFT | register


class Mode(enum.IntEnum):
    """What the result ring holds."""

    COMPACT = 0  #: a word per step: 0 computed, 1 skipped, 2 computed and quiet; behind 0 each h, or the verdict
    FULL = 1  #: RECORDS, where the features have RECORDS


class FlashStatus(enum.IntFlag):
    """What became of the weights in the serial flash, where the bitstream cannot carry them."""

    COPIED = 1  #: this build copies weights from the flash
    VALID = 2  #: their CRC was right


class Feature(enum.IntFlag):
    """Byte ``features`` of the identity."""

    RECORDS = 1  #: Mode.FULL, and steps that are QUIET
    STATES = 2  #: the whole bus; without it writes reach weights, rows and registers at most, and reads IDENTITY only
    SPI = 4  #: bytes come by SPI, not by a serial port; ``baud`` is the fastest SCK in Hz


class Kind(enum.IntEnum):
    """Lowest two bits of a record's first word."""

    RESULT = 0  #: one unit's result
    EVENT = 1  #: a layer's step has drained
    OUTCOME = 2  #: it is known whether a step is computed
    INPUT = 3  #: the engine took a step's input; its first value, had none waited for another


@dataclass(frozen=True)
class Field:
    """Where a record's field lies: from bit ``bit`` of 16-bit word ``word`` on, lower word first."""

    name: str
    word: int
    bit: int
    width: int
    signed: bool = False


@dataclass(frozen=True)
class Record:
    """A record of the result ring: its 16-bit words and fields."""

    words: int
    fields: tuple[Field, ...]


#: FULL mode, step by step: INPUT, OUTCOME, and of a computed step its RESULTs and then its EVENTs. ``cycle`` counts
#: clock cycles since HELLO, modulo 2^32. ``idle``: the engine was idle before the step; otherwise the step's input
#: followed that of the step before without a pause.
RECORDS = {
    Kind.RESULT: Record(
        4,
        (
            Field("h", 1, 0, 16, signed=True),
            Field("c", 2, 0, 32, signed=True),
            Field("layer", 0, 3, 5),
            Field("last", 0, 2, 1),
        ),
    ),
    Kind.EVENT: Record(
        6,
        (
            Field("cycle", 4, 0, 32),
            Field("layer", 0, 3, 5),
            Field("columns", 1, 0, 16),
            Field("digits", 2, 0, 16),
            Field("low", 3, 0, 16),
            Field("restart", 0, 2, 1),
            Field("mask", 0, 8, 3),
        ),
    ),
    Kind.OUTCOME: Record(3, (Field("cycle", 1, 0, 32), Field("skipped", 0, 2, 1))),
    Kind.INPUT: Record(3, (Field("cycle", 1, 0, 32), Field("idle", 0, 2, 1))),
}
#: Width of ``layer`` in records bounds the layers of an engine with records.
LAYER_BITS = 5
