# amaranth: UnusedElaboratable=no
"""Frame receiver: right frames fill a buffer, damaged ones leave no trace."""

from __future__ import annotations

import numpy as np
import pytest
from cobs import cobs

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.host.link.codec import Frame
from lstmith.rtl.link.receiver import BUFFER_BYTES, BYTE_CYCLES, FRAME_START, TAIL, FrameReceiver
from lstmith.spec.link_identity import IDENTITY_BYTES
from lstmith.spec.link_map import CRC_BYTES, FRAME_BYTES, Command


def _frame_receiver(rng: np.random.Generator) -> Check:
    """Right frames fill a buffer each, another is lost, a HELLO empties both; what is damaged leaves no trace."""
    identity = rng.bytes(IDENTITY_BYTES)
    unit, sheet = FrameReceiver(identity=identity), Sheet(36_000)
    cycle, buffer = 4, 0
    looks: list[tuple[int, int]] = []  # cycle, what `full` is
    reads: list[tuple[int, int]] = []  # cycle of the byte, which
    hellos: list[tuple[int, int]] = []

    def send(encoded: bytes) -> None:
        nonlocal cycle
        at = cycle + BYTE_CYCLES * np.arange(len(encoded))
        sheet.put("valid", at, 1)
        sheet.put("data", at, list(encoded))
        cycle = int(at[-1]) + BYTE_CYCLES

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
            hellos.append((cycle - BYTE_CYCLES, sequence))
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


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Frames of all sizes, damaged ones among them."""
    return {"frames": _frame_receiver(rng)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


def test_buffers_are_a_power_of_two() -> None:
    with pytest.raises(TypeError, match=r"^Number of buffers must be a power of two from 2 on, not 3$"):
        FrameReceiver(identity=bytes(IDENTITY_BYTES), buffers=3)
