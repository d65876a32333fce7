"""Jobs on a core in Amaranth's own simulator: nothing to build, some thousand cycles a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.sim import Simulator

from lstmith.host.jobs import (
    EVENT_FIELDS,
    ONE_PLANE,
    OUTCOME_FIELDS,
    RESULT_FIELDS,
    SEQUENCE_SHIFT,
    CoreJob,
    CoreTrace,
)
from lstmith.rtl.top import Top
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.registers import READ_LATENCY

Rows = npt.NDArray[np.int64]
#: A core that hangs must fail: cycles that no job here takes.
LIMIT = 20_000
#: Idle cycles behind the writes.
SETTLE = 20


def run_jobs(config: EngineConfig, jobs: Sequence[CoreJob], image: MemoryImage | None = None) -> list[CoreTrace]:
    """Answers of jobs, one after another on the same core; ``host.core_bench`` does the same in other simulators."""
    top = Top(config, image)
    core_traces: list[CoreTrace] = []

    async def bench(ctx: Any) -> None:
        driver = _Driver(ctx, top)
        for job in jobs:
            core_traces.append(await driver.run(job))

    simulation = Simulator(top)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    simulation.run()
    return core_traces


class _Driver:
    def __init__(self, ctx: Any, top: Top):
        self._ctx, self._top, self._cycle = ctx, top, 0

    async def _tick(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            await self._ctx.tick()
        self._cycle += cycles

    async def run(self, job: CoreJob) -> CoreTrace:
        """Writes, the streams, reads."""
        ctx, top = self._ctx, self._top
        for address, data, idle in job.writes:
            ctx.set(top.bus_addr, address)
            ctx.set(top.bus_w_data, data % (1 << 32))
            ctx.set(top.bus_w_en, 1)
            await self._tick()
            ctx.set(top.bus_w_en, 0)
            await self._tick(idle)
        await self._tick(SETTLE)
        results, events, outcomes, first = await self._streams(job)
        reads = []
        for address in job.reads:
            ctx.set(top.bus_addr, address)
            ctx.set(top.bus_r_en, 1)
            await self._tick()
            ctx.set(top.bus_r_en, 0)
            await self._tick(READ_LATENCY - 1)
            reads.append(ctx.get(top.bus_r_data.as_signed()))
            await self._tick()
        return CoreTrace(results, events, outcomes, first, np.array(reads, dtype=np.int64))

    async def _streams(self, job: CoreJob) -> tuple[Rows, Rows, Rows, int]:
        ctx, top, random = self._ctx, self._top, np.random.default_rng(job.seed)
        elements, first = list(job.elements()), -1
        results: list[list[int]] = []
        events: list[list[int]] = []
        outcomes: list[list[int]] = []
        waits, begun = False, self._cycle
        while elements or len(outcomes) < len(job.x) or ctx.get(top.busy) or ctx.get(top.h_valid):
            assert self._cycle < begun + LIMIT, "the core hangs"
            if elements and not waits:
                for name in ("value", "start", "restart", "mark", "mask", "sequence", "program"):
                    if hasattr(top, f"x_{name}"):
                        ctx.set(getattr(top, f"x_{name}"), int(getattr(elements[0], name)))
            # What is offered stays offered until it is taken.
            offers = bool(elements) and (waits or random.random() >= job.x_stall)
            ctx.set(top.x_valid, offers)
            ctx.set(top.h_ready, random.random() >= job.h_stall)
            waits = offers and not ctx.get(top.x_ready)
            if offers and not waits:
                elements.pop(0)
                first = self._cycle if first < 0 else first
            if ctx.get(top.h_valid) and ctx.get(top.h_ready):
                results.append([*self._values("h", ("value", "cell", "layer", "last"))])
            for kind, names, seen in (("event", EVENT_FIELDS, events), ("outcome", OUTCOME_FIELDS, outcomes)):
                if ctx.get(getattr(top, f"{kind}_valid")):
                    seen.append([self._cycle, *self._values(kind, names[1:])])
            await self._tick()
        ctx.set(top.x_valid, 0)
        ctx.set(top.h_ready, 1)
        return (
            np.array(results, dtype=np.int64).reshape(-1, len(RESULT_FIELDS)),
            np.array(events, dtype=np.int64).reshape(-1, len(EVENT_FIELDS)),
            np.array(outcomes, dtype=np.int64).reshape(-1, len(OUTCOME_FIELDS)),
            first,
        )

    def _values(self, kind: str, names: Sequence[str]) -> list[int]:
        """Ports ``<kind>_<name>``; above a layer its sequence, of a core with two."""
        sequence = getattr(self._top, f"{kind}_sequence", None)
        above = 0 if sequence is None else self._ctx.get(sequence) << SEQUENCE_SHIFT
        values = [self._value(kind, name) for name in names]
        return [value | above if name == "layer" else value for name, value in zip(names, values, strict=True)]

    def _value(self, kind: str, name: str) -> int:
        known = name if hasattr(self._top, f"{kind}_{name}") else ONE_PLANE[name]
        return 0 if known is None else int(self._ctx.get(getattr(self._top, f"{kind}_{known}")))
