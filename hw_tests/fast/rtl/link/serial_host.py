"""A host on the serial line of a unit in Amaranth's own simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.lib import wiring
from amaranth.sim import Simulator

from lstmith.host.link.codec import Frame, Receiver

#: Cycles per bit: as few as the link takes.
BIT = 4
BAUD = 3_000_000
CLOCK = BAUD * BIT
#: An answer that takes longer never comes.
LIMIT = 40_000
_SAMPLE = BIT // 2


def talk(unit: wiring.Component, frames: Sequence[Frame], ports: dict[str, int] | None = None) -> list[Frame]:
    """Send frames, each when the one before it has been answered; returns the answers.

    Parameters
    ----------
    unit : Component
        With ``rx`` and ``tx``.
    ports : dict of str to int
        Inputs that are held.
    """
    dut: Any = unit
    answers: list[Frame] = []

    async def bench(ctx: Any) -> None:
        for name, value in (ports or {}).items():
            ctx.set(getattr(dut, name), value)
        await ctx.tick().repeat(20)
        receiver, wait = Receiver(), -1
        bits: list[int] = []
        for number, frame in enumerate(frames):
            line = [level for byte in frame.encode() for level in _levels(byte)]
            for cycle in range(LIMIT):
                ctx.set(dut.rx, line[cycle] if cycle < len(line) else 1)
                level = ctx.get(dut.tx)
                if wait < 0 and not level:
                    # In the middle of the first data bit.
                    wait, bits = BIT + _SAMPLE - 1, []
                elif wait == 0:
                    bits.append(level)
                    wait = BIT - 1
                    if len(bits) == 9:
                        assert bits.pop(), "no stop bit"
                        answers.extend(receiver.feed(bytes((sum(bit << place for place, bit in enumerate(bits)),))))
                        wait = -1
                elif wait > 0:
                    wait -= 1
                await ctx.tick()
                if len(answers) > number:
                    break
            else:
                raise AssertionError(f"no answer to frame {number}")
            # The stop bit of the frame's end passes.
            await ctx.tick().repeat(4 * BIT)
        assert not receiver.damaged

    simulation = Simulator(unit)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    simulation.run()
    return answers


def _levels(byte: int) -> list[int]:
    bits = [0, *(byte >> place & 1 for place in range(8)), 1]
    return [bit for bit in bits for _ in range(BIT)]
