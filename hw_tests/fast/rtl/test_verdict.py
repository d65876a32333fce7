"""Verdict stage: words and verdicts in order, whatever stalls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw_tests.cocotb.random_networks import random_network
from lstmith.golden.verdict import verdicts
from lstmith.rtl.verdict import VerdictStage
from lstmith.spec.codes import Kind, Verdict
from lstmith.spec.config import EngineConfig

CONFIG = EngineConfig(
    lanes=1, precisions=(8,), units=20, inputs=3, layers=2, kinds=(Kind.LSTM, Kind.DENSE), verdicts=True
)
STEPS = 40

#: A word of the stream behind it: h, c, layer, last, final.
Word = tuple[int, int, int, int, int]


def _steps(rng: np.random.Generator) -> tuple[list[dict[str, Any]], list[Word], list[int]]:
    """What goes in, what leaves, and the verdicts."""
    given: list[dict[str, Any]] = []
    wanted: list[Word] = []
    told: list[int] = []
    for _ in range(STEPS):
        verdict, silent = Verdict(int(rng.integers(len(Verdict)))), int(rng.integers(2))
        units = int(rng.integers(1, 17))
        network = random_network(rng, [3, units], (8,), peepholes=False, requant_width=18, kinds=(Kind.DENSE,))
        # Few values, so that some are equal.
        h = rng.choice([-32768, -3, -2, 2, 3, 32767], units)
        layer = replace(network.layers[0], verdict=verdict, threshold=int(rng.choice([-32768, -3, 2, 32767])))
        judged = verdict is not Verdict.NONE
        for index, last in ((0, False), (1, True)):
            for unit, value in enumerate(h.tolist()):
                ends, own = unit == units - 1, judged and last
                word = {"h": value, "c": unit, "layer": index, "last": ends, "final": last}
                above = value > layer.threshold
                # An engine that sends all layers' results sends those with a verdict too.
                quiet = silent if own else 0
                given.append({"result": word, "verdict": verdict if own else 0, "above": above, "silent": quiet})
                if not quiet:
                    wanted.append((value, unit, index, ends and not own, last))
        if judged:
            told.append(int(verdicts(layer, h)))
            wanted.append((told[-1] - (told[-1] >> 15 << 16), 0, 1, 1, 1))
    return given, wanted, told


@pytest.mark.parametrize(("comes", "taken"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.4), (0.6, 0.6)])
def test_words_and_verdicts_in_order(comes: float, taken: float, rng: np.random.Generator) -> None:
    given, wanted, told = _steps(rng)
    stage = VerdictStage(CONFIG)
    found: list[Word] = []
    seen: list[int] = []
    idle: list[int] = []

    async def bench(ctx: Any) -> None:
        sent = quiet = 0
        while quiet < 8:
            valid, ready = sent < len(given) and rng.random() < comes, rng.random() < taken
            ctx.set(stage.i.valid, valid)
            if sent < len(given):
                ctx.set(stage.i.payload, given[sent])
            ctx.set(stage.o.ready, ready)
            idle.append(int(ctx.get(stage.busy)) - (valid and given[sent]["silent"]) * int(ctx.get(stage.i.ready)))
            if ctx.get(stage.o.valid) and ready:
                word = ctx.get(stage.o.payload)
                found.append((word.h, word.c, word.layer, word.last, word.final))
            sent += bool(valid and ctx.get(stage.i.ready))
            quiet = 0 if sent < len(given) else quiet + bool(ready)
            await ctx.tick()
            if not seen or ctx.get(stage.verdict) != seen[-1]:
                seen.append(ctx.get(stage.verdict))

    simulation = Simulator(stage)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    simulation.run()
    assert found == wanted
    # The pins tell each verdict that differs from the one before, from 0 on.
    assert seen == [value for index, value in enumerate([0, *told]) if not index or value != [0, *told][index - 1]]
    assert not any(idle)
