"""The link in hardware: noise and damaged frames against the device model, whole runs against golden."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.bench_runs import run_bench
from hw_tests.unit.link_cases import PATIENCE, identity, sequences, small_design
from lstmith.boards.top import SIMULATED, simulation_verilog
from lstmith.compiler.design import Design
from lstmith.compiler.program_image import build_memory_image
from lstmith.host.accelerator import Accelerator
from lstmith.host.link.codec import Frame, Receiver
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import (
    READ_HEAD,
    STREAM_HEAD,
    WRITE_HEAD,
    Command,
    Feature,
    LinkRegister,
    Status,
    link_address,
)
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy import Mode, Policy
from lstmith.test_support.link_fuzz import BAUD_MOST, CYCLES_PER_BIT, IDENTITY, baud_tolerated, build_probe, fuzz
from lstmith.test_support.serial_bench import Reaction, SerialBench

FUZZED = 10_000
#: More cycles than a stuck engine is waited for.
WATCHDOG = 20_000
HELLO = Frame(7, Command.HELLO).encode()
WRITE = struct.pack(WRITE_HEAD, 2, 0) + struct.pack("<I", 9)
READ = struct.pack(READ_HEAD, 1, 2, 0)
STREAM = struct.pack(STREAM_HEAD, 1, 0, 0) + struct.pack("<2h", -5, 6)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SerialBench]:
    """The link alone."""
    with build_probe(tmp_path_factory.mktemp("probe")) as bench:
        yield bench


def _statuses(reaction: Reaction) -> list[tuple[int, int]]:
    """Command and status of every answer."""
    assert reaction.rests
    return [(frame.command & 0x7F, frame.body[0]) for frame in Receiver().feed(reaction.sent)]


def test_fuzz(probe: SerialBench, rng: np.random.Generator) -> None:
    tally = fuzz(probe, rng, FUZZED)
    assert (tally.hangs, tally.wrong_answers, tally.unintended, tally.silent) == (0, 0, 0, 0)
    assert min(tally.by_kind.values()) > FUZZED / 30


def test_hello_tells_the_identity(probe: SerialBench) -> None:
    (answer,) = Receiver().feed(probe.exchange(HELLO).sent)
    assert (answer.seq, answer.command, answer.body[:2]) == (7, 0x81, bytes((Status.OK, 8)))
    assert Identity.unpack(answer.body[2:]) == IDENTITY


@pytest.mark.parametrize("percent", [-2, -1, 1, 2])
def test_baud_may_be_off(probe: SerialBench, percent: int) -> None:
    probe.set_bit(CYCLES_PER_BIT * (1 + percent / 100))
    try:
        assert _statuses(probe.exchange(HELLO)) == [(Command.HELLO, Status.OK)]
        for sequence in range(8, 60):
            body = struct.pack(WRITE_HEAD, 0, 0) + bytes(range(sequence, sequence + 180))
            reaction = probe.exchange(Frame(sequence, Command.WRITE, body).encode())
            assert _statuses(reaction) == [(Command.WRITE, Status.OK)]
    finally:
        probe.set_bit(CYCLES_PER_BIT)


def test_baud_tolerated(probe: SerialBench) -> None:
    found = baud_tolerated(probe)
    assert min(found["slow"], found["fast"]) >= 2
    assert max(found["slow"], found["fast"]) < BAUD_MOST


def test_baud_far_off_is_silence(probe: SerialBench) -> None:
    probe.set_bit(CYCLES_PER_BIT * 1.2)
    try:
        assert _statuses(probe.exchange(HELLO)) == []
    finally:
        probe.set_bit(CYCLES_PER_BIT)
    assert _statuses(probe.exchange(b"\0" + HELLO)) == [(Command.HELLO, Status.OK)]


def test_a_low_stop_bit_damages_the_frame(probe: SerialBench) -> None:
    probe.exchange(HELLO)
    frame = Frame(8, Command.WRITE, WRITE).encode()
    assert probe.exchange(frame[:5], broken=True).rests
    reaction = probe.exchange(frame[5:])
    assert (reaction.sent, reaction.told) == (b"", ())
    assert _statuses(probe.exchange(frame)) == [(Command.WRITE, Status.OK)]


@pytest.mark.parametrize(("command", "body"), [(Command.WRITE, WRITE), (Command.READ, READ), (Command.STREAM, STREAM)])
def test_a_stuck_engine_ends_the_session(probe: SerialBench, command: Command, body: bytes) -> None:
    probe.exchange(HELLO)
    probe.block(True)
    try:
        reaction = probe.send(Frame(8, command, body).encode(), WATCHDOG)
        assert _statuses(reaction) == [(command, Status.STALLED)]
        assert reaction.told == ((2, 0, 0),), "the engine is reset, and told nothing else"
        reaction = probe.send(Frame(9, command, body).encode(), WATCHDOG)
        assert _statuses(reaction) == [(command, Status.NO_SESSION)]
    finally:
        probe.block(False)
    assert _statuses(probe.exchange(HELLO)) == [(Command.HELLO, Status.OK)]
    assert _statuses(probe.exchange(Frame(8, command, body).encode())) == [(command, Status.OK)]


def test_hello_ends_what_is_stuck(probe: SerialBench) -> None:
    probe.exchange(HELLO)
    probe.block(True)
    # All buffers are full, and another frame is lost.
    frames = [Frame(8 + index, Command.STREAM, STREAM).encode() for index in range(IDENTITY.window + 1)]
    probe.send(b"".join(frames))
    reaction = probe.send(HELLO, WATCHDOG)
    probe.block(False)
    assert _statuses(reaction) == [(Command.HELLO, Status.OK)]
    assert reaction.told == ((2, 0, 0),)
    assert _statuses(probe.exchange(Frame(8, Command.STREAM, STREAM).encode())) == [(Command.STREAM, Status.OK)]


def test_reset_at_any_moment(probe: SerialBench, rng: np.random.Generator) -> None:
    work = HELLO + b"".join(Frame(8 + i, Command.READ, READ).encode() for i in range(4))
    for _ in range(100):
        probe.send(work[: int(rng.integers(len(work)))], int(rng.integers(600)))
        probe.reset()
        assert probe.exchange().rests
        reaction = probe.exchange(Frame(8, Command.WRITE, WRITE).encode())
        assert _statuses(reaction) == [(Command.WRITE, Status.NO_SESSION)]
        assert _statuses(probe.exchange(HELLO)) == [(Command.HELLO, Status.OK)]


def test_what_is_known_of_the_memories_survives_as_they_do(probe: SerialBench) -> None:
    """A reset between two uploads must not make the first one's weights pass for the bitstream's."""
    low, high = link_address(LinkRegister.TAG) & 0xFFFF, link_address(LinkRegister.TAG) >> 16
    probe.exchange(HELLO)
    probe.exchange(Frame(8, Command.WRITE, struct.pack(WRITE_HEAD, low, high) + struct.pack("<I", 0x12345678)).encode())
    for fault in (probe.reset, lambda: None):
        fault()
        probe.exchange(HELLO)
        reaction = probe.exchange(Frame(8, Command.READ, struct.pack(READ_HEAD, 1, low, high)).encode())
        (answer,) = Receiver().feed(reaction.sent)
        assert answer.body[0] == Status.OK
        assert struct.unpack("<I", answer.body[-4:]) == (0x12345678,)


class Recorder(SerialBench):
    """Keeps what was sent and what came back."""

    log: list[tuple[bytes, bytes]]

    def exchange(self, content: bytes = b"", *, cycles: int = 2_000_000, broken: bool = False) -> Reaction:
        """As of every bench."""
        reaction = super().exchange(content, cycles=cycles, broken=broken)
        self.log.append((content, reaction.sent))
        return reaction


@pytest.fixture(scope="module", params=[(Feature.RECORDS | Feature.STATES, 8), (Feature(0), 2)], ids=["full", "narrow"])
def core(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Recorder, Design, str]]:
    """A small network's core behind its link."""
    design = small_design(np.random.default_rng(5))
    image = build_memory_image(design.network, design.engine, [Policy()])
    features, window = request.param
    clock = CYCLES_PER_BIT * 3_000_000
    told = identity(design.engine, features=features, window=window, clock_hz=clock, ring_words=128)
    verilog = simulation_verilog(told, image, image_tag(image, design.engine))
    with Recorder(verilog, SIMULATED, tmp_path_factory.mktemp("core"), CYCLES_PER_BIT) as bench:
        bench.log = []
        yield bench, design, verilog


def test_equals_golden(core: tuple[Recorder, Design, str], rng: np.random.Generator) -> None:
    """Every number and every cycle, by the driver that users have; on the second simulator, every byte."""
    bench, design, _ = core
    accelerator = Accelerator(bench, patience=PATIENCE)
    accelerator.load(design)
    full = bool(accelerator.backend.device.identity.features & Feature.RECORDS)  # type: ignore[attr-defined]
    given = sequences(rng, design.network.inputs, count=3, steps=9)
    for policy in (Policy(), Policy(Mode.DELTA, theta_x=3), Policy(Mode.SKIP)) if full else (Policy(),):
        request = make_request(design, given, [policy])
        golden = run_golden(request)
        if full:
            run = accelerator.run(request)
            assert mismatches(run, golden) == 0
            np.testing.assert_array_equal(run.cycles, run_golden(request, run.idle).cycles)
            accelerator.policy = [policy]
        for index, length in enumerate(given.lengths):
            h = np.stack(list(accelerator.infer(iter(given.x[index, :length]))))
            np.testing.assert_array_equal(h, golden.h[index, :length])
        few = accelerator.infer(given.x[0, : given.lengths[0]], every=3)
        np.testing.assert_array_equal(few, golden.h[0, 2 : given.lengths[0] : 3])


def test_hello_at_any_moment(core: tuple[Recorder, Design, str], rng: np.random.Generator) -> None:
    """Whatever a session was doing, the next one is right."""
    bench, design, _ = core
    accelerator = Accelerator(bench, patience=PATIENCE)
    accelerator.load(design)
    x = sequences(rng, design.network.inputs, count=1, steps=5).x[0]
    expected = accelerator.infer(x)
    packets = b"".join(sent for sent, _ in bench.log[-12:])
    for _ in range(30):
        bench.send(packets[: int(rng.integers(len(packets)))], int(rng.integers(2000)))
        bench.exchange(b"\0" + Frame(int(rng.integers(256)), Command.HELLO).encode())
        again = Accelerator(bench, patience=PATIENCE)
        again.load(design)
        np.testing.assert_array_equal(again.infer(x), expected)


class Replay:
    """A transport that answers as an earlier device did to the same bytes."""

    name = "replay"

    def __init__(self, packets: list[bytes], answers: list[bytes]):
        self._left = list(zip(packets, answers, strict=True))
        self._received = b""

    def write(self, content: bytes) -> None:
        """The next packet, and no other."""
        packet, answer = self._left.pop(0)
        assert content == packet
        self._received += answer

    def read(self, timeout: float) -> bytes:
        """What it was answered."""
        received, self._received = self._received, b""
        return received

    def close(self) -> None:
        """Everything was asked for."""
        assert not self._left


def test_icarus_equals_golden(
    core: tuple[Recorder, Design, str], rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same packets on the second simulator, whose answers the driver then takes for a device's."""
    bench, design, verilog = core
    given = sequences(rng, design.network.inputs, count=1, steps=2)
    request = make_request(design, given, [Policy()])

    def work(accelerator: Accelerator) -> np.ndarray:
        # A byte takes a tenth of a second to simulate, so no golden vectors first: all is compared here anyway.
        accelerator.load(design, check=False)
        live = np.stack(list(accelerator.infer(iter(given.x[0, : given.lengths[0]]))))
        if not accelerator.backend.device.records:  # type: ignore[attr-defined]
            return live
        run = accelerator.run(request)
        assert mismatches(run, golden) == 0
        np.testing.assert_array_equal(run.cycles, run_golden(request, run.idle).cycles)
        return live

    golden = run_golden(request)
    # Sessions begin at a random sequence number.
    monkeypatch.setattr("lstmith.host.link.session.secrets.randbelow", lambda below: 250)
    bench.reset()
    bench.log.clear()
    accelerator = Accelerator(bench, patience=PATIENCE)
    work(accelerator)
    packets = [sent for sent, _ in bench.log if sent]
    (tmp_path / "core.v").write_text(verilog)
    (tmp_path / "packets.json").write_text(
        json.dumps({"cycles_per_bit": CYCLES_PER_BIT, "packets": [packet.hex() for packet in packets]})
    )
    run_bench("serial_replay_bench", "LSTMITH_REPLAY", [tmp_path / "core.v"], SIMULATED, "icarus", tmp_path)
    answers = [bytes.fromhex(answer) for answer in json.loads((tmp_path / "answers.json").read_text())]
    live = work(Accelerator(Replay(packets, answers), patience=PATIENCE))
    np.testing.assert_array_equal(live, golden.h[0, : given.lengths[0]])
