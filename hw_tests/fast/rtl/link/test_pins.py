"""A core behind SPI: the same frames as on a serial port, h equal to golden's, and what the two more pins tell."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from hw_tests.fast.rtl.link.test_link import IDENTITY
from hw_tests.fast.rtl.small_engine import Features, small_engine
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.link.codec import Frame, Receiver
from lstmith.rtl.link.core import LinkedCore
from lstmith.rtl.link.pins import front_pins
from lstmith.rtl.link.spi import CYCLES_MIN
from lstmith.spec.link_map import FETCH_HEAD, STREAM_HEAD, Command, Feature, Status, StreamFlag
from lstmith.spec.policy import Mode, Policy

SPI = Feature.STATES | Feature.RECORDS | Feature.SPI
#: Cycles within which an answer, and a small engine's results, are there.
LIMIT = 4000


def test_every_front_has_its_pins() -> None:
    assert list(front_pins(IDENTITY)) == ["rx", "tx"]
    assert {name.split("_")[0] for name in front_pins(replace(IDENTITY, features=SPI))} == {"spi"}


class _Controller:
    """A microcontroller that waits for what the pins tell before it does anything."""

    def __init__(self, ctx: Any, unit: Any, asked: list[int]):
        self._ctx, self._unit, self._receiver = ctx, unit, Receiver()
        # Sequence numbers of what was sent.
        self._asked = asked

    async def exchange(self, byte: int) -> int:
        """A byte in each direction, at the fastest SCK."""
        ctx, unit, answer = self._ctx, self._unit, 0
        for place in reversed(range(8)):
            ctx.set(unit.spi_copi, byte >> place & 1)
            ctx.set(unit.spi_sck, 0)
            await ctx.tick().repeat(CYCLES_MIN // 2)
            answer = answer << 1 | ctx.get(unit.spi_cipo)
            ctx.set(unit.spi_sck, 1)
            await ctx.tick().repeat(CYCLES_MIN // 2)
        ctx.set(unit.spi_sck, 0)
        return answer

    async def until(self, pin: Any) -> None:
        """Wait for a pin."""
        for _ in range(LIMIT):
            if self._ctx.get(pin):
                return
            await self._ctx.tick()
        raise AssertionError(f"{pin.name} stays low")

    async def ask(self, frame: Frame) -> Frame:
        """Send a frame, and fetch its answer while the pin says that there is one."""
        unit, found = self._unit, []
        self._asked.append(frame.seq)
        self._ctx.set(unit.spi_select, 1)
        await self._ctx.tick().repeat(CYCLES_MIN)
        for byte in frame.encode():
            assert await self.exchange(byte) == 0
        await self.until(unit.spi_ready)
        while self._ctx.get(unit.spi_ready):
            found += self._receiver.feed(bytes((await self.exchange(0),)))
            await self._ctx.tick().repeat(CYCLES_MIN)
        self._ctx.set(unit.spi_select, 0)
        await self._ctx.tick().repeat(CYCLES_MIN)
        (answer,) = found
        assert answer.body[0] == Status.OK
        return answer


def test_steps_over_spi(rng: np.random.Generator) -> None:
    """The first step comes in two parts: nothing is told before the second. Then words wait until they are released."""
    config, network = small_engine(rng, Features(dims=(2, 2)))
    x = rng.integers(-3000, 3000, (2, network.inputs)).astype(np.int16)
    policies = [Policy(Mode.DELTA)]
    image = build_memory_image(network, config, policies)
    unit: Any = LinkedCore(replace(IDENTITY, config=config, features=SPI), image)
    (trace,) = GoldenModel(network, config).run(x[None], policies)
    want = [word for step in trace.h[0].tolist() for word in (0, *step)]

    asked: list[int] = []
    rises: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(unit.ready, 1)
        await ctx.tick().repeat(20)
        controller = _Controller(ctx, unit, asked)
        assert (await controller.ask(Frame(3, Command.HELLO))).seq == 3
        for sequence, (flag, values) in enumerate(
            [(StreamFlag.START, x[0, :1]), (StreamFlag(0), x[0, 1:]), (StreamFlag(0), x[1])], 4
        ):
            body = struct.pack(f"{STREAM_HEAD}{len(values)}h", flag, 0, len(want), *values.tolist())
            await controller.ask(Frame(sequence, Command.STREAM, body))
            if sequence == 4:
                await ctx.tick().repeat(LIMIT)
                assert not ctx.get(unit.spi_irq), "half a step has no result"
        await controller.until(unit.spi_irq)
        answer = await controller.ask(Frame(7, Command.FETCH, struct.pack(FETCH_HEAD, 0, 0)))
        assert list(struct.unpack(f"<{len(want)}h", answer.body[2:])) == want
        assert ctx.get(unit.spi_irq), "words were fetched, not released"
        await controller.ask(Frame(8, Command.FETCH, struct.pack(FETCH_HEAD, len(want), len(want))))
        assert not ctx.get(unit.spi_irq)
        # Down while a request is at work, up once behind it: by the step, by the other step, and by what was kept.
        assert rises == [5, 6, 7]

    async def watch(ctx: Any) -> None:
        level = 0
        async for *_, irq in ctx.tick().sample(unit.spi_irq):
            if irq and not level:
                rises.append(asked[-1])
            level = irq

    simulation = Simulator(unit)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    simulation.add_testbench(watch, background=True)
    simulation.run()
