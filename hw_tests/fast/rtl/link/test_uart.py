# amaranth: UnusedElaboratable=no
"""Serial port: bytes of a host whose clock differs, and bytes sent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hw_tests.checks import Check, Table, assert_equal, run_here
from lstmith.rtl.link.uart import UartReceiver, UartTransmitter, baud_step

BAUD = 3_000_000


#: Cycles per bit: few, as simulated boards have; no whole number, as real ones have.
BITS = (4.0, 50 / 3)


PERCENT = (-2, 0, 2)


FRAME_BITS = 10


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

    return Check(UartReceiver(clock_hz=round(BAUD * bit), baud=BAUD), {"pin": line}, verify)


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
        UartTransmitter(clock_hz=round(BAUD * bit), baud=BAUD),
        {"i.valid": np.ones(cycles, int), "i.payload": np.full(cycles, byte)},
        verify,
    )


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Few cycles per bit and no whole number of them, clocks two percent off."""
    checks = {}
    for index, bit in enumerate(BITS):
        for percent in PERCENT:
            checks[f"receiver_{index}_{percent + 2}"] = _uart_receiver(rng, bit, percent)
        for byte in (0x00, 0xFF, 0xA1):
            checks[f"transmitter_{index}_{byte}"] = _uart_transmitter(bit, byte)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


def test_baud_is_exact_enough() -> None:
    for clock in (12_000_000, 24_000_000, 25_000_000, 48_000_000, 50_000_000, 133_333_333):
        bits, step = baud_step(clock, BAUD)
        assert step * clock / (1 << bits) == pytest.approx(BAUD, rel=0.002)
    with pytest.raises(ValueError, match=r"^Baud must be positive and at most 500000, not 600000$"):
        baud_step(1_000_000, 600_000)
