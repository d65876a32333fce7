"""Executor: what requests in the buffers do to bus and input stream, and how each of them is answered."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.link.executor import Executor
from lstmith.rtl.link.frame import READ_CYCLES, WORD_BYTES
from lstmith.rtl.link.receiver import BUFFER_BYTES, FRAME_START
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.link_map import (
    ACTIVE_SHIFT,
    ANSWER,
    FETCH_HEAD,
    NARROW_HEAD,
    READ_HEAD,
    STREAM_HEAD,
    UNSIGNED,
    WRITE_HEAD,
    Command,
    Status,
    StreamFlag,
)
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS

BUFFERS = 32
#: A read answers with its address and this.
PATTERN = 0x5A000000
#: Cycles that the executor takes for a byte.
BYTE_CYCLES = 3


class Requests(wiring.Component):
    """An executor whose buffers hold requests from the start, between a bus, a stream and a ring without results."""

    def __init__(self, contents: bytes):
        self._contents = contents
        super().__init__(
            {
                "go": In(1),
                "occupied": In(1),
                "tick": In(1),
                "x_ready": In(1),
                "w_addr": Out(ADDRESS_BITS),
                "w_data": Out(DATA_BITS),
                "w_en": Out(1),
                "x_value": Out(16),
                "x_flags": Out(7),
                "x_valid": Out(1),
                "byte": Out(8),
                "byte_valid": Out(1),
                "finished": Out(1),
                "stalled": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.executor = executor = Executor(buffers=BUFFERS)
        m.submodules.memory = memory = Memory(shape=8, depth=BUFFERS * BUFFER_BYTES, init=self._contents)
        read, full, payload = memory.read_port(), Signal(BUFFERS, init=(1 << BUFFERS) - 1), executor.x.payload
        # A bus answers what it was asked for, and nothing else.
        answered = Mux(executor.bus.r_en, executor.bus.addr | PATTERN, 0)
        m.d.sync += [full.eq(full & ~executor.release), executor.r_data.eq(read.data)]
        m.d.comb += [
            read.addr.eq(executor.r_addr),
            executor.full.eq(full & self.go.replicate(BUFFERS)),
            executor.session.eq(1),
            executor.occupied.eq(self.occupied),
            executor.tick.eq(self.tick),
            executor.x.ready.eq(self.x_ready),
            executor.answer.ready.eq(1),
            executor.finished.eq(executor.finish),
            executor.ring_ready.eq(1),
            executor.bus.r_data.eq(delayed(m, answered, READ_CYCLES, "read")),
            self.w_addr.eq(executor.bus.addr),
            self.w_data.eq(executor.bus.w_data),
            self.w_en.eq(executor.bus.w_en),
            self.x_value.eq(payload.value),
            self.x_flags.eq(Cat(payload.start, payload.restart, payload.mark, executor.quiet, payload.mask)),
            self.x_valid.eq(executor.x.valid & executor.x.ready),
            self.byte.eq(executor.answer.payload),
            self.byte_valid.eq(executor.answer.valid),
            self.finished.eq(executor.finish),
            self.stalled.eq(executor.stalled),
        ]
        return m


@dataclass
class _Device:
    """What requests must do."""

    expected: int = 0
    answers: list[int] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    transfers: list[tuple[int, int]] = field(default_factory=list)

    def execute(self, sequence: int, command: int, body: bytes) -> None:
        """Take one request, and answer it."""
        status, answer = self._check(sequence, command, len(body)), b""
        if status is Status.OK:
            self.expected = (self.expected + 1) % 256
            answer = self._do(command, body)
        self.answers += [sequence, command | ANSWER, status, self.expected, *answer]

    def _check(self, sequence: int, command: int, size: int) -> Status:
        fits = {
            Command.READ: size == 4,
            Command.WRITE: size >= 7 and size % 4 == 3,
            Command.STREAM: size >= 5 and size % 2 == 1,
            Command.FETCH: size == 4,
            Command.NARROW: size >= 6,
        }
        if sequence != self.expected:
            return Status.REJECTED
        if not 0 < command <= max(Command):
            return Status.BAD_COMMAND
        return Status.OK if fits.get(Command(command), False) else Status.BAD_LENGTH

    def _do(self, command: int, body: bytes) -> bytes:
        if command == Command.READ:
            count, low, high = struct.unpack(READ_HEAD, body)
            first = high << 16 | low
            return b"".join((first + place | PATTERN).to_bytes(WORD_BYTES, "little") for place in range(count))
        if command == Command.WRITE:
            low, high = struct.unpack_from(WRITE_HEAD, body)
            values = struct.unpack_from(f"<{len(body) // 4}I", body, struct.calcsize(WRITE_HEAD))
            self.writes += [((high << 16 | low) + place, value) for place, value in enumerate(values)]
        if command == Command.STREAM:
            flags, _, _ = struct.unpack_from(STREAM_HEAD, body)
            words = struct.unpack_from(f"<{(len(body) - 5) // 2}H", body, struct.calcsize(STREAM_HEAD))
            self._take(flags, words)
        if command == Command.NARROW:
            flags, grid, _, _ = struct.unpack_from(NARROW_HEAD, body)
            kind = "B" if grid & UNSIGNED else "b"
            values = struct.unpack_from(f"<{len(body) - 6}{kind}", body, struct.calcsize(NARROW_HEAD))
            self._take(flags, tuple(value << grid % 16 & 0xFFFF for value in values))
        return b""

    def _take(self, flags: int, words: tuple[int, ...]) -> None:
        marks = bool(flags & StreamFlag.MARK)
        for place, word in enumerate(words or (0,) * marks):
            first = flags if place == 0 else 0
            self.transfers.append((word, flags & StreamFlag.QUIET | flags >> ACTIVE_SHIFT << 4 | first & 7))


#: The first requests, of the right length: what is looked at below happens at least once.
FIRST = (Command.WRITE, Command.STREAM, Command.READ, Command.NARROW)


def _request(rng: np.random.Generator, command: int) -> bytes:
    """A body for a command."""
    low = int(rng.integers(1 << 12))
    if command == Command.READ:
        body = struct.pack(READ_HEAD, int(rng.integers(4)), low, 0)
    elif command == Command.WRITE:
        words = rng.integers(0, 1 << 32, 3).tolist()
        body = struct.pack(f"{WRITE_HEAD}{len(words)}I", low, 0, *words)
    elif command in (Command.STREAM, Command.NARROW):
        marks = rng.random() < 0.2
        values = [] if marks else rng.integers(0, 1 << 16, int(rng.integers(5))).tolist()
        flags = int(rng.integers(256)) & ~StreamFlag.MARK | StreamFlag.MARK * marks
        if command == Command.STREAM:
            body = struct.pack(f"{STREAM_HEAD}{len(values)}H", flags, 0, 0, *values)
        else:
            content = bytes(value & 0xFF for value in values)
            body = struct.pack(NARROW_HEAD, flags, int(rng.integers(32)), 0, 0) + content
    else:
        body = struct.pack(FETCH_HEAD, 0, 0)
    return body


def _buffers(requests: list[bytes]) -> bytes:
    """A buffer for each request: the place behind its body, then the request."""
    return b"".join((bytes((FRAME_START + len(one),)) + one).ljust(BUFFER_BYTES, b"\xff") for one in requests)


def _requests_check(rng: np.random.Generator) -> Check:
    """Requests of all kinds, some out of sequence; bus and engine are not always free."""
    device, requests, sheet = _Device(), [], Sheet(2000)
    for number in range(BUFFERS):
        fixed = number < len(FIRST)
        command = FIRST[number] if fixed else int(rng.choice([*Command, Command.WRITE, Command.STREAM, 77]))
        body = _request(rng, command)
        # Out of sequence, or of a wrong length.
        sequence = (device.expected + (not fixed and rng.random() < 0.1)) % 256
        body = body[:-1] if not fixed and rng.random() < 0.1 else body
        device.execute(sequence, command, body)
        requests.append(bytes((sequence, command)) + body)
    sheet.put("go", slice(3, None), 1)
    sheet.put("occupied", slice(None), rng.random(sheet.cycles) < 0.5)
    sheet.put("x_ready", slice(None), rng.random(sheet.cycles) < 0.5)

    def verify(outputs: Table) -> None:
        assert outputs["finished"].sum() == BUFFERS
        assert_equal("answers", outputs["byte"][outputs["byte_valid"] == 1], device.answers)
        at = np.flatnonzero(outputs["w_en"])
        writes = np.array(device.writes).reshape(-1, 2).T
        assert_equal("addresses", outputs["w_addr"][at], writes[0])
        assert_equal("words", outputs["w_data"][at], writes[1])
        apart = np.diff(at)
        assert apart.min(initial=BUFFER_BYTES) == WORD_BYTES * BYTE_CYCLES, "writes of a frame"
        taken = outputs["x_valid"] == 1
        values, flags = np.array(device.transfers).reshape(-1, 2).T
        assert_equal("values", outputs["x_value"][taken], values)
        assert_equal("flags", outputs["x_flags"][taken], flags)
        assert not outputs["stalled"].any()

    return Check(Requests(_buffers(requests)), sheet.table, verify)


def _stall_check(waits_for_bus: bool) -> Check:
    """A frame that waits over two ticks is given up, and the next one is executed; one tick is none."""
    write = struct.pack(f"{WRITE_HEAD}I", 5, 0, 9)
    stream = struct.pack(f"{STREAM_HEAD}H", StreamFlag.START, 0, 0, 7)
    requests = [bytes((0, Command.WRITE)) + write] if waits_for_bus else [bytes((0, Command.STREAM)) + stream]
    requests += [bytes((1, Command.WRITE)) + write]
    sheet, ticks = Sheet(1000), [100, 200]
    sheet.put("go", slice(3, 400), 1)
    sheet.put("occupied", slice(0, 300), int(waits_for_bus))
    sheet.put("tick", ticks, 1)
    answers = [0, requests[0][1] | ANSWER, Status.STALLED, 1, 1, Command.WRITE | ANSWER, Status.OK, 2]

    def verify(outputs: Table) -> None:
        assert_equal("stalled", np.flatnonzero(outputs["stalled"]), ticks[1:])
        assert_equal("answers", outputs["byte"][outputs["byte_valid"] == 1][: len(answers)], answers)
        first = int(np.flatnonzero(outputs["w_en"])[0])
        assert (outputs["w_addr"][first], outputs["w_data"][first]) == (5, 9)
        assert first > ticks[1]

    return Check(Requests(_buffers(requests)), sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Requests at random, and stalls of bus and engine."""
    found = {f"requests_{index}": _requests_check(rng) for index in range(8 if full else 2)}
    return found | {"stalled_bus": _stall_check(True), "stalled_engine": _stall_check(False)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
