"""The link alone, over its serial line: sessions, numbers, and what reaches the engine's bus."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw_tests.fast.rtl.link.serial_host import BAUD, CLOCK, talk
from lstmith.host.link.codec import Frame
from lstmith.rtl.link.admission import LATENCY
from lstmith.rtl.link.link import Link
from lstmith.spec.config import EngineConfig
from lstmith.spec.link_identity import IDENTITY_BYTES, Identity
from lstmith.spec.link_map import (
    ANSWER,
    LINK_REGION,
    READ_HEAD,
    STREAM_HEAD,
    WRITE_HEAD,
    Command,
    Feature,
    LinkRegister,
    Status,
    StreamFlag,
)
from lstmith.spec.registers import REGION_SHIFT
from lstmith.test_support.probe import READ_PATTERN, LinkProbe

IDENTITY = Identity(
    window=2,
    ring_words=64,
    features=Feature.RECORDS | Feature.STATES,
    clock_hz=CLOCK,
    baud=BAUD,
    commit=bytes(range(8)),
    board="sim",
    design_format=1,
    config=EngineConfig(lanes=1, precisions=(8,), units=4, inputs=3),
)
#: What an endless engine gives.
H = 0x1234
TAG = LINK_REGION << REGION_SHIFT | LinkRegister.TAG


def _read(address: int, count: int) -> bytes:
    return struct.pack(READ_HEAD, count, address & 0xFFFF, address >> 16)


def _write(address: int, *words: int) -> bytes:
    return struct.pack(f"{WRITE_HEAD}{len(words)}I", address & 0xFFFF, address >> 16, *words)


def test_session(rng: np.random.Generator) -> None:
    """Every kind of request and refusal; an answer tells its number, its status, and the number that comes next."""
    word, address = int(rng.integers(1 << 32)), int(rng.integers(1 << 12))
    stream = struct.pack(f"{STREAM_HEAD}h", StreamFlag.START, 0, 0, -5)
    requests = [
        (Frame(9, Command.READ, _read(address, 1)), Status.NO_SESSION, None),
        (Frame(40, Command.HELLO), Status.OK, IDENTITY.pack()),
        (Frame(41, Command.READ, _read(address, 2)), Status.OK, [address | READ_PATTERN, address + 1 | READ_PATTERN]),
        (Frame(41, Command.READ, _read(address, 1)), Status.REJECTED, b""),
        (Frame(42, Command.WRITE, _write(TAG, word)), Status.OK, b""),
        (Frame(43, Command.READ, _read(TAG, 1)), Status.OK, [word]),
        (Frame(44, Command.READ, b"\0"), Status.BAD_LENGTH, b""),
        (Frame(44, 77), Status.BAD_COMMAND, b""),
        # A marked step is skipped at once: its outcome is the only word in the ring.
        (Frame(44, Command.STREAM, struct.pack(STREAM_HEAD, StreamFlag.MARK, 0, 0)), Status.OK, None),
        (Frame(45, Command.FETCH, struct.pack("<HH", 0, 0)), Status.OK, struct.pack("<H", 1)),
        (Frame(46, Command.STREAM, stream), Status.OK, None),
        (Frame(0, Command.HELLO), Status.OK, IDENTITY.pack()),
        (Frame(1, Command.READ, _read(TAG, 1)), Status.OK, [word]),
    ]
    answers = talk(LinkProbe(IDENTITY), [frame for frame, *_ in requests])
    expected = None
    for number, (answer, (frame, status, body)) in enumerate(zip(answers, requests, strict=True)):
        assert (answer.seq, answer.command & ~ANSWER) == (frame.seq, frame.command & 0x7F), number
        assert answer.body[0] == status, number
        expected = (frame.seq + 1) % 256 if status is Status.OK else expected
        assert expected is None or answer.body[1] == expected, number
        content = struct.pack(f"<{len(body)}I", *body) if isinstance(body, list) else body
        assert content is None or answer.body[2:] == content, number
    assert len(answers[1].body) == 2 + IDENTITY_BYTES


def _link_behind(m: Module, port: wiring.PureInterface, identity: Identity) -> Link:
    """A link at a port's serial line, to an engine that takes every value at once."""
    m.submodules.link = link = Link(identity)
    m.d.comb += [
        link.rx.eq(port.rx),
        port.tx.eq(link.tx),
        link.ready.eq(1),
        link.step_inputs[0].eq(identity.config.inputs - 1),
        link.x.ready.eq(1),
    ]
    return link


class _EndlessEngine(wiring.Component):
    """A link whose engine computes every step and gives h until it is reset."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        link = _link_behind(m, self, IDENTITY)
        column, inputs = Signal(2), IDENTITY.config.inputs
        m.d.comb += [link.h.payload.h.eq(H), link.engine_busy.eq(link.h.valid)]
        m.d.sync += link.outcome_valid.eq(0)
        with m.If(link.x.valid):
            m.d.sync += column.eq(column + 1)
            with m.If(column == inputs - 1):
                m.d.sync += [column.eq(0), link.outcome_valid.eq(1), link.h.valid.eq(1)]
        with m.If(link.engine_reset):
            m.d.sync += [column.eq(0), link.h.valid.eq(0)]
        return m


def test_hello_while_results_are_written() -> None:
    """After it the first word in the ring is the next step's outcome, and then come its results."""
    step = struct.pack(f"{STREAM_HEAD}3h", StreamFlag.START, 0, 0, 1, 2, 3)
    session = [(Command.HELLO, b""), (Command.STREAM, step), (Command.FETCH, struct.pack("<HH", 0, 0))]
    frames = [Frame(number, command, body) for number, (command, body) in enumerate(2 * session)]
    answers = talk(_EndlessEngine(), frames)
    for answer in (answers[2], answers[5]):
        assert answer.body[0] == Status.OK
        words = struct.unpack(f"<{len(answer.body) // 2 - 1}H", answer.body[2:])
        assert words[:8] == (0, *[H] * 7)


class _TimedEngine(wiring.Component):
    """A link whose engine gives as its only h how many cycles a step's values took to come."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        link = _link_behind(m, self, replace(IDENTITY, config=self._config))
        column, inputs, span = Signal(2), self._config.inputs, Signal(15)
        m.d.comb += [link.h.payload.h.eq(span), link.h.payload.last.eq(1)]
        m.d.sync += [link.outcome_valid.eq(0), link.h.valid.eq(link.outcome_valid), span.eq(span + (column != 0))]
        with m.If(link.x.valid):
            m.d.sync += column.eq(column + 1)
            with m.If(column == 0):
                m.d.sync += span.eq(1)
            with m.If(column == inputs - 1):
                # From here on it stands still.
                m.d.sync += [column.eq(0), link.outcome_valid.eq(1)]
        return m


@pytest.mark.parametrize("counts", [1, 2])
@pytest.mark.parametrize("frames", [(3,), (1, 2), (2, 1)])
def test_values_reach_an_idle_engine_as_they_come(counts: int, frames: tuple[int, ...]) -> None:
    """If their frame has the step's last one, and nothing is fetched when a sequence begins; else without a pause."""
    bodies, flag = [], StreamFlag.START
    for size in frames:
        bodies += [(Command.STREAM, struct.pack(f"{STREAM_HEAD}{size}h", flag, 0, 0, *range(size)))]
        flag = StreamFlag(0)
    # Twice, since the first may be answered before the result is there.
    asked = [(Command.HELLO, b""), *bodies, *[(Command.FETCH, struct.pack("<HH", 0, 0))] * 2]
    config = replace(IDENTITY.config, active_counts=counts)
    answers = talk(_TimedEngine(config), [Frame(number, *one) for number, one in enumerate(asked)])
    outcome, span = struct.unpack("<2H", answers[-1].body[2:])
    assert outcome == 0
    # Two values follow the first one, each of two bytes of three cycles. What came with an earlier frame goes on when
    # the next one's first value tells that the rest will come, which is then behind it by the way through the queue.
    slowly = {(3,): 2 * 6, (1, 2): 6 + LATENCY - 2}
    assert span == 1 + (slowly.get(frames, 2) if counts == 1 else 2)
