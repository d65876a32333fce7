"""Answers: encoded frames with their CRC."""

from __future__ import annotations

import zlib

import numpy as np
from cobs import cobs

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.link.answer import AnswerBuilder, AnswerSender
from lstmith.spec.link_map import CRC_BYTES, FRAME_BYTES


def _answer_builder(rng: np.random.Generator) -> Check:
    """What is written into the buffer is the answer, encoded, with its CRC."""
    unit, sheet, begin = AnswerBuilder(), Sheet(14_000), 2
    frames: list[tuple[int, int, bytes]] = []
    for size in [4, FRAME_BYTES - CRC_BYTES, *rng.integers(1, 60, 14).tolist()]:
        content = bytes(rng.choice([0, 0, 7, 200], size).tolist()) if rng.random() < 0.5 else rng.bytes(size)
        finish = begin + unit.byte_cycles * size
        sheet.put("i.valid", slice(begin, finish), 1)
        sheet.put("i.payload", slice(begin, finish), np.repeat(list(content), unit.byte_cycles))
        finished = finish + unit.latency
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
            full = outputs["body_full"][finished - unit.latency]
            assert full == (len(content) == FRAME_BYTES - CRC_BYTES)

    assert begin < sheet.cycles
    return Check(unit, sheet.table, verify)


def _answer(rng: np.random.Generator) -> Check:
    """Answers are built while the one before is sent to a slow port: every byte of each, once."""
    unit, sheet, cycle = AnswerSender(), Sheet(6000), 2
    finishes: list[int] = []
    taken: list[int] = []
    wanted = b""
    for size in rng.integers(4, 40, 10).tolist():
        content = rng.bytes(size)
        span = slice(cycle, cycle + unit.byte_cycles * size)
        sheet.put("i.valid", span, 1)
        sheet.put("i.payload", span, np.repeat(list(content), unit.byte_cycles))
        cycle = span.stop
        encoded = cobs.encode(content + zlib.crc32(content).to_bytes(CRC_BYTES, "little")) + b"\0"
        # It is complete when it is built and the one before is gone.
        finished = max(cycle + unit.latency, taken[-1] + 1 if taken else 0)
        sheet.put("finish", slice(cycle, finished + 1), 1)
        finishes.append(finished)
        taken += [finished + 4 + 12 * place for place in range(len(encoded))]
        wanted += encoded
        cycle = finished + 3
    sheet.put("o.ready", taken, 1)

    def verify(outputs: Table) -> None:
        assert_equal("finished", np.flatnonzero(outputs["finished"]), finishes)
        assert outputs["o.valid"][taken].all(), "a byte is missing"
        assert_equal("o", outputs["o.payload"][taken], list(wanted))

    assert taken[-1] < sheet.cycles
    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Answers of all sizes."""
    return {"builder": _answer_builder(rng), "answer": _answer(rng)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
