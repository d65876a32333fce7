"""The register slice: nothing lost, repeated or reordered however both sides stall, and an element per cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw_tests.fast.rtl.wrappers.stream_bench import Receiver, Sender, simulate
from lstmith.rtl.wrappers.register_slice import RegisterSlice

ELEMENTS = 200


@pytest.mark.parametrize("sends", [0.3, 1.0])
@pytest.mark.parametrize("takes", [0.3, 1.0])
def test_elements_pass(sends: float, takes: float, rng: np.random.Generator) -> None:
    unit = RegisterSlice(8)
    values = rng.integers(0, 256, ELEMENTS).tolist()
    sender, receiver = Sender(unit.i, values, sends), Receiver(unit.o, takes)

    async def bench(ctx: Any) -> None:
        for cycle in range(20 * ELEMENTS):
            sender.drive(ctx, rng)
            receiver.drive(ctx, rng)
            sender.look(ctx)
            receiver.look(ctx, cycle)
            assert ctx.get(unit.spare_valid) != ctx.get(unit.i.ready)
            await ctx.tick()
            if len(receiver.taken) == ELEMENTS:
                break

    simulate(unit, bench)
    assert receiver.taken == values
    assert sender.done
    if sends == takes == 1.0:
        assert receiver.cycles == list(range(unit.latency, ELEMENTS + unit.latency))
