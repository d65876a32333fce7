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
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
from cocotb.utils import get_sim_time

from lstmith.host.jobs import (
    EVENT_FIELDS,
    ONE_PLANE,
    OUTCOME_FIELDS,
    RESULT_FIELDS,
    SEQUENCE_SHIFT,
    CoreJob,
    CoreTrace,
)
from lstmith.spec.registers import READ_LATENCY, WEIGHTS, Region, address

IntArray = npt.NDArray[np.int64]

PERIOD_NS = 10
#: Cycles between two looks whether a run is complete.
POLL = 10
#: Idle cycles before a step that rests: more than from its predecessor's last input to the core being busy with it.
REST = 20
INPUTS = (
    "x_valid",
    "x_value",
    "x_start",
    "x_restart",
    "x_mark",
    "x_mask",
    "bus_w_en",
    "bus_r_en",
    "bus_addr",
    "bus_w_data",
)


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


async def rest(dut: Any) -> None:
    """Pause until the core has been idle for a while."""
    dut.x_valid.value = 0
    idle = 0
    while idle < REST:
        await RisingEdge(dut.clk)
        idle = 0 if dut.busy.value else idle + 1


async def feed(dut: Any, job: CoreJob, rng: random.Random) -> tuple[int, list[tuple[int, int]]]:
    """Send the input stream; returns the cycle of the first transfer, and step and cycle of those that rested."""
    first = -1
    rested: list[tuple[int, int]] = []
    for element in job.elements():
        if element.rests:
            await rest(dut)
        if job.x_stall and rng.random() < job.x_stall:
            dut.x_valid.value = 0
            await stall(dut, job.x_stall, rng)
        dut.x_value.value = element.value & 0xFFFF
        dut.x_start.value, dut.x_restart.value = int(element.start), int(element.restart)
        dut.x_mark.value, dut.x_mask.value = int(element.mark), element.mask
        if hasattr(dut, "x_sequence"):
            dut.x_sequence.value = element.sequence
        if hasattr(dut, "x_program"):
            dut.x_program.value = element.program
        dut.x_valid.value = 1
        await RisingEdge(dut.clk)
        while not dut.x_ready.value:
            await RisingEdge(dut.x_ready)
            await RisingEdge(dut.clk)
        first = now() - 1 if first < 0 else first
        if element.rests:
            rested.append((element.step, now() - 1))
    dut.x_valid.value = 0
    return first, rested


async def collect(dut: Any, job: CoreJob, rng: random.Random, results: list[tuple[int, ...]]) -> None:
    """Take results until cancelled."""
    if job.h_closed:
        dut.h_ready.value = 0
        await ClockCycles(dut.clk, job.h_closed)
    while True:
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
                layer_of(dut, "h"),
                int(dut.h_last.value),
            )
        )
        if job.h_gap:
            dut.h_ready.value = 0
            await ClockCycles(dut.clk, job.h_gap)


async def disturb(dut: Any, chance: float, rng: random.Random) -> None:
    """Reads and writes anywhere while the core is busy, until cancelled: they must change nothing."""
    while True:
        # In the middle of a cycle, so that `busy` is that of the edge at which the access counts.
        await FallingEdge(dut.clk)
        happens = bool(dut.busy.value) and rng.random() < chance
        region = rng.choice([*Region, None])
        offset = rng.randrange(64)
        dut.bus_addr.value = WEIGHTS | offset if region is None else address(region, offset)
        dut.bus_w_data.value = rng.randrange(1 << 32)
        writes = rng.random() < 0.5
        dut.bus_w_en.value, dut.bus_r_en.value = int(happens and writes), int(happens and not writes)


def layer_of(dut: Any, kind: str) -> int:
    """``<kind>_layer``, and above it the sequence of an engine with two."""
    sequence = int(getattr(dut, f"{kind}_sequence").value) if hasattr(dut, f"{kind}_sequence") else 0
    return int(getattr(dut, f"{kind}_layer").value) | sequence << SEQUENCE_SHIFT


def port_of(dut: Any, kind: str, name: str) -> Any:
    """``<kind>_<name>``, or the port that tells the same of a core with one plane; None where none does: it is 0."""
    known: str | None = name if hasattr(dut, f"{kind}_{name}") else ONE_PLANE[name]
    return None if known is None else getattr(dut, f"{kind}_{known}")


async def watch(dut: Any, kind: str, fields: tuple[str, ...], seen: list[tuple[int, ...]]) -> None:
    """Note every cycle in which ``<kind>_valid`` is high, with the values of ``<kind>_<field>``."""
    valid = getattr(dut, f"{kind}_valid")
    ports = [port_of(dut, kind, name) for name in fields if name != "layer"]
    while True:
        await RisingEdge(valid)
        await RisingEdge(dut.clk)
        # The edge may have been a glitch between two clock edges; or it stays high for several.
        while valid.value:
            layer = [layer_of(dut, kind)] if "layer" in fields else []
            seen.append((now() - 1, *layer, *(0 if port is None else int(port.value) for port in ports)))
            await RisingEdge(dut.clk)


def table(rows: list[tuple[int, ...]], fields: tuple[str, ...]) -> IntArray:
    """Rows of integers as an array, also if there are none."""
    return np.array(rows, dtype=np.int64).reshape(-1, len(fields))


async def reset(dut: Any) -> CoreTrace:
    """Reset in whatever state the core is; there is nothing to answer."""
    dut.x_valid.value, dut.h_ready.value = 0, 1
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    return CoreTrace(
        table([], RESULT_FIELDS),
        table([], EVENT_FIELDS),
        table([], OUTCOME_FIELDS),
        -1,
        np.empty(0, dtype=np.int64),
    )


async def run_job(dut: Any, job: CoreJob) -> CoreTrace:
    """Writes, one sequence, reads."""
    for place, data, idle in job.writes:
        await bus_write(dut, place, data, idle)
    if job.writes:
        dut.bus_w_en.value = 0
    await ClockCycles(dut.clk, 20)
    results: list[tuple[int, ...]] = []
    events: list[tuple[int, ...]] = []
    outcomes: list[tuple[int, ...]] = []
    tasks = [
        cocotb.start_soon(watch(dut, "event", EVENT_FIELDS[1:], events)),
        cocotb.start_soon(watch(dut, "outcome", OUTCOME_FIELDS[1:], outcomes)),
        cocotb.start_soon(collect(dut, job, random.Random(job.seed + 1), results)),
    ]
    feeder = cocotb.start_soon(feed(dut, job, random.Random(job.seed)))
    if job.abandon:
        await ClockCycles(dut.clk, job.abandon)
        feeder.cancel()
        for task in tasks:
            task.cancel()
        return await reset(dut)
    if job.noise:
        tasks.append(cocotb.start_soon(disturb(dut, job.noise, random.Random(job.seed + 2))))
    first, rested = await feeder
    while len(outcomes) < len(job.x) or dut.busy.value or dut.h_valid.value:
        await ClockCycles(dut.clk, POLL)
    for task in tasks:
        task.cancel()
    dut.h_ready.value = 1
    if job.noise:
        dut.bus_w_en.value, dut.bus_r_en.value = 0, 0
    reads = [await bus_read(dut, address) for address in job.reads]
    return CoreTrace(
        table(results, RESULT_FIELDS),
        table(events, EVENT_FIELDS),
        table(outcomes, OUTCOME_FIELDS),
        first,
        np.array(reads, dtype=np.int64),
        np.array(rested, dtype=np.int64).reshape(-1, 2),
    )


async def start(dut: Any) -> None:
    """The clock runs, nothing is given, every result is taken; a reset of four cycles."""
    for name in INPUTS:
        # A fixed core has no bus.
        if hasattr(dut, name):
            getattr(dut, name).value = 0
    dut.h_ready.value = 1
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0


@cocotb.test()
async def run_jobs(dut: Any) -> None:
    """All jobs of the folder, one after another, with a bound on each."""
    folder = Path(os.environ["LSTMITH_JOBS"])
    await start(dut)
    for index in range(len(list(folder.glob("job_*.npz")))):
        job = CoreJob.load(folder / f"job_{index}.npz")
        # A core that hangs must fail, not wait for ever; no network here takes this long per step.
        limit = 100_000 + 20_000 * len(job.x) + 2 * len(job.writes) + job.h_closed
        core_trace = await with_timeout(run_job(dut, job), limit * PERIOD_NS, "ns")
        core_trace.save(folder / f"answer_{index}.npz")
