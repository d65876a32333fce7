# amaranth: UnusedElaboratable=no
"""The frame that the executor works on: its last bytes, and the lengths of its parts."""

from __future__ import annotations

import itertools
from struct import calcsize

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.link.frame import BODY, WORD_BYTES, Frame
from lstmith.rtl.link.receiver import FRAME_START
from lstmith.spec.link_map import (
    CRC_BYTES,
    FETCH_HEAD,
    FRAME_BYTES,
    NARROW_HEAD,
    NARROW_VALUES,
    READ_HEAD,
    STREAM_HEAD,
    STREAM_VALUES,
    UNSIGNED,
    WRITE_HEAD,
    WRITE_WORDS,
    Command,
)

#: Head of a command's body, bytes of each word or value behind it, and the fewest and most of those: spec/link_map.py.
BODIES = {
    Command.READ: (READ_HEAD, 0, 0, 0),
    Command.WRITE: (WRITE_HEAD, WORD_BYTES, 1, WRITE_WORDS),
    Command.STREAM: (STREAM_HEAD, 2, 0, STREAM_VALUES),
    Command.FETCH: (FETCH_HEAD, 0, 0, 0),
    Command.NARROW: (NARROW_HEAD, 1, 0, NARROW_VALUES),
}
STROBES = ("shift", "rotate", "load", "widen", "scale")
#: Cycles from a strobe to the word that it has changed.
LATENCY = 2


class _Part(wiring.Component):
    """A frame alone, its registers as ports.

    Parameters
    ----------
    words : bool
        With its last bytes, otherwise with the lengths of its parts.
    """

    def __init__(self, *, words: bool):
        self._words = words
        frame = Frame(buffers=2, address_bits=24)
        given = dict.fromkeys(STROBES, In(1)) | {"byte": In(8), "read": In(32), "grid": In(len(frame.grid))}
        asked = {"command": In(len(frame.command)), "end": In(len(frame.end))}
        told = {"fits": Out(1), "head_end": Out(len(frame.head_end))}
        super().__init__(given | {"word": Out(32)} if words else asked | told)

    def elaborate(self, platform: object) -> Module:
        m, frame = Module(), Frame(buffers=2, address_bits=24)
        if self._words:
            m.d.comb += [getattr(frame, strobe).eq(getattr(self, strobe)) for strobe in STROBES]
            m.d.comb += [frame.grid.eq(self.grid), self.word.eq(frame.word)]
            frame.elaborate_word(m, self.byte, self.read)
        else:
            m.d.comb += [frame.command.eq(self.command), frame.end.eq(self.end)]
            frame.elaborate_lengths(m)
            # Registers, since simulators want a clock.
            m.d.sync += [self.fits.eq(frame.fits), self.head_end.eq(frame.head_end)]
        return m


def _last_bytes(rng: np.random.Generator) -> Check:
    """Words of the bus go out lowest byte first, values of both widths come in as they were sent."""
    sheet, cycle = Sheet(6000), 1
    wanted: list[tuple[str, int, int]] = []

    def strobe(name: str, port: str | None = None, value: int = 0) -> None:
        nonlocal cycle
        sheet.put(name, cycle, 1)
        if port is not None:
            # What enters is taken a cycle after its strobe, and only then.
            sheet.put(port, cycle + 1, value)
        cycle += int(rng.integers(LATENCY, LATENCY + 2))

    while cycle < sheet.cycles - 100:
        read = int(rng.integers(0, 1 << 32))
        strobe("load", "read", read)
        for place, byte in enumerate(read.to_bytes(WORD_BYTES, "little")):
            wanted.append(("byte", cycle, byte))
            if place < WORD_BYTES - 1:
                strobe("rotate")
        whole = rng.bytes(WORD_BYTES)
        for byte in whole:
            strobe("shift", "byte", byte)
        wanted.append(("word", cycle, int.from_bytes(whole, "big")))
        narrow, unsigned, scale = (int(drawn) for drawn in (rng.integers(0, 256), rng.integers(0, 2), rng.integers(8)))
        sheet.put("grid", slice(cycle, sheet.cycles), unsigned * UNSIGNED + scale)
        strobe("shift", "byte", narrow)
        strobe("widen")
        for _ in range(scale):
            strobe("scale")
        value = narrow if unsigned or narrow < 128 else narrow - 256
        wanted.append(("value", cycle, (value << scale) & 0xFFFF))

    def verify(outputs: Table) -> None:
        word = outputs["word"] & 0xFFFFFFFF
        # A value is sent lowest byte first, so that one is the older of the last two.
        value = ((word & 0xFF) << 8) | (word >> 8 & 0xFF)
        seen = {"byte": word & 0xFF, "word": word, "value": value}
        for name, at, expected in wanted:
            assert seen[name][at] == expected, f"{name} at cycle {at}"

    return Check(_Part(words=True), sheet.table, verify)


def _lengths() -> Check:
    """Of every command and length: where the head ends, and whether the command allows the length."""
    # The receiver refuses longer ones.
    pairs = list(itertools.product(BODIES, range(FRAME_START + FRAME_BYTES - CRC_BYTES + 1)))
    fits, head_ends = [], []
    for command, end in pairs:
        head, width, fewest, most = BODIES[command]
        head_end = BODY + calcsize(head)
        fits.append(end in {head_end + width * number for number in range(fewest, most + 1)})
        head_ends.append(head_end)
    commands, ends = (np.array(column) for column in zip(*pairs, strict=True))

    def verify(outputs: Table) -> None:
        assert_equal("fits", outputs["fits"][1 : len(pairs) + 1], fits)
        assert_equal("head_end", outputs["head_end"][1 : len(pairs) + 1], head_ends)

    return Check(_Part(words=False), {"command": commands, "end": ends}, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Last bytes and lengths."""
    return {"bytes": _last_bytes(rng), "lengths": _lengths()}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
