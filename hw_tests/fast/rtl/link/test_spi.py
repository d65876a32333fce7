# amaranth: UnusedElaboratable=no
"""SPI: bytes of a controller at every speed it may have, pauses, and bytes that are broken off."""

from __future__ import annotations

from collections import deque

import numpy as np

from hw_tests.checks import Check, Table, assert_equal, run_here
from lstmith.rtl.link.spi import CYCLES_MIN, SpiPeripheral

#: Cycles of a level of SCK: the shortest, and others, which need not be equal.
LEVELS = (2, 3, 4, 7)


class Controller:
    """Lines over time, and what a controller makes of ``cipo``.

    Attributes
    ----------
    lines : dict of str to list of int
        A value per cycle, of each input.
    sent : list of int
        Bytes that passed whole.
    looks : list of list of int
        Of each of them, the cycles at which its bits are looked at.
    """

    def __init__(self, rng: np.random.Generator):
        self._rng = rng
        self.lines: dict[str, list[int]] = {"select": [], "sck": [], "copi": []}
        self.sent: list[int] = []
        self.looks: list[list[int]] = []
        self._select = 0
        self.hold(8)

    def hold(self, cycles: int, sck: int = 0, copi: int | None = None) -> None:
        """Let time pass."""
        levels = (self._select, sck, int(self._rng.integers(2)) if copi is None else copi)
        for name, level in zip(self.lines, levels, strict=True):
            self.lines[name] += [level] * cycles

    def select(self, on: bool) -> None:
        """Begin or end."""
        self._select = int(on)
        self.hold(CYCLES_MIN)

    def exchange(self, byte: int, low: int, high: int, bits: int = 8) -> None:
        """A byte, or its first bits."""
        looks = []
        for place in range(bits):
            bit = byte >> (7 - place) & 1
            self.hold(low, copi=bit)
            looks.append(len(self.lines["sck"]))
            self.hold(high, sck=1, copi=bit)
        if bits == 8:
            self.sent.append(byte)
            self.looks.append(looks)


def _spi(rng: np.random.Generator, low: int, high: int, waiting: bool) -> Check:
    """Bytes with pauses, in and between them, of which some are broken off; bytes to send wait always or sometimes."""
    controller = Controller(rng)
    controller.select(True)
    for _ in range(40):
        if rng.random() < 0.3:
            controller.exchange(int(rng.integers(256)), low, high, bits=int(rng.integers(8)))
            controller.select(False)
            # Other devices' edges mean nothing here.
            for _ in range(int(rng.integers(3))):
                controller.hold(low)
                controller.hold(high, sck=1)
            controller.hold(CYCLES_MIN)
            controller.select(True)
        controller.hold(int(rng.choice([0, 0, 1, 30])))
        controller.exchange(int(rng.integers(256)), low, high)
    controller.hold(2 * CYCLES_MIN)
    controller.select(False)
    cycles = len(controller.lines["sck"])
    offered = np.ones(cycles, int)
    if not waiting:
        # For two cycles each, of which the first has no byte yet.
        offered = (np.convolve(rng.random(cycles) < 0.004, [1, 1])[:cycles] > 0).astype(int)
    # A byte stays until it is taken; here every cycle offers another one, and the taken ones are those to expect.
    payload = rng.integers(1, 256, cycles)

    def verify(outputs: Table) -> None:
        valid = np.flatnonzero(outputs["valid"])
        assert_equal("data", outputs["data"][valid], controller.sent)
        taken = np.flatnonzero(outputs["i.ready"][:cycles] & offered)
        assert offered[taken - 1].all()
        assert (np.diff(taken) > 1).all()
        due = deque(payload[taken].tolist())
        for looks in controller.looks:
            bits = outputs["cipo"][np.array(looks)]
            byte = int("".join(map(str, bits)), 2)
            assert not byte or byte == due.popleft()
        # The last byte taken may still wait.
        assert len(due) <= 1
        assert not waiting or len(taken) >= len(controller.sent)

    return Check(SpiPeripheral(), {**controller.lines, "i.valid": offered, "i.payload": payload}, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """The fastest SCK and slower ones, of equal and unequal levels."""
    found = {}
    for low in LEVELS:
        for high in LEVELS:
            if low + high >= CYCLES_MIN:
                for waiting in (True, False):
                    found[f"spi_{low}_{high}_{int(waiting)}"] = _spi(rng, low, high, waiting)
    return found


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
