"""Noise, damaged, repeated and ill-formed frames for a link, against what a device has to make of them."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from cobs import cobs

from lstmith.host.link.codec import Frame, Receiver
from lstmith.spec.config import EngineConfig
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import (
    FETCH_HEAD,
    FRAME_BYTES,
    LINK_VERSION,
    NARROW_HEAD,
    READ_HEAD,
    STREAM_HEAD,
    WRITE_HEAD,
    WRITE_WORDS,
    Command,
    Feature,
    Mode,
    Status,
    StreamFlag,
)
from lstmith.spec.registers import ADDRESS_BITS, REGION_SHIFT
from lstmith.test_support.model import DeviceModel
from lstmith.test_support.probe import NAME, READ_PATTERN, probe_verilog
from lstmith.test_support.serial_bench import SerialBench

CYCLES_PER_BIT = 4
#: Percent between the deviations of the baud that are tried, and the last one; frames to answer at each.
BAUD_STEP, BAUD_MOST, BAUD_FRAMES = 0.5, 10.0, 20
#: A truncated frame may have lacked but the zero, so that the next right one comes too late.
_ANSWERED = (Status.OK, Status.REJECTED)
#: Kinds of the probe's reports.
_WRITE, _INPUT, _RESET = range(3)

IDENTITY = Identity(
    window=4,
    ring_words=64,
    features=Feature.STATES,
    clock_hz=CYCLES_PER_BIT * 3_000_000,
    baud=3_000_000,
    commit=bytes(range(8)),
    board="probe",
    design_format=LINK_VERSION,
    config=EngineConfig(lanes=1, precisions=(8,), units=1, inputs=1),
)


class ProbeEngine:
    """What :class:`lstmith.test_support.probe.LinkProbe` puts in an engine's place."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, int]] = []
        self.results: deque[int] = deque()
        self.mode = Mode.COMPACT

    def reset(self) -> None:
        """HELLO."""
        self.told.append((_RESET, 0, 0))
        self.results.clear()

    def read(self, address: int) -> int:
        """A word of the bus."""
        return address % (1 << ADDRESS_BITS) | READ_PATTERN

    def write(self, address: int, value: int) -> None:
        """A write of the bus."""
        self.told.append((_WRITE, address % (1 << ADDRESS_BITS), value))

    def take(self, flags: StreamFlag, mask: int, values: Sequence[int]) -> bool:
        """The values of a STREAM frame, all at once."""
        marks = StreamFlag.MARK in flags
        # A mark's value means nothing.
        for index, value in enumerate((0,) if marks else values):
            word = mask << 3
            if index == 0:
                word |= int(flags) & (StreamFlag.START | StreamFlag.RESTART | StreamFlag.MARK)
            self.told.append((_INPUT, value % (1 << 16), word))
        if marks:
            self.results.append(1)
        return True

    def go_on(self) -> None:
        """There is never more."""


class ProbeModel(DeviceModel):
    """A device around :class:`ProbeEngine`."""

    def __init__(self) -> None:
        super().__init__(IDENTITY)
        self.engine = ProbeEngine()
        self._engine = self.engine  # type: ignore[assignment]


@dataclass
class Tally:
    """What a fuzz run saw.

    Attributes
    ----------
    frames : int
        Sent, of any kind.
    by_kind : dict of str to int
    answers : int
        Frames that the link sent.
    hangs : int
        Times that the link did not come to rest.
    wrong_answers, unintended : int
        Exchanges in which it answered other than due, or told the engine other than due.
    silent : int
        Right frames after noise that were not answered.
    """

    frames: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    answers: int = 0
    hangs: int = 0
    wrong_answers: int = 0
    unintended: int = 0
    silent: int = 0


class Fuzzer:
    """Makes what a link may receive.

    Parameters
    ----------
    rng : numpy Generator
    """

    def __init__(self, rng: np.random.Generator):
        self._rng = rng
        self._last = b""
        self.kinds: dict[str, Callable[[int], bytes]] = {
            "right": self._right,
            "repeated": lambda expected: self._last,
            "other sequence": lambda expected: self._right(int(rng.integers(256))),
            "pair": lambda expected: self._right(expected) + self._right(expected + 1),
            "burst": lambda expected: b"".join(self._right(expected + i) for i in range(IDENTITY.window)),
            "reordered": lambda expected: self._right(expected + 1) + self._right(expected),
            "flipped bits": lambda expected: self._flipped(self._right(expected)),
            "truncated": lambda expected: self._right(expected)[: int(rng.integers(0, 12))],
            "lost bytes": lambda expected: self._thinned(self._right(expected)),
            "noise": lambda expected: rng.bytes(int(rng.integers(1, 60))),
            "zeros": lambda expected: bytes(int(rng.integers(1, 9))),
            "overlong": self._overlong,
            "wrong length": self._wrong_length,
            "unknown command": lambda expected: self._frame(expected, int(rng.integers(6, 256)), rng.bytes(4)),
            "short": lambda expected: _encoded(rng.bytes(int(rng.integers(0, 2)))),
            "hello": lambda expected: self._frame(int(rng.integers(256)), Command.HELLO, b""),
        }

    def make(self, kind: str, expected: int) -> bytes:
        """Bytes of a kind, when ``expected`` is the expected sequence number."""
        made = self.kinds[kind](expected)
        if kind == "right":
            self._last = made
        return made

    def _frame(self, sequence: int, command: int, body: bytes) -> bytes:
        return Frame(sequence % 256, command, body).encode()

    def _right(self, sequence: int) -> bytes:
        rng = self._rng
        # Reads and writes of the link's own registers have tests of their own.
        address = int(rng.integers(1 << ADDRESS_BITS)) & ~(1 << REGION_SHIFT)
        low, high = address % (1 << 16), address >> 16
        command = Command(int(rng.integers(2, 7)))
        if command == Command.READ:
            body = struct.pack(READ_HEAD, int(rng.integers(0, 12)), low, high)
        elif command == Command.WRITE:
            body = struct.pack(WRITE_HEAD, low, high) + rng.bytes(4 * int(rng.integers(1, 8)))
        elif command == Command.STREAM:
            flags = int(rng.choice([0, 1, 2, 4, 5])) | int(rng.random() < 0.2) << 4 | int(rng.integers(8)) << 5
            values = b"" if flags & StreamFlag.MARK else rng.bytes(2 * int(rng.integers(0, 12)))
            body = struct.pack(STREAM_HEAD, flags, 0, int(rng.integers(0, 9))) + values
        elif command == Command.NARROW:
            body = struct.pack(NARROW_HEAD, int(rng.choice([0, 3, 8])), int(rng.integers(32)), 0, int(rng.integers(9)))
            body += rng.bytes(int(rng.integers(0, 12)))
        else:
            body = struct.pack(FETCH_HEAD, 0, int(rng.integers(0, 9)))
        return self._frame(sequence, command, body)

    def _flipped(self, content: bytes) -> bytes:
        bits = int.from_bytes(content, "little")
        for bit in self._rng.integers(0, 8 * len(content), int(self._rng.integers(1, 4))).tolist():
            bits ^= 1 << bit
        return bits.to_bytes(len(content), "little")

    def _thinned(self, content: bytes) -> bytes:
        kept = self._rng.random(len(content)) > 0.1
        return bytes(byte for byte, keep in zip(content, kept, strict=True) if keep)

    def _overlong(self, expected: int) -> bytes:
        """A write whose CRC is right, but which no buffer holds."""
        size = int(self._rng.integers(FRAME_BYTES - 5, 2 * FRAME_BYTES))
        return _encoded(bytes((expected % 256, Command.WRITE)) + self._rng.bytes(size))

    def _wrong_length(self, expected: int) -> bytes:
        command = Command(int(self._rng.integers(1, 7)))
        size = int(self._rng.integers(0, 24))
        right = {
            Command.HELLO: size == 0,
            Command.READ: size == 4,
            Command.WRITE: size >= 7 and size % 4 == 3,
            Command.STREAM: size >= 5 and size % 2 == 1,
            Command.FETCH: size == 4,
            # Too short, since any length from the head on is right.
            Command.NARROW: False,
        }
        size = size % 6 if command == Command.NARROW else size
        return self._frame(expected, command, self._rng.bytes(size + right[command]))


def _encoded(content: bytes) -> bytes:
    """A frame of any length, with its CRC."""
    return bytes(cobs.encode(content + zlib.crc32(content).to_bytes(4, "little"))) + b"\0"


def _without_marks(told: tuple[tuple[int, int, int], ...]) -> tuple[tuple[int, int, int], ...]:
    """Marked inputs count without the value that came with them."""
    return tuple(
        (kind, 0, flags) if kind == _INPUT and flags & StreamFlag.MARK else (kind, value, flags)
        for kind, value, flags in told
    )


def build_probe(folder: Path) -> SerialBench:
    """The link alone, compiled."""
    return SerialBench(probe_verilog(IDENTITY), NAME, folder, CYCLES_PER_BIT, probe=True)


def baud_tolerated(bench: SerialBench) -> dict[str, float]:
    """How far the host's baud may be off.

    Parameters
    ----------
    bench : SerialBench
        Of :func:`build_probe`.

    Returns
    -------
    dict of str to float
        ``slow`` and ``fast``: largest deviation in percent up to which every frame was answered, in steps of
        ``BAUD_STEP``; ``cycles_per_bit``.
    """
    tolerated: dict[str, float] = {"cycles_per_bit": CYCLES_PER_BIT}
    try:
        for name, sign in (("slow", 1), ("fast", -1)):
            percent = 0.0
            while percent < BAUD_MOST and _answers_all(bench, 1 + sign * (percent + BAUD_STEP) / 100):
                percent += BAUD_STEP
            tolerated[name] = percent
    finally:
        bench.set_bit(CYCLES_PER_BIT)
    return tolerated


def _answers_all(bench: SerialBench, bit: float) -> bool:
    """Whether long frames are all answered if bits have another length than they should."""
    bench.set_bit(CYCLES_PER_BIT * bit)
    frames = [Frame(0, Command.HELLO)]
    for sequence in range(1, BAUD_FRAMES):
        words = bytes((sequence + place) % 256 for place in range(4 * WRITE_WORDS))
        frames.append(Frame(sequence, Command.WRITE, struct.pack(WRITE_HEAD, 0, 0) + words))
    return all(
        [answer.body[0] for answer in Receiver().feed(bench.exchange(b"\0" + frame.encode()).sent)] == [Status.OK]
        for frame in frames
    )


def fuzz(
    bench: SerialBench, rng: np.random.Generator, frames: int, progress: Callable[[int], None] | None = None
) -> Tally:
    """Send frames of all kinds; after each, a right one that has to be answered.

    Parameters
    ----------
    bench : SerialBench
        Of :func:`build_probe`, in any state.
    rng : numpy Generator
    frames : int
    progress : callable or None
        Called with the number of frames sent.
    """
    model, fuzzer, tally = ProbeModel(), Fuzzer(rng), Tally()
    expected = 0

    def exchange(content: bytes) -> list[Frame]:
        nonlocal expected
        reaction = bench.exchange(content)
        due = model.receive(content)
        told, model.engine.told = tuple(model.engine.told), []
        tally.hangs += not reaction.rests
        tally.wrong_answers += reaction.sent != due
        tally.unintended += _without_marks(reaction.told) != told
        answers = Receiver().feed(reaction.sent)
        tally.answers += len(answers)
        if answers:
            expected = answers[-1].body[1]
        return answers

    exchange(b"\0" + Frame(0, Command.HELLO).encode())
    kinds = list(fuzzer.kinds)
    for index in range(frames):
        kind = kinds[int(rng.integers(len(kinds)))]
        tally.by_kind[kind] = tally.by_kind.get(kind, 0) + 1
        exchange(fuzzer.make(kind, expected))
        # A zero ends whatever has begun.
        right, sequence = fuzzer.make("right", expected), expected
        answers = exchange(b"\0" + right)
        tally.silent += not (answers and answers[-1].seq == sequence and answers[-1].body[0] in _ANSWERED)
        # The places of the ring begin anew before they wrap or the ring is full.
        if index % 16 == 15:
            exchange(Frame(int(rng.integers(256)), Command.HELLO).encode())
        tally.frames += 1
        if progress is not None:
            progress(index + 1)
    return tally
