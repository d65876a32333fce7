# amaranth: UnusedElaboratable=no
"""Parts of the link alone: serial port, frames in and out, the ring, and what is collected for it."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from cobs import cobs

from hw_tests.checks import Check, Sheet, Table, assert_equal
from hw_tests.cocotb.vectors import SIMULATORS, run_checks
from lstmith.host.link.codec import Frame
from lstmith.host.link.results import fields
from lstmith.rtl.link.answer import AnswerBuilder
from lstmith.rtl.link.collect import CompactCollector, RecordCollector
from lstmith.rtl.link.receiver import BUFFER_BYTES, FRAME_START, TAIL, FrameReceiver
from lstmith.rtl.link.ring import ResultRing
from lstmith.rtl.link.uart import UartReceiver, UartTransmitter, baud_step
from lstmith.spec.config import EngineConfig
from lstmith.spec.link_identity import IDENTITY_BYTES
from lstmith.spec.link_map import CRC_BYTES, FRAME_BYTES, PLACES, RECORDS, Command, Kind

BAUD = 3_000_000
#: Cycles per bit: few, as simulated boards have; no whole number, as real ones have.
BITS = (4.0, 50 / 3)
PERCENT = (-2, 0, 2)
FRAME_BITS = 10
CONFIG = EngineConfig(lanes=1, precisions=(8,), units=4, inputs=3)


def _levels(content: bytes, bit: float, gaps: npt.NDArray[np.int64], stop: int = 1) -> list[int]:
    """The line while bytes are sent with pauses behind them."""
    line: list[int] = []
    for byte, gap in zip(content, gaps.tolist(), strict=True):
        begin, frame = len(line), byte << 1 | stop << 9
        edges = [begin + round(bit * (place + 1)) for place in range(FRAME_BITS)]
        for place, edge in enumerate(edges):
            line += [frame >> place & 1] * (edge - len(line))
        line += [1] * gap
    return line


def _uart_receiver(rng: np.random.Generator, bit: float, percent: float) -> Check:
    """Every byte of a host whose bits are too long or too short; then a glitch, and a byte without a stop bit."""
    content = rng.bytes(24)
    gaps = rng.choice([0, 0, 0, 1, 5], len(content))
    line = [1] * 8 + _levels(content, bit * (1 + percent / 100), gaps) + [1] * 40
    line += [0] + [1] * 60 + _levels(b"\x55", bit, np.zeros(1, dtype=np.int64), stop=0) + [1] * 400
    broken = len(line) - 400

    def verify(outputs: Table) -> None:
        # Behind the table the pin is low.
        valid = np.flatnonzero(outputs["valid"][: len(line)])
        assert_equal("data", outputs["data"][valid], list(content))
        errors = np.flatnonzero(outputs["error"][: len(line)])
        assert len(errors) == 1
        assert abs(errors[0] - broken) < bit

    return Check(UartReceiver(round(BAUD * bit), BAUD), {"pin": line}, verify)


def _uart_transmitter(bit: float, byte: int) -> Check:
    """The same byte all the time: each in exactly ten bits."""
    count = 12
    cycles = round(bit * FRAME_BITS * count) + 40

    def verify(outputs: Table) -> None:
        pin = outputs["pin"]
        first = int(np.flatnonzero(pin == 0)[0])
        places = np.arange(count * FRAME_BITS)
        want = np.tile([byte << 1 >> place & 1 if place < FRAME_BITS - 1 else 1 for place in range(FRAME_BITS)], count)
        assert_equal("pin", pin[first + np.floor((places + 0.5) * bit).astype(int)], want)

    return Check(
        UartTransmitter(round(BAUD * bit), BAUD),
        {"i.valid": np.ones(cycles, int), "i.payload": np.full(cycles, byte)},
        verify,
    )


def _frame_receiver(rng: np.random.Generator) -> Check:
    """Right frames fill a buffer each, another is lost, a HELLO empties both; what is damaged leaves no trace."""
    identity = rng.bytes(IDENTITY_BYTES)
    unit, sheet = FrameReceiver(identity), Sheet(24_000)
    cycle, buffer = 4, 0
    looks: list[tuple[int, int]] = []  # cycle, what `full` is
    reads: list[tuple[int, int]] = []  # cycle of the byte, which
    hellos: list[tuple[int, int]] = []

    def send(encoded: bytes) -> None:
        nonlocal cycle
        at = cycle + 12 * np.arange(len(encoded))
        sheet.put("valid", at, 1)
        sheet.put("data", at, list(encoded))
        cycle = int(at[-1]) + 12

    def read(address: int, wanted: bytes) -> None:
        nonlocal cycle
        at = cycle + np.arange(len(wanted))
        sheet.put("r_addr", at, address + np.arange(len(wanted)))
        reads.extend(zip((at + 1).tolist(), wanted, strict=True))
        cycle += len(wanted) + 2

    for half in range(2):
        read(half * BUFFER_BYTES + TAIL, identity[half * IDENTITY_BYTES // 2 :][: IDENTITY_BYTES // 2])
    for size in [0, 1, 3, 40, FRAME_BYTES - 6, *rng.integers(0, 40, 4).tolist()]:
        body = bytes(rng.choice([0, 0, 1, 255], size).tolist()) if rng.random() < 0.5 else rng.bytes(size)
        right = Frame(int(rng.integers(256)), int(rng.integers(2, 200)), body).encode()
        place = int(rng.integers(len(right) - 1))
        damaged = bytes((*right[:place], right[place] ^ 1 << int(rng.integers(8)), *right[place + 1 :]))
        overlong = cobs.encode(bytes(FRAME_BYTES + 1)) + b"\0"
        for wrong in (damaged, right[:place] + b"\0", overlong if size == 1 else b"\0\0"):
            send(wrong)
            looks.append((cycle, 0))
        send(right)
        looks.append((cycle, 1 << buffer))
        content = cobs.decode(right[:-1])[:-CRC_BYTES]
        read(buffer * BUFFER_BYTES, bytes((FRAME_START + len(content),)) + content)
        buffer = 1 - buffer
        if rng.random() < 0.4:
            # The second one fills up; the third one finds no room.
            send(right)
            send(Frame(1, 2, bytes(20)).encode())
            looks.append((cycle, 3))
            read((1 - buffer) * BUFFER_BYTES, bytes((FRAME_START + len(content),)) + content)
            sequence = int(rng.integers(256))
            send(Frame(sequence, Command.HELLO).encode())
            hellos.append((cycle - 12, sequence))
            looks.append((cycle, 0))
            buffer = 0
        else:
            sheet.put("release", cycle, 2 >> buffer)
            cycle += 2

    def verify(outputs: Table) -> None:
        for at, full in looks:
            assert outputs["full"][at] == full, f"full in cycle {at}"
        cycles = np.array([cycle for cycle, _ in reads])
        assert_equal("r_data", outputs["r_data"][cycles], [byte for _, byte in reads])
        assert_equal("hello", np.flatnonzero(outputs["hello"]), [cycle for cycle, _ in hellos])
        for at_hello, sequence in hellos:
            assert outputs["sequence"][at_hello] == sequence

    assert cycle < sheet.cycles
    return Check(unit, sheet.table, verify)


def _answer_builder(rng: np.random.Generator) -> Check:
    """What is written into the buffer is the answer, encoded, with its CRC."""
    unit, sheet, begin = AnswerBuilder(), Sheet(14_000), 2
    frames: list[tuple[int, int, bytes]] = []
    for size in [4, FRAME_BYTES - CRC_BYTES, *rng.integers(1, 60, 14).tolist()]:
        content = bytes(rng.choice([0, 0, 7, 200], size).tolist()) if rng.random() < 0.5 else rng.bytes(size)
        # A byte is taken every ten cycles; the CRC's bytes take nine each.
        sheet.put("i.valid", slice(begin, begin + 10 * size), 1)
        sheet.put("i.payload", slice(begin, begin + 10 * size), np.repeat(list(content), 10))
        finish = begin + 10 * size
        finished = finish + 2 + 9 * CRC_BYTES
        sheet.put("finish", slice(finish, finished + 1), 1)
        frames.append((begin, finished, content))
        begin = finished + 3

    def verify(outputs: Table) -> None:
        assert_equal("finished", np.flatnonzero(outputs["finished"]), [finished for _, finished, _ in frames])
        for first, finished, content in frames:
            buffer, span = np.zeros(256, dtype=np.int64), slice(first, finished + 1)
            for address, value, enable in zip(
                *(outputs[name][span].tolist() for name in ("w_addr", "w_data", "w_en")), strict=True
            ):
                if enable:
                    buffer[address] = value
            encoded = cobs.encode(content + zlib.crc32(content).to_bytes(CRC_BYTES, "little")) + b"\0"
            assert_equal("buffer", buffer[: len(encoded)], list(encoded))
            full = outputs["body_full"][finished - 9 * CRC_BYTES - 2]
            assert full == (len(content) == FRAME_BYTES - CRC_BYTES)

    assert begin < sheet.cycles
    return Check(unit, sheet.table, verify)


def _ring(rng: np.random.Generator) -> Check:
    """Words are there until they are released, at any place, beyond the wrap of places too; a full ring takes none."""
    size = 8
    unit, sheet, cycle = ResultRing(size), Sheet(8000), 2
    words: list[int] = []
    released = 0
    looks: list[tuple[int, str, int]] = []
    while cycle < sheet.cycles - 200:
        for _ in range(int(rng.integers(size + 2))):
            word, room = int(rng.integers(1 << 16)), len(words) - released < size
            looks.append((cycle, "full", int(not room)))
            sheet.put("i.valid", slice(cycle, cycle + 2), 1)
            sheet.put("i.payload", slice(cycle, cycle + 2), word)
            looks += [(cycle, "i.ready", 0), (cycle + 1, "i.ready", int(room))]
            words += [word] if room else []
            cycle += 2
        # From any place that was not released, up to one ring behind.
        place = released + int(rng.integers(size + 1))
        if place == released + size and len(words) == released:
            place = released
        sheet.put("seek", cycle, 1)
        sheet.put("seek_place", cycle, place % PLACES)
        cycle += 2
        for word in words[place:]:
            for byte in (word & 0xFF, word >> 8):
                looks += [(cycle, "valid", 1), (cycle, "ready", 1), (cycle, "data", byte)]
                sheet.put("next", cycle, 1)
                looks.append((cycle + 1, "ready", 0))
                cycle += 2
        looks.append((cycle, "valid", 0))
        released += int(rng.integers(len(words) - released + 1))
        sheet.put("release", cycle, 1)
        sheet.put("release_place", cycle, released % PLACES)
        cycle += 1

    def verify(outputs: Table) -> None:
        for at, name, value in looks:
            assert outputs[name][at] == value, f"{name} in cycle {at}"

    return Check(unit, sheet.table, verify)


def _compact(rng: np.random.Generator) -> Check:
    """A word for each step's outcome, and behind it its results, though outcomes come before."""
    unit, sheet, cycle = CompactCollector(CONFIG), Sheet(4000), 2
    sheet.put("o.ready", slice(None), 1)
    wanted: list[int] = []
    while cycle < sheet.cycles - 60:
        steps = rng.integers(0, 2, int(rng.integers(1, 4))).tolist()
        for place, skipped in enumerate(steps):
            sheet.put("outcome_valid", cycle + place, 1)
            sheet.put("outcome_skipped", cycle + place, skipped)
        at = cycle + len(steps) + 2
        for skipped in steps:
            wanted.append(skipped)
            if not skipped:
                h = rng.integers(-(1 << 15), 1 << 15, CONFIG.units)
                sheet.put("h.valid", at + np.arange(CONFIG.units), 1)
                sheet.put("h.payload.h", at + np.arange(CONFIG.units), h)
                sheet.put("h.payload.last", at + CONFIG.units - 1, 1)
                wanted += (h & 0xFFFF).tolist()
                # The next outcome goes first.
                at += CONFIG.units + 3
        cycle = at + 2

    def verify(outputs: Table) -> None:
        assert_equal("o", outputs["o.payload"][np.flatnonzero(outputs["o.valid"])], wanted)

    return Check(unit, sheet.table, verify)


def _records(rng: np.random.Generator) -> Check:
    """Everything of one of the engine's cycles, a record each, before the cycle may end."""
    unit, sheet, cycle, steps = RecordCollector(CONFIG), Sheet(6000), 2, 0
    sheet.put("o.ready", slice(None), 1)
    names = {Kind.INPUT: "stamp", Kind.OUTCOME: "outcome_valid", Kind.EVENT: "event_valid", Kind.RESULT: "h.valid"}
    wanted: list[tuple[int, Kind, dict[str, int]]] = []
    done: list[int] = []
    while cycle < sheet.cycles - 60:
        happening = [kind for kind in names if rng.random() < 0.6]
        length = sum(RECORDS[kind].words for kind in happening)
        values = {"columns": int(rng.integers(8)), "restart": int(rng.integers(2))}
        result = {"h": int(rng.integers(-(1 << 15), 1 << 15)), "c": int(rng.integers(-900, 900)), "last": 1}
        skipped, span = int(rng.integers(2)), slice(cycle, cycle + length + 1)
        for kind in happening:
            sheet.put(names[kind], span, 1)
        sheet.put("outcome_skipped", span, skipped)
        for name, value in values.items():
            sheet.put(f"event.{name}", span, value)
        for name, value in result.items():
            sheet.put(f"h.payload.{name}", span, value)
        own = {Kind.INPUT: {}, Kind.OUTCOME: {"skipped": skipped}, Kind.EVENT: values, Kind.RESULT: result}
        at = cycle
        for kind in happening:
            wanted.append((at, kind, own[kind] | ({} if kind is Kind.RESULT else {"cycle": steps})))
            at += RECORDS[kind].words
        sheet.put("step", at, 1)
        done.append(at)
        steps += 1
        cycle = at + 1

    def verify(outputs: Table) -> None:
        for at, kind, values in wanted:
            record = RECORDS[kind]
            assert outputs["done"][at] == 0
            words = outputs["o.payload"][at : at + record.words].tolist()
            assert (outputs["o.valid"][at : at + record.words] == 1).all()
            assert Kind(words[0] & 3) is kind
            found = dict(zip((field.name for field in record.fields), fields(record, words), strict=True))
            for name, value in values.items():
                assert found[name] == value, f"{kind.name} {name} in cycle {at}"
        for at in done:
            assert (outputs["done"][at], outputs["o.valid"][at]) == (1, 0)

    return Check(unit, sheet.table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_parts(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {
        "frames": _frame_receiver(rng),
        "answer": _answer_builder(rng),
        "ring": _ring(rng),
        "compact": _compact(rng),
        "records": _records(rng),
    }
    for index, bit in enumerate(BITS):
        for percent in PERCENT:
            checks[f"receiver_{index}_{percent + 2}"] = _uart_receiver(rng, bit, percent)
        for byte in (0x00, 0xFF, 0xA1):
            checks[f"transmitter_{index}_{byte}"] = _uart_transmitter(bit, byte)
    run_checks(checks, simulator, tmp_path)


def test_baud_is_exact_enough() -> None:
    for clock in (12_000_000, 24_000_000, 25_000_000, 48_000_000, 50_000_000, 133_333_333):
        bits, step = baud_step(clock, BAUD)
        assert step * clock / (1 << bits) == pytest.approx(BAUD, rel=0.002)
    with pytest.raises(ValueError, match=r"^Baud must be positive and at most 500000, not 600000$"):
        baud_step(1_000_000, 600_000)
    with pytest.raises(TypeError, match=r"^Ring size must be a power of two up to 32768, not 12$"):
        ResultRing(12)
    with pytest.raises(TypeError, match=r"^Number of buffers must be a power of two from 2 on, not 3$"):
        FrameReceiver(bytes(IDENTITY_BYTES), 3)
