"""AXI4-Lite: every access once, with its own answer, whatever waits for whom."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.rtl.wrappers.axi_lite import AxiLite
from lstmith.rtl.wrappers.signatures import Answer

ACCESSES = 60
ANSWERS: list[Any] = [Answer.OKAY, Answer.SLVERR, Answer.DECERR]


class Channel:
    """A channel that one side offers on and the other takes from, each at random."""

    def __init__(self, unit: AxiLite, name: str, fields: list[str], items: list[tuple[int, ...]] | None, chance: float):
        self._unit, self._name, self._fields, self._chance = unit, name, fields, chance
        self._items, self._offers = items, False
        self.seen: list[tuple[int, ...]] = []

    def drive(self, ctx: Any, rng: np.random.Generator) -> None:
        if self._items is None:
            ctx.set(getattr(self._unit, f"{self._name}ready"), rng.random() < self._chance)
            return
        if not self._offers and self._items and rng.random() < self._chance:
            self._offers = True
            for field, value in zip(self._fields, self._items[0], strict=True):
                ctx.set(getattr(self._unit, field), value)
        ctx.set(getattr(self._unit, f"{self._name}valid"), self._offers)

    def look(self, ctx: Any) -> None:
        unit = self._unit
        if ctx.get(getattr(unit, f"{self._name}valid")) and ctx.get(getattr(unit, f"{self._name}ready")):
            found = (ctx.get(getattr(unit, field)) for field in self._fields)
            self.seen.append(tuple(value.value if isinstance(value, Answer) else value for value in found))
            if self._items:
                self._items.pop(0)
                self._offers = False


@pytest.mark.parametrize(
    ("chance", "slow"),
    [(0.2, ""), (1.0, ""), (1.0, "aw"), (1.0, "w")],
    ids=["slow", "quick", "data first", "address first"],
)
def test_accesses(chance: float, slow: str, rng: np.random.Generator) -> None:
    """Each channel is offered, and taken, in such a part of the cycles; one of them much later than the others."""
    unit, chances = AxiLite(), {name: 0.05 if name == slow else chance for name in ("aw", "w")}
    writes = [
        (4 * int(rng.integers(1 << 24)), int(rng.integers(1 << 32)), int(rng.integers(16))) for _ in range(ACCESSES)
    ]
    reads = [(4 * int(rng.integers(1 << 24)),) for _ in range(ACCESSES)]
    channels = {
        "aw": Channel(unit, "aw", ["awaddr"], [(address,) for address, _, _ in writes], chances["aw"]),
        "w": Channel(unit, "w", ["wdata", "wstrb"], [(word, strobes) for _, word, strobes in writes], chances["w"]),
        "b": Channel(unit, "b", ["bresp"], None, chance),
        "ar": Channel(unit, "ar", ["araddr"], list(reads), chance),
        "r": Channel(unit, "r", ["rdata", "rresp"], None, chance),
    }
    done: list[tuple[Any, ...]] = []
    turns: list[int] = []

    async def bench(ctx: Any) -> None:
        waits = -1
        for _ in range(60 * ACCESSES):
            for channel in channels.values():
                channel.drive(ctx, rng)
            access = unit.access
            ctx.set(access.done, waits == 0)
            if waits == 0:
                answer, word = ANSWERS[int(rng.integers(3))], int(rng.integers(1 << 32))
                ctx.set(access.answer, answer)
                ctx.set(access.r_data, word)
                place, write = ctx.get(access.address), ctx.get(access.write)
                given = (ctx.get(access.data), ctx.get(access.enables)) if write else (word,)
                done.append((place, *given, answer.value))
                turns.append(write)
            waits -= 1
            if ctx.get(access.valid):
                assert waits < 0, "an access begins before the one before it is over"
                waits = int(rng.integers(0, 4))
            for channel in channels.values():
                channel.look(ctx)
            await ctx.tick()
            if len(channels["b"].seen) == len(channels["r"].seen) == ACCESSES:
                break

    simulate(unit, bench)
    written, read = [each for each in done if len(each) == 4], [each for each in done if len(each) == 3]
    assert [each[:3] for each in written] == [(address // 4, word, strobes) for address, word, strobes in writes]
    assert channels["b"].seen == [(each[3],) for each in written]
    assert [each[0] for each in read] == [address // 4 for (address,) in reads]
    assert channels["r"].seen == [each[1:] for each in read]
    if chance == 1 and not slow:
        # Both wait all the time, and take turns.
        assert all(one != other for one, other in itertools.pairwise(turns))
