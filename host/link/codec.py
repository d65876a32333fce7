"""Frames on the wire: COBS around a sequence number, a command, a body and a CRC; a zero byte ends each.

The layout is :mod:`lstmith.spec.link_map`'s.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from lstmith.spec.link_map import CRC_BYTES, FRAME_BYTES, REQUEST_HEAD

END = b"\0"


@dataclass(frozen=True)
class Frame:
    """What travels in either direction.

    Parameters
    ----------
    seq : int
        Sequence number, 0 to 255.
    command : int
        Of an answer: with its top bit set.
    body : bytes
    """

    seq: int
    command: int
    body: bytes = b""

    def encode(self) -> bytes:
        """Bytes to send, the ending zero included.

        Raises
        ------
        ValueError
            If the body is too long for a frame.
        """
        from cobs import cobs  # of the extra 'board'

        content = bytes((self.seq, self.command)) + self.body
        content += zlib.crc32(content).to_bytes(CRC_BYTES, "little")
        if len(content) > FRAME_BYTES:
            raise ValueError(f"A frame holds at most {FRAME_BYTES} bytes, not {len(content)}")
        return bytes(cobs.encode(content)) + END

    @classmethod
    def decode(cls, encoded: bytes) -> Frame | None:
        """The frame of some bytes between two zeros, or None if they are damaged."""
        from cobs import cobs

        try:
            content = bytes(cobs.decode(encoded))
        except cobs.DecodeError:
            return None
        if not REQUEST_HEAD + CRC_BYTES <= len(content) <= FRAME_BYTES:
            return None
        content, check = content[:-CRC_BYTES], content[-CRC_BYTES:]
        if zlib.crc32(content) != int.from_bytes(check, "little"):
            return None
        return cls(content[0], content[1], content[REQUEST_HEAD:])


class Receiver:
    """Bytes as they arrive to whole frames.

    Attributes
    ----------
    damaged : int
        Stretches between zeros that were no frame: noise, or another program's bytes.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self.damaged = 0

    def feed(self, received: bytes) -> list[Frame]:
        """The frames that some more bytes complete."""
        self._rest += received
        *ended, rest = bytes(self._rest).split(END)
        # What is longer than any frame is noise already.
        self._rest = bytearray(rest[-2 * FRAME_BYTES :])
        found = [Frame.decode(encoded) for encoded in ended if encoded]
        self.damaged += found.count(None)
        return [frame for frame in found if frame is not None]

    def clear(self) -> None:
        """Forget a frame that has begun."""
        self._rest.clear()
