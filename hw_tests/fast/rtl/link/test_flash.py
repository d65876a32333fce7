# amaranth: UnusedElaboratable=no
"""Flash loader: weights from a serial flash to the bus, and their checksum."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from lstmith.rtl.link.flash import READ_COMMAND, WAKE_COMMAND, WAKE_CYCLES, FlashLoader, checksum
from lstmith.spec.registers import WEIGHTS


@pytest.mark.parametrize("damaged", [False, True])
def test_flash_loader(damaged: bool) -> None:
    """Against a flash that answers 0xAB and 0x03 only."""
    offset = 0x1234
    words = np.random.default_rng(1).integers(0, 1 << 16, (3, 8), dtype=np.uint16)
    content = bytes(offset) + words.astype("<u2").tobytes()
    dut = FlashLoader(lanes=3, depth=8, offset=offset, checksum=checksum(content[offset:]))
    if damaged:
        content = content[:-1] + bytes([content[-1] ^ 1])
        words[-1, -1] ^= 1 << 8
    valid = []
    commands: list[int] = []
    pauses = [0]
    writes: list[tuple[int, int]] = []

    async def flash(ctx) -> None:
        clock = received = count = 0
        while True:
            await ctx.tick()
            if not ctx.get(dut.select):
                clock = received = count = 0
                pauses[-1] += 1
                continue
            if pauses[-1]:
                pauses.append(0)
            now = ctx.get(dut.clock)
            if now and not clock:
                received, count = received << 1 | ctx.get(dut.copi), count + 1
                if count == 8:
                    commands.append(received)
            if clock and not now and count >= 32:
                place = (received >> (count - 32) & 0xFFFFFF) * 8 + count - 32
                ctx.set(dut.cipo, content[place // 8] >> (7 - place % 8) & 1 if place // 8 < len(content) else 0)
            clock = now

    async def bus(ctx) -> None:
        while not ctx.get(dut.done):
            await ctx.tick()
            if ctx.get(dut.write):
                writes.append((ctx.get(dut.address), ctx.get(dut.data)))
        valid.append(ctx.get(dut.valid))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(flash, background=True)
    simulator.add_testbench(bus)
    simulator.run()
    assert commands == [WAKE_COMMAND, READ_COMMAND]
    # The flash wakes up between the two; at its end it is left alone.
    assert pauses[-2] == WAKE_CYCLES
    expected = [(WEIGHTS | lane << 3 | index, int(words[lane, index])) for lane in range(3) for index in range(8)]
    assert writes == expected
    assert valid == [not damaged]


def test_flash_offset_is_checked() -> None:
    with pytest.raises(ValueError, match=r"^Flash offset must fit 24 bits, not 16777216$"):
        FlashLoader(lanes=1, depth=8, offset=1 << 24, checksum=0)
