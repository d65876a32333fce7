"""cocotb bench of a board behind SPI: the driver that users have, over a controller that pauses and breaks off.

``LSTMITH_SPI`` names a folder with the design, ``x.npy`` [sequences, steps, inputs] and ``seed.json``; ``h.npy`` and,
of an engine that tells them, ``records.npz`` are written beside them; of a design with a verdict ``verdicts.npz``.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, Timer

from hw_tests.unit.link_cases import PATIENCE
from lstmith.compiler.design import Design
from lstmith.host.accelerator import Accelerator
from lstmith.host.request import integer_request
from lstmith.rtl.link.spi import CYCLES_MIN
from lstmith.spec.policy import Policy

PERIOD_PS = 10_000
#: Shortest level of SCK, and its shortest cycle.
LEVEL_PS, SCK_PS = 2 * PERIOD_PS, CYCLES_MIN * PERIOD_PS
#: Probabilities, per bit and per byte.
PAUSE, BREAK = 0.01, 0.1
#: Bytes that are fetched at once, cycles between two looks at the pins, and most looks until the board rests.
CHUNK, LOOK, HUNG = 8, 10, 100_000


class Controller:
    """Drives the pins, in time that has nothing to do with the board's clock; a transport of the driver.

    Parameters
    ----------
    dut : handle
    choose : random.Random
    """

    name = "spi"

    def __init__(self, dut: Any, choose: random.Random):
        self._dut, self._choose = dut, choose
        self._received = b""
        self._exchange, self._fetch = resume(self.exchange), resume(self.fetch)
        self.broken = 0

    async def _bits(self, byte: int, count: int) -> int:
        """The first bits of a byte, and those that came."""
        dut, choose, answer = self._dut, self._choose, 0
        for place in range(count):
            low = choose.randint(LEVEL_PS, SCK_PS - LEVEL_PS)
            high = SCK_PS - low + choose.choice((0, 0, choose.randint(0, SCK_PS)))
            if choose.random() < PAUSE:
                low += choose.randint(0, 100 * PERIOD_PS)
            dut.spi_copi.value = byte >> (7 - place) & 1
            await Timer(low, "ps")
            answer = answer << 1 | int(dut.spi_cipo.value)
            dut.spi_sck.value = 1
            await Timer(high, "ps")
            dut.spi_sck.value = 0
        return answer

    async def _select(self, on: bool) -> None:
        await Timer(SCK_PS, "ps")
        self._dut.spi_select.value = int(on)
        await Timer(SCK_PS, "ps")

    async def exchange(self, content: bytes) -> bytes:
        """Bytes in both directions; some are broken off by another device's turn, and sent again."""
        answers = bytearray()
        await self._select(True)
        for byte in content:
            if self._choose.random() < BREAK:
                self.broken += 1
                await self._bits(byte, self._choose.randint(0, 7))
                await self._select(False)
                await self._bits(self._choose.getrandbits(8), 8)
                await self._select(True)
            answers.append(await self._bits(byte, 8))
        await self._select(False)
        return bytes(answers)

    async def fetch(self) -> bytes:
        """All that the board has to say, until it rests."""
        answers = b""
        for _ in range(HUNG):
            if self._dut.spi_ready.value:
                answers += await self.exchange(bytes(CHUNK))
            elif self._dut.busy.value:
                await ClockCycles(self._dut.clk, LOOK)
            else:
                return answers
        raise AssertionError("the board does not come to rest")

    def write(self, content: bytes) -> None:
        """As a transport: the board takes it, and answers, at once."""
        self._received += self._exchange(content) + self._fetch()

    def read(self, timeout: float) -> bytes:
        """As a transport: what has come; if that is nothing, after more of the board's time."""
        received, self._received = self._received or self._fetch(), b""
        return received

    def close(self) -> None:
        """The simulation goes on."""


@cocotb.test()
async def sequences(dut: Any) -> None:
    """All sequences, each h before the next step is sent, then all at once with every record."""
    folder = Path(os.environ["LSTMITH_SPI"])
    seed = json.loads((folder / "seed.json").read_text())
    dut.rst.value, dut.spi_select.value, dut.spi_sck.value, dut.spi_copi.value = 1, 0, 0, 0
    Clock(dut.clk, PERIOD_PS, unit="ps").start()
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    controller = Controller(dut, random.Random(seed))
    design, x = Design.load(folder / "design"), np.load(folder / "x.npy")

    def work() -> None:
        accelerator = Accelerator(controller, patience=PATIENCE)
        accelerator.load(design, check=False)
        if design.engine.verdicts:
            # Of a sequence's last step the lights tell it too.
            judged = [(accelerator.judge(part, every=1), int(dut.lights.value)) for part in x]
            told, lights = zip(*judged, strict=True)
            np.savez(folder / "verdicts.npz", told=told, lights=lights)
        else:
            np.save(folder / "h.npy", np.stack([np.stack(list(accelerator.infer(iter(part)))) for part in x]))
        if accelerator.backend.device.records:  # type: ignore[attr-defined]
            run = accelerator.run(integer_request(design, [Policy()], design.network.quantise_input(x)))
            idle = np.zeros(x.shape[:2], dtype=np.bool_) if run.idle is None else run.idle
            last = run.layers[-1]
            np.savez(folder / "records.npz", h=last.h, verdict=last.verdict, cycles=run.cycles, idle=idle)

    await bridge(work)()
    assert controller.broken > 0
