"""The sequence tracker between streams and an engine that takes and answers at random times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from hw_tests.fast.rtl.wrappers.stream_bench import Receiver, Sender, simulate
from lstmith.rtl.wrappers.sequence_tracker import STEPS, SequenceTracker
from lstmith.spec.config import EngineConfig

INPUTS = 3


def config(layers: int, sequences: int) -> EngineConfig:
    return EngineConfig(lanes=1, precisions=(8,), layers=layers, sequences=sequences, units=4, inputs=INPUTS)


@dataclass
class Engine:
    """Takes steps, skips some, and answers the others with some results of every layer; notes their beginnings."""

    unit: SequenceTracker
    layers: int
    sequences: int
    rng: np.random.Generator
    column: int = 0
    sequence: int = 0
    starts: list[tuple[int, int, int]] = field(default_factory=list)
    skips: list[bool] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    told: deque[tuple[int, bool]] = field(default_factory=deque)
    results: deque[dict[str, int]] = field(default_factory=deque)
    values: list[int] = field(default_factory=list)
    numbers: int = 0
    offered: bool = False

    async def cycle(self, ctx: Any, answers: float, takes: float) -> None:
        """Drive what the tracker sees in this cycle; called before the outer sides look."""
        unit = self.unit
        ctx.set(unit.x.ready, self.rng.random() < takes)
        mark = bool(ctx.get(unit.x.payload.mark)) and self.column == 0
        ctx.set(unit.x_last, mark or self.column == INPUTS - 1)
        # Outcomes come after a step's last element, in order.
        tells = bool(self.told) and self.rng.random() < 0.5
        ctx.set(unit.outcome_valid, tells)
        if tells:
            sequence, skipped = self.told.popleft()
            ctx.set(unit.outcome_skipped, skipped)
            self.skips.append(skipped)
            if not skipped:
                self._compute(sequence)
        if not self.offered and self.results and self.rng.random() < answers:
            self.offered = True
            ctx.set(unit.h.payload, self.results[0])
        ctx.set(unit.h.valid, self.offered)

    def _compute(self, sequence: int) -> None:
        size = int(self.rng.integers(1, 4))
        self.sizes.append(size)
        for layer in range(self.layers):
            for index in range(size):
                self.numbers += 1
                fields = {"h": self.numbers, "c": 0, "layer": layer, "last": int(index + 1 == size)}
                more = {"final": int(layer + 1 == self.layers)} if self.layers > 1 else {}
                self.results.append(fields | more | ({"sequence": sequence} if self.sequences > 1 else {}))

    def look(self, ctx: Any) -> None:
        """At a clock edge: what was taken."""
        unit = self.unit
        if ctx.get(unit.x.valid) and ctx.get(unit.x.ready):
            payload = unit.x.payload
            mark = bool(ctx.get(payload.mark)) and self.column == 0
            if self.column == 0:
                self.sequence = ctx.get(payload.sequence)
                self.starts.append((self.sequence, ctx.get(payload.start), ctx.get(payload.restart)))
            self.values.append(ctx.get(payload.value))
            self.column = 0 if mark else (self.column + 1) % INPUTS
            if self.column == 0:
                self.told.append((self.sequence, mark or bool(self.rng.random() < 0.2)))
        if self.offered and ctx.get(unit.h.ready):
            self.results.popleft()
            self.offered = False


def beat_of(beat: Any) -> tuple[int, ...]:
    """Skipped, value, layer, last, end, sequence; a skipped step has neither value nor layer."""
    value, layer = (0, 0) if beat.skipped else (beat.value, beat.layer)
    return beat.skipped, value, layer, beat.last, beat.end, getattr(beat, "sequence", 0)


def sequences_of(
    rng: np.random.Generator, sequences: int
) -> tuple[list[dict[str, int]], list[tuple[int, int, int]], list[bool], list[int]]:
    """Elements to send; of each step its beginning and whether a sequence ends with it; all values that arrive."""
    elements: list[dict[str, int]] = []
    starts, ends, values = [], [], []
    fresh = [True] * sequences
    for _ in range(60):
        sequence, kind, end = (
            int(rng.integers(sequences)),
            rng.choice(["", "", "mark", "restart", "keep"]),
            rng.random() < 0.4,
        )
        columns = 1 if kind == "mark" else INPUTS
        short = columns > 1 and end and rng.random() < 0.3
        sent = int(rng.integers(1, INPUTS)) if short else columns
        first = {name: int(name == kind) for name in ("mark", "restart", "keep")}
        for column in range(sent):
            value = int(rng.integers(-100, 100))
            flags = first if column == 0 else {"mark": 0, "restart": 0, "keep": 0}
            more = {"sequence": sequence if column == 0 else 0} if sequences > 1 else {}
            last = int(end and column + 1 == sent)
            elements.append({"value": value, "last": last, "start": 0, "mask": 0, **flags, **more})
            values.append(value)
        values += [values[-1]] * (columns - sent)
        starts.append((sequence, int(fresh[sequence] and kind not in ("restart", "keep")), int(kind == "restart")))
        fresh[sequence] = bool(end)
        ends.append(bool(end))
    return elements, starts, ends, values


@pytest.mark.parametrize(("layers", "sequences"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("chance", [0.2, 1.0])
def test_ends_become_beginnings_and_come_back(
    layers: int, sequences: int, chance: float, rng: np.random.Generator
) -> None:
    unit = SequenceTracker(config(layers, sequences))
    elements, starts, ends, values = sequences_of(rng, sequences)
    engine = Engine(unit, layers, sequences, rng)
    sender, receiver = Sender(unit.i, elements, chance), Receiver(unit.o, 1.2 - chance, beat_of)
    most = 0

    async def bench(ctx: Any) -> None:
        nonlocal most
        for cycle in range(20_000):
            sender.drive(ctx, rng)
            receiver.drive(ctx, rng)
            await engine.cycle(ctx, chance, chance)
            sender.look(ctx)
            receiver.look(ctx, cycle)
            engine.look(ctx)
            await ctx.tick()
            most = max(most, (ctx.get(unit.entered) - ctx.get(unit.left)) % STEPS)
            if sender.done and ctx.get(unit.empty):
                break

    simulate(unit, bench)
    assert engine.starts == starts
    assert engine.values == values
    want: list[tuple[int, int, int, int, int]] = []
    number, sizes = 0, iter(engine.sizes)
    for skipped, end in zip(engine.skips, ends, strict=True):
        if skipped:
            want.append((1, 0, 0, 1, int(end)))
            continue
        size = next(sizes)
        for layer in range(layers):
            for index in range(size):
                number += 1
                last = index + 1 == size
                want.append((0, number, layer, int(last), int(last and layer + 1 == layers and end)))
    assert [beat[:-1] for beat in receiver.taken] == want
    if sequences > 1:
        assert [beat[-1] for beat in receiver.taken if beat[3]] == [sequence for sequence, _, _ in starts]
    assert most == STEPS - 1 or chance < 1
