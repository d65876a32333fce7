"""The network as bus writes, in the forms that loaders take: text, C and binary."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

#: First word of a binary image: "LSTI" as its bytes lie in the file.
MAGIC = int.from_bytes(b"LSTI", "little")

#: (word address, data) of a bus write.
Write = tuple[int, int]


def hex_lines(writes: Iterable[Write]) -> list[str]:
    """One write per line: word address and data, 8 hex digits each, as ``$readmemh`` takes them as one word."""
    return [f"{address:08x}{data:08x}" for address, data in writes]


def binary(writes: Iterable[Write]) -> bytes:
    """The writes in order, as the driver loads them.

    Returns
    -------
    bytes
        32-bit words, lower byte first: ``MAGIC``, number of words that follow the third, their CRC-32 (as zlib's); then
        runs of consecutive addresses, each its first address, the number of its words, and these.
    """
    runs: list[tuple[int, list[int]]] = []
    for address, data in writes:
        if runs and address == runs[-1][0] + len(runs[-1][1]):
            runs[-1][1].append(data)
        else:
            runs.append((address, [data]))
    words = [word for first, data in runs for word in (first, len(data), *data)]
    body = struct.pack(f"<{len(words)}I", *words)
    return struct.pack("<III", MAGIC, len(words), zlib.crc32(body)) + body
