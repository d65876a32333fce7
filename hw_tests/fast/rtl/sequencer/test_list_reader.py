"""List reader: entries of two segments in order, once per fold, none before it is known what follows."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.sim import Simulator

from lstmith.rtl.sequencer.list_reader import ListReader

FOLDS = 3


def test_every_entry_once_and_in_order(rng: np.random.Generator) -> None:
    """Passes of any lengths, empty ones too, whose second segment grows or is whole from the start."""
    reader = ListReader(columns=8)

    async def one_pass(ctx: Any, a: int, b: int, *, grows: bool) -> None:
        wanted = [(0, place) for place in range(a)] + [(1, place) for place in range(b)]
        count, whole = (0, False) if grows else (b, True)
        ctx.set(reader.begins, 1)
        await ctx.tick()
        ctx.set(reader.begins, 0)
        ctx.set(reader.a_count, a)
        seen: list[tuple[int, int]] = []
        ends: list[int] = []
        for cycle in range(400):
            ctx.set(reader.b_count, count)
            ctx.set(reader.b_whole, whole)
            ready = ctx.get(reader.ready)
            assert not ready or cycle >= reader.open_latency - 1, "ready before its counts are known"
            takes = bool(ready) and rng.random() < 0.7
            ctx.set(reader.fetches, takes)
            if takes:
                entry = ctx.get(reader.in_b), ctx.get(reader.place)
                assert ctx.get(reader.opens) == (len(seen) % max(1, len(wanted)) == 0)
                assert ctx.get(reader.empty) == (not wanted)
                last = bool(ctx.get(reader.last))
                assert last == (len(seen) % max(1, len(wanted)) == max(0, len(wanted) - 1))
                assert not last or whole, "the end was told before it was known"
                seen.append(entry)
                ends += [cycle] if last else []
            if grows and rng.random() < 0.3:
                count, whole = (count + 1, whole) if count < b else (count, True)
            await ctx.tick()
            if len(ends) == FOLDS:
                break
        ctx.set(reader.fetches, 0)
        assert len(ends) == FOLDS, "entries are missing"
        if wanted:
            assert seen == wanted * FOLDS

    async def bench(ctx: Any) -> None:
        for a in (0, 1, 2, 7):
            for b in (0, 1, 2, 8):
                for grows in (False, True):
                    await one_pass(ctx, a, b, grows=grows)

    simulation = Simulator(reader)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    simulation.run()
