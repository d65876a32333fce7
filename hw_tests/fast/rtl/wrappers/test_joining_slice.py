"""A stream register with two sources: every element once and in order, from whichever side they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw_tests.fast.rtl.wrappers.stream_bench import Receiver, Sender, simulate
from lstmith.rtl.wrappers.joining_slice import JoiningSlice

COUNT, TURNS = 40, 5


@pytest.mark.parametrize("chance", [0.3, 1.0])
def test_sources_take_turns(chance: float, rng: np.random.Generator) -> None:
    unit = JoiningSlice(16)
    elements = rng.integers(1 << 16, size=(TURNS, COUNT)).tolist()
    receiver = Receiver(unit.o, chance)

    async def bench(ctx: Any) -> None:
        cycle = 0
        for turn, sent in enumerate(elements):
            joins = bool(turn % 2)
            # What the side that is not asked shows means nothing.
            ctx.set(unit.i.payload, int(rng.integers(1 << 16)))
            ctx.set(unit.joins, joins)
            sender = Sender(unit.j if joins else unit.i, sent, chance)
            begin = cycle
            while len(receiver.taken) < COUNT * (turn + 1):
                assert cycle < begin + 30 * COUNT
                sender.drive(ctx, rng)
                receiver.drive(ctx, rng)
                sender.look(ctx)
                receiver.look(ctx, cycle)
                await ctx.tick()
                cycle += 1
            if chance == 1 and not joins:
                # The first one comes a cycle late if the side has just changed.
                assert cycle - begin == COUNT + unit.latency + bool(turn)

    simulate(unit, bench)
    assert receiver.taken == [element for sent in elements for element in sent]
