"""Drives a core with Wishbone from inside the simulator, with masters of its own."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Lock, RisingEdge, with_timeout

from lstmith.host.core_bench import INPUTS, PERIOD_NS, POLL, collect, feed, layer_of, table, watch
from lstmith.host.jobs import EVENT_FIELDS, OUTCOME_FIELDS, RESULT_FIELDS, CoreJob, CoreTrace
from lstmith.spec.core_map import MEMORIES
from lstmith.spec.register_table import entry_of, pack_register
from lstmith.spec.registers import IDENTITY, FrontRegister, Register

#: Replies.
OKAY, REFUSED = 1, 2
STREAMS, X, H = (entry_of(each).address for each in (FrontRegister.STREAMS, FrontRegister.X, FrontRegister.H))


class Native:
    """The core's ports by the names of the native core."""

    def __init__(self, dut: Any):
        self._dut = dut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dut, "wb_clk_i" if name == "clk" else name)


class Master:
    """Accesses by word address, of a classic or a pipelined master that pauses at random.

    The master of cocotbext-wishbone 2.0 is none of the two: it counts every answer twice, and drives nothing in Icarus
    before its first access.
    """

    def __init__(self, dut: Any, pipelined: bool):
        self._dut, self._pipelined, self._free = dut, pipelined, Lock()
        self.stall, self.rng = 0.0, random.Random(0)
        for name in ("cyc", "stb", "we", "adr", "dat", "sel"):
            getattr(dut, f"wb_{name}_i").value = 0

    async def access(self, operations: list[tuple[int, int | None]]) -> list[tuple[int, int]]:
        """Accesses in one bus cycle: reply and what was read of each."""
        dut, replies = self._dut, list[tuple[int, int]]()
        async with self._free:
            dut.wb_cyc_i.value = 1
            answered = cocotb.start_soon(self._answers(replies, len(operations)))
            for place, word in operations:
                while self.stall and self.rng.random() < self.stall:
                    dut.wb_stb_i.value = 0
                    await RisingEdge(dut.clk)
                dut.wb_stb_i.value, dut.wb_we_i.value = 1, int(word is not None)
                dut.wb_adr_i.value, dut.wb_dat_i.value, dut.wb_sel_i.value = place, word or 0, 15
                await RisingEdge(dut.clk)
                while self._waits():
                    await RisingEdge(dut.clk)
            dut.wb_stb_i.value = 0
            await answered
            dut.wb_cyc_i.value = 0
        return replies

    def _waits(self) -> bool:
        """At a clock edge: the access is not taken, as each kind of master sees it."""
        dut = self._dut
        return bool(dut.wb_stall_o.value) if self._pipelined else not (dut.wb_ack_o.value or dut.wb_err_o.value)

    async def _answers(self, replies: list[tuple[int, int]], due: int) -> None:
        dut = self._dut
        while len(replies) < due:
            await RisingEdge(dut.clk)
            if dut.wb_ack_o.value or dut.wb_err_o.value:
                assert not (dut.wb_ack_o.value and dut.wb_err_o.value)
                replies.append((OKAY if dut.wb_ack_o.value else REFUSED, int(dut.wb_dat_o.value)))

    async def write(self, place: int, word: int) -> int:
        """The reply."""
        return (await self.access([(place, word)]))[0][0]

    async def read(self, place: int) -> tuple[int, int]:
        """Reply and word."""
        return (await self.access([(place, None)]))[0]


async def disturb(master: Master, stop: list[bool]) -> None:
    """Accesses that must change nothing, while the engine runs and while it is idle."""
    identity, version = entry_of(Register.IDENTITY).address, entry_of(Register.VERSION).address
    while not stop:
        kind = master.rng.randrange(4)
        if kind == 0:
            assert await master.read(identity) == (OKAY, IDENTITY)
        elif kind == 1:
            assert await master.write(version, 0) == REFUSED
        elif kind == 2:
            assert (await master.read(H + 1))[0] == REFUSED
        else:
            assert await master.write(master.rng.choice(MEMORIES).base - 1, 1) == REFUSED


async def by_registers(
    dut: Any, master: Master, job: CoreJob, results: list[tuple[int, ...]], outcomes: list[Any]
) -> None:
    """x through X and h through H."""
    assert await master.write(STREAMS, 1) == OKAY
    elements = list(job.elements())
    while elements or len(outcomes) < len(job.x) or dut.busy.value or (await master.read(STREAMS))[1] & 4:
        _, state = await master.read(STREAMS)
        if elements and state & 2:
            one = elements.pop(0)
            flags = {
                name: int(getattr(one, name))
                for name in ("value", "start", "restart", "mark", "sequence", "mask", "program")
            }
            assert await master.write(X, pack_register(FrontRegister.X, last=0, **flags)) == OKAY
        if state & 4:
            # What H does not tell stands at the ports.
            cell, layer = dut.h_cell.value.to_signed(), layer_of(dut, "h")
            reply, word = await master.read(H)
            assert reply == OKAY
            assert word >> 31
            assert word >> 20 & 0xFF == layer
            results.append(((word & 0xFFFF) - ((word & 0x8000) << 1), cell, layer, word >> 16 & 1))
    assert await master.read(H) == (OKAY, 0)
    assert await master.write(STREAMS, 0) == OKAY


async def run_job(dut: Any, master: Master, job: CoreJob, registers: bool) -> CoreTrace:
    """Writes, one sequence, reads."""
    if job.writes:
        replies = await master.access([(place, word) for place, word, _ in job.writes])
        assert {reply for reply, _ in replies} == {OKAY}
    results: list[tuple[int, ...]] = []
    events: list[tuple[int, ...]] = []
    outcomes: list[tuple[int, ...]] = []
    tasks = [
        cocotb.start_soon(watch(dut, "event", EVENT_FIELDS[1:], events)),
        cocotb.start_soon(watch(dut, "outcome", OUTCOME_FIELDS[1:], outcomes)),
    ]
    first, stop = -1, list[bool]()
    if registers:
        await by_registers(dut, master, job, results, outcomes)
    else:
        tasks.append(cocotb.start_soon(collect(dut, job, random.Random(job.seed + 1), results)))
        noise = cocotb.start_soon(disturb(master, stop)) if job.stalls else None
        first, _ = await feed(dut, job, random.Random(job.seed))
        while len(outcomes) < len(job.x) or dut.busy.value or dut.h_valid.value:
            await ClockCycles(dut.clk, POLL)
        if noise is not None:
            stop.append(True)
            await noise
    for task in tasks:
        task.cancel()
    dut.h_ready.value = 1
    found = await master.access([(place, None) for place in job.reads]) if job.reads else []
    # Counters that the engine was not built with are not there.
    assert all(reply == OKAY or word == 0 for reply, word in found)
    words = [word - ((word & 1 << 31) << 1) for _, word in found]
    return CoreTrace(
        table(results, RESULT_FIELDS),
        table(events, EVENT_FIELDS),
        table(outcomes, OUTCOME_FIELDS),
        first,
        np.array(words, dtype=np.int64),
    )


@cocotb.test()
async def run_all(handle: Any) -> None:
    """All jobs of the folder on one core, which is never reset between them."""
    folder, dut = Path(os.environ["LSTMITH_RUNS"]), Native(handle)
    for name in INPUTS:
        if not name.startswith("bus_"):
            getattr(dut, name).value = 0
    dut.h_ready.value = 1
    dut.wb_rst_i.value = 1
    master = Master(dut, bool(int(os.environ["LSTMITH_PIPELINED"])))
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    await ClockCycles(dut.clk, 4)
    dut.wb_rst_i.value = 0
    for index in range(len(list(folder.glob("run_*.npz")))):
        job = CoreJob.load(folder / f"run_{index}.npz")
        with np.load(folder / f"how_{index}.npz") as how:
            registers = bool(how["registers"])
        master.stall, master.rng = job.x_stall, random.Random(job.seed)
        limit = 20_000 + 200 * len(job.writes)
        trace = await with_timeout(run_job(dut, master, job, registers), limit * PERIOD_NS, "ns")
        trace.save(folder / f"seen_{index}.npz")
