"""Runs jobs on a simulated core; cocotb imports this inside the simulator.

``LSTMITH_JOBS`` names a folder with ``job_0.npz``, ...; ``answer_0.npz``, ... are written beside them.
Python wakes only for transfers, so that a waiting core simulates at the simulator's own speed.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotb.utils import get_sim_time

from lstmith.golden.memory_map import READ_LATENCY
from lstmith.host.jobs import Answer, Job

PERIOD_NS = 10


def now() -> int:
    """Present cycle."""
    return round(get_sim_time("ns")) // PERIOD_NS


async def stall(dut: Any, chance: float, rng: random.Random) -> None:
    """Pause for a random number of cycles."""
    while chance and rng.random() < chance:
        await RisingEdge(dut.clk)


async def bus_write(dut: Any, address: int, data: int, idle: int) -> None:
    """One bus write, then idle cycles."""
    dut.bus_addr.value, dut.bus_w_data.value, dut.bus_w_en.value = address, data, 1
    await RisingEdge(dut.clk)
    if idle:
        dut.bus_w_en.value = 0
        await ClockCycles(dut.clk, idle)


async def bus_read(dut: Any, address: int) -> int:
    """One bus read."""
    dut.bus_addr.value, dut.bus_r_en.value = address, 1
    await RisingEdge(dut.clk)
    dut.bus_r_en.value = 0
    await ClockCycles(dut.clk, READ_LATENCY)
    return int(dut.bus_r_data.value.to_signed())


async def feed(dut: Any, job: Job, rng: random.Random) -> int:
    """Send x; returns the cycle of the first transfer."""
    first = -1
    for t, step in enumerate(job.x.astype(np.uint16).tolist()):
        for index, value in enumerate(step):
            if job.x_stall and rng.random() < job.x_stall:
                dut.x_valid.value = 0
                await stall(dut, job.x_stall, rng)
            begins = t == 0 and index == 0
            dut.x_value.value = value
            dut.x_start.value = int(begins and job.start)
            dut.x_restart.value = int(begins and job.restart)
            dut.x_valid.value = 1
            await RisingEdge(dut.clk)
            while not dut.x_ready.value:
                await RisingEdge(dut.x_ready)
                await RisingEdge(dut.clk)
            if begins:
                first = now() - 1
    dut.x_valid.value = 0
    return first


async def collect(dut: Any, job: Job, rng: random.Random) -> list[tuple[int, int, int, int]]:
    """Take all results."""
    results: list[tuple[int, int, int, int]] = []
    while len(results) < job.results:
        if job.h_stall:
            dut.h_ready.value = 0
            await stall(dut, job.h_stall, rng)
        dut.h_ready.value = 1
        await RisingEdge(dut.clk)
        while not dut.h_valid.value:
            await RisingEdge(dut.h_valid)
            await RisingEdge(dut.clk)
        results.append(
            (
                dut.h_value.value.to_signed(),
                dut.h_cell.value.to_signed(),
                int(dut.h_layer.value),
                int(dut.h_last.value),
            )
        )
    return results


async def watch(dut: Any, events: list[tuple[int, int, int, int]]) -> None:
    """Note every drained pass."""
    while True:
        await RisingEdge(dut.event_valid)
        await RisingEdge(dut.clk)
        # The edge may have been a glitch between two clock edges.
        if dut.event_valid.value:
            layer, columns, restart = dut.event_layer, dut.event_columns, dut.event_restart
            events.append((now() - 1, int(layer.value), int(columns.value), int(restart.value)))


async def reset(dut: Any) -> Answer:
    """Reset in whatever state the core is; there is nothing to answer."""
    dut.x_valid.value, dut.h_ready.value = 0, 1
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    nothing = np.empty((0, 4), dtype=np.int64)
    return Answer(nothing, nothing, -1, np.empty(0, dtype=np.int64))


async def run_job(dut: Any, job: Job) -> Answer:
    """Writes, one sequence, reads."""
    for address, data, idle in job.writes:
        await bus_write(dut, address, data, idle)
    dut.bus_w_en.value = 0
    await ClockCycles(dut.clk, 20)
    events: list[tuple[int, int, int, int]] = []
    watcher = cocotb.start_soon(watch(dut, events))
    collector = cocotb.start_soon(collect(dut, job, random.Random(job.seed + 1)))
    feeder = cocotb.start_soon(feed(dut, job, random.Random(job.seed)))
    if job.abandon:
        await ClockCycles(dut.clk, job.abandon)
        for task in (watcher, collector, feeder):
            task.cancel()
        return await reset(dut)
    first = await feeder
    results = await collector
    if dut.busy.value:
        while dut.busy.value:
            await ClockCycles(dut.clk, 10)
    watcher.cancel()
    reads = [await bus_read(dut, address) for address in job.reads]
    return Answer(
        np.array(results, dtype=np.int64).reshape(-1, 4),
        np.array(events, dtype=np.int64).reshape(-1, 4),
        first,
        np.array(reads, dtype=np.int64),
    )


@cocotb.test()
async def run_jobs(dut: Any) -> None:
    """All jobs of the folder, one after another, with a bound on each."""
    folder = Path(os.environ["LSTMITH_JOBS"])
    for name in ("x_valid", "x_start", "x_restart", "x_value", "bus_w_en", "bus_r_en", "bus_addr", "bus_w_data"):
        getattr(dut, name).value = 0
    dut.h_ready.value = 1
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    for index in range(len(list(folder.glob("job_*.npz")))):
        job = Job.load(folder / f"job_{index}.npz")
        # A core that hangs must fail, not wait for ever; no network here takes this long per step.
        limit = 100_000 + 20_000 * len(job.x) + 2 * len(job.writes)
        answer = await with_timeout(run_job(dut, job), limit * PERIOD_NS, "ns")
        answer.save(folder / f"answer_{index}.npz")
