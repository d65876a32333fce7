"""Wishbone: classic and pipelined masters get an answer to every access, and none to one that they gave up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.rtl.wrappers.signatures import Answer
from lstmith.rtl.wrappers.wishbone import Wishbone

ACCESSES = 80


@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("gap", [0.0, 0.6])
def test_accesses(pipelined: bool, gap: float, rng: np.random.Generator) -> None:
    unit = Wishbone()
    asked = [
        (int(rng.integers(1 << 24)), int(rng.integers(2)), int(rng.integers(1 << 32)), int(rng.integers(16)))
        for _ in range(ACCESSES)
    ]
    given: list[tuple[Any, int]] = []
    seen: list[tuple[int, ...]] = []
    answers: list[tuple[Any, int]] = []

    async def bench(ctx: Any) -> None:
        access, waits, place, offers = unit.access, -1, 0, False
        for _ in range(40 * ACCESSES):
            # The master: a classic one looks at ack and err alone, a pipelined one at stall too.
            if not offers and place < ACCESSES and rng.random() >= gap:
                offers = True
            for name, value in zip(("adr", "we", "dat_w", "sel"), asked[min(place, ACCESSES - 1)], strict=True):
                ctx.set(getattr(unit, name), value)
            ctx.set(unit.cyc, place < ACCESSES or len(answers) < ACCESSES)
            ctx.set(unit.stb, offers)
            # The registers.
            ctx.set(access.done, waits == 0)
            if waits == 0:
                given.append((Answer(int(rng.choice([0, 2, 3]))), int(rng.integers(1 << 32))))
                ctx.set(access.answer, given[-1][0])
                ctx.set(access.r_data, given[-1][1])
            waits -= 1
            if ctx.get(access.valid):
                assert waits < 0, "an access begins before the one before it is over"
                waits = int(rng.integers(0, 4))
                seen.append(tuple(ctx.get(getattr(access, name)) for name in ("address", "write", "data", "enables")))
            ack, err, stall = ctx.get(unit.ack), ctx.get(unit.err), ctx.get(unit.stall)
            assert not (ack and err)
            assert stall != (ack or err)
            if ack or err:
                assert offers
                answers.append((Answer.OKAY if ack else Answer.SLVERR, ctx.get(unit.dat_r)))
            if offers and ((ack or err) if not pipelined else not stall):
                offers, place = False, place + 1
            await ctx.tick()
            if len(answers) == ACCESSES:
                break

    simulate(unit, bench)
    assert seen == asked
    assert answers == [(answer if answer is Answer.OKAY else Answer.SLVERR, word) for answer, word in given]


@pytest.mark.parametrize("cycles", [1, 2, 3, 4])
def test_what_is_given_up_is_not_answered(cycles: int) -> None:
    """The next access gets its own answer, not that of the one before."""
    unit = Wishbone()

    async def bench(ctx: Any) -> None:
        access, waits, begun = unit.access, -1, 0
        for cycle in range(30):
            first = cycle < cycles
            ctx.set(unit.cyc, first or cycle > cycles)
            ctx.set(unit.stb, first or cycle > cycles)
            ctx.set(unit.adr, 1 if first else 2)
            ctx.set(access.done, waits == 0)
            ctx.set(access.r_data, ctx.get(access.address))
            waits -= 1
            if ctx.get(access.valid):
                waits, begun = 4, begun + 1
            if ctx.get(unit.ack):
                assert begun == 2
                assert ctx.get(unit.dat_r) == 2
                return
            await ctx.tick()
        raise AssertionError("the second access is never answered")

    simulate(unit, bench)
