"""Drives a core with AXI from inside the simulator, with the masters and stream ends of cocotbext-axi."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from lstmith.spec.core_map import MEMORIES
from lstmith.spec.register_table import entry_of, pack_register
from lstmith.spec.registers import IDENTITY, FrontRegister, Register

PERIOD_NS = 10
#: Cycles that a run may take beyond its writes and elements.
LIMIT = 20_000
#: Nothing may come after the last result.
QUIET = 100


def pauses(chance: float, rng: random.Random) -> Iterator[bool]:
    """Whether a channel pauses, cycle by cycle."""
    return (rng.random() < chance for _ in itertools.count())


class Watch:
    """Every transfer of h with its cycle, and whether valid outputs hold still until they are taken."""

    def __init__(self, dut: Any):
        self._dut = dut
        self.beats: list[tuple[int, int, int]] = []
        self.cycles: list[int] = []
        self.faults: list[str] = []
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut, cycle = self._dut, 0
        held: dict[str, tuple[int, ...]] = {}
        channels = {
            "m_axis_h": ("t", ("tdata", "tuser", "tlast")),
            "s_axil_b": ("", ("resp",)),
            "s_axil_r": ("", ("resp", "data")),
        }
        while True:
            await ReadOnly()
            for channel, (prefix, names) in channels.items():
                joint = "_" if prefix else ""
                valid = int(getattr(dut, f"{channel}{joint}{prefix}valid").value)
                ready = int(getattr(dut, f"{channel}{joint}{prefix}ready").value)
                now = tuple(int(getattr(dut, f"{channel}{joint}{name}").value) for name in names) if valid else ()
                if channel in held and held[channel] != now:
                    self.faults.append(f"{channel} changed before it was taken")
                held.pop(channel, None)
                if valid and not ready:
                    held[channel] = now
                if channel == "m_axis_h" and valid and ready:
                    value, user, end = now
                    self.beats.append((value - ((value & 0x8000) << 1), user, end))
                    self.cycles.append(cycle)
            await RisingEdge(dut.aclk)
            cycle += 1


class Master:
    """Accesses by word address."""

    def __init__(self, dut: Any):
        self._master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, dut.aresetn, False)
        write, read = self._master.write_if, self._master.read_if
        self.channels = [write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel]

    async def write(self, place: int, value: int) -> Any:
        """A word; returns the response."""
        return (await self._master.write(4 * place, value.to_bytes(4, "little"))).resp

    async def read(self, place: int) -> tuple[int, Any]:
        """A word and the response."""
        found = await self._master.read(4 * place, 4)
        return int.from_bytes(found.data, "little"), found.resp


async def disturb(master: Master, rng: random.Random, stop: list[bool]) -> None:
    """Accesses that must change nothing, while the engine runs and while it is idle."""
    identity, version = entry_of(Register.IDENTITY).address, entry_of(Register.VERSION).address
    while not stop:
        kind = rng.randrange(5)
        if kind == 0:
            assert await master.read(identity) == (IDENTITY, AxiResp.OKAY)
        elif kind == 1:
            assert await master.write(version, 0) == AxiResp.SLVERR
        elif kind == 2:
            # Behind the last register.
            assert (await master.read(entry_of(FrontRegister.H).address + 1))[1] == AxiResp.DECERR
        elif kind == 3:
            assert await master.write(rng.choice(MEMORIES).base - 1, rng.randrange(1 << 32)) == AxiResp.DECERR
        else:
            word, response = await master.read(next(each for each in MEMORIES if each.name == "cell").base)
            assert response in (AxiResp.OKAY, AxiResp.SLVERR)
            assert response == AxiResp.OKAY or word == 0


async def by_registers(master: Master, x: list[list[int]], due: int, watch: Watch) -> None:
    """x through X and h through H."""
    streams, send, take = (entry_of(each).address for each in (FrontRegister.STREAMS, FrontRegister.X, FrontRegister.H))
    assert await master.write(streams, 1) == AxiResp.OKAY
    begins = True
    while x or due:
        state, _ = await master.read(streams)
        if x and state & 2:
            value, user, last, program = x.pop(0)
            word = pack_register(
                FrontRegister.X,
                value=value,
                start=int(begins and not user & 5),
                restart=user & 1,
                mark=user >> 1 & 1,
                last=last,
                sequence=user >> 3 & 1,
                mask=user >> 4 & 7,
                program=program,
            )
            assert await master.write(send, word) == AxiResp.OKAY
            begins = bool(last)
        if state & 4:
            word, response = await master.read(take)
            assert response == AxiResp.OKAY
            assert word >> 31
            value = word & 0xFFFF
            user = (word >> 16 & 1) | (word >> 18 & 3) << 1 | (word >> 20 & 0xFF) << 8
            watch.beats.append((value - ((value & 0x8000) << 1), user, word >> 17 & 1))
            due -= 1
    assert await master.read(take) == (0, AxiResp.OKAY)
    assert await master.write(streams, 0) == AxiResp.OKAY


@cocotb.test()
async def run_all(dut: Any) -> None:
    """All runs of the folder on one core, which is never reset between them."""
    folder = Path(os.environ["LSTMITH_RUNS"])
    dut.aresetn.value = 0
    Clock(dut.aclk, PERIOD_NS, unit="ns").start()
    master = Master(dut)
    # A value is one item of a packet, not two bytes.
    source, sink = (
        kind(AxiStreamBus.from_prefix(dut, name), dut.aclk, dut.aresetn, False, byte_lanes=1)
        for kind, name in ((AxiStreamSource, "s_axis_x"), (AxiStreamSink, "m_axis_h"))
    )
    dut.s_axil_awprot.value = dut.s_axil_arprot.value = 0
    await ClockCycles(dut.aclk, 4)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    watch = Watch(dut)
    for index in range(len(list(folder.glob("run_*.npz")))):
        with np.load(folder / f"run_{index}.npz") as arrays:
            writes, x, due = arrays["writes"].tolist(), arrays["x"].tolist(), int(arrays["due"])
            (stall, registers), seed = arrays["switches"].tolist(), int(arrays["seed"])
        rng = random.Random(seed)
        for channel in (*master.channels, source, sink):
            channel.set_pause_generator(pauses(stall, rng))
        watch.beats, watch.cycles, watch.faults = [], [], []
        for place, value in writes:
            assert await master.write(place, value) == AxiResp.OKAY, hex(place)
        noise, stop = None, list[bool]()
        if registers:
            await with_timeout(by_registers(master, x, due, watch), LIMIT * PERIOD_NS, "ns")
        else:
            noise = cocotb.start_soon(disturb(master, rng, stop)) if stall else None
            values, users, _, programs = zip(*x, strict=True)
            frame = AxiStreamFrame([value & 0xFFFF for value in values], tuser=list(users), tdest=list(programs))
            await source.send(frame)
            for _ in range(LIMIT // QUIET):
                if len(watch.beats) >= due:
                    break
                await ClockCycles(dut.aclk, QUIET)
        await ClockCycles(dut.aclk, QUIET)
        if noise is not None:
            stop.append(True)
            await with_timeout(noise, LIMIT * PERIOD_NS, "ns")
        np.savez(
            folder / f"seen_{index}.npz",
            beats=np.array(watch.beats, dtype=np.int64).reshape(-1, 3),
            cycles=np.array(watch.cycles, dtype=np.int64),
            faults=np.array(watch.faults),
        )
