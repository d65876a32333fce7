"""Every register and region through a wrapper, idle and running: done and answered as the register map says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.rtl.wrappers.front_registers import LOOK_UP, FrontRegisters
from lstmith.rtl.wrappers.signatures import Answer
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import CoreMap, core_map
from lstmith.spec.register_map import Bus, Entry, Running
from lstmith.spec.register_table import entry_of, pack_register
from lstmith.spec.registers import ADDRESS_BITS, LOAD_IDLE, READ_LATENCY, WEIGHTS, FrontRegister, Region, Register

SMALL = EngineConfig(lanes=3, precisions=(8,), units=5, inputs=4, weight_depth=20)
FULL = replace(
    SMALL, precisions=(4, 8, 16), peepholes=True, planes=2, skip=True, monitor=True, active_counts=4, layers=2
)
SEVERAL = replace(SMALL, programs=3)
#: What the engine's bus answers to a read.
WORD = 0x89ABCDEF
LOAD = entry_of(Register.LOAD).address
#: Cycles that no access takes.
LIMIT = 40
ENABLE, STATUS, STREAMS, X, H = (entry_of(register).address for register in FrontRegister)


class Access:
    """Does accesses on a unit whose engine is a word, and notes what reaches the engine."""

    def __init__(self, ctx: Any, unit: FrontRegisters):
        self._ctx, self._unit = ctx, unit

    async def do(
        self, place: int, *, write: int | None = None, enables: int = 15
    ) -> tuple[Answer, int, tuple[int, int]]:
        """Answer, what was read, and whether the engine saw a write and a read."""
        ctx, access, bus = self._ctx, self._unit.access, self._unit.bus
        for name, value in (
            ("address", place),
            ("write", write is not None),
            ("data", write or 0),
            ("enables", enables),
        ):
            ctx.set(getattr(access, name), value)
        ctx.set(access.valid, 1)
        seen, read = [0, 0], -1
        for cycle in range(LIMIT):
            for index, strobe in enumerate((bus.w_en, bus.r_en)):
                if ctx.get(strobe):
                    seen[index] += 1
                    assert ctx.get(bus.addr) == place
                    assert index or ctx.get(bus.w_data) == write
                    read = cycle if index else read
            ctx.set(bus.r_data, WORD if cycle == read + READ_LATENCY and read >= 0 else 0)
            over, answer, word = ctx.get(access.done), ctx.get(access.answer), ctx.get(access.r_data)
            due = LOOK_UP + LOAD_IDLE if place == LOAD and write is not None else self._unit.latency
            assert not over or cycle == due
            await ctx.tick()
            ctx.set(access.valid, 0)
            if over:
                return answer, word, (seen[0], seen[1])
        raise AssertionError("the access is never over")


def places_of(core: CoreMap) -> dict[int, Any]:
    """Every register, ends of every memory, and what lies beside them, by address; None where nothing is."""
    config = core.config
    places: dict[int, Any] = {entry.address: entry for entry in core.entries}
    for memory in core.memories:
        places |= {memory.base: memory, memory.base + memory.words(config) - 1: memory}
    inside = [range(memory.base, memory.base + memory.words(config)) for memory in core.memories]
    beside = {place + step for place in places for step in (-1, 1)} | {
        place ^ 1 << bit for place in places for bit in range(24)
    }
    for place in beside & set(range(1 << ADDRESS_BITS)):
        if place not in places and not any(place in span for span in inside):
            places[place] = None
    return places


@pytest.mark.parametrize(
    ("config", "busy"),
    [(SMALL, False), (FULL, False), (FULL, True), (SEVERAL, True)],
    ids=["small", "full", "full, running", "several, running"],
)
def test_every_place_is_answered_as_the_map_says(config: EngineConfig, busy: bool, rng: np.random.Generator) -> None:
    core = core_map(config, Bus.AXI)
    unit = FrontRegisters(core)

    async def bench(ctx: Any) -> None:
        ctx.set(unit.busy, busy)
        ctx.set(unit.settled, not busy)
        master = Access(ctx, unit)
        places = list(places_of(core).items())
        rng.shuffle(places)
        for place, part in places:
            ours = isinstance(part, Entry) and isinstance(part.register, FrontRegister)
            running = part.running if isinstance(part, Entry) else Running.NONE
            for write in (None, int(rng.integers(1 << 31)) << 1):
                direction = part is not None and (part.access.reads if write is None else part.access.writes)
                closed = running is Running.NONE or (write is not None and running is Running.READ)
                allowed = direction and not (busy and closed)
                # No element is taken while x comes from the port.
                allowed = allowed and not (place == X and write is not None)
                want = Answer.OKAY if allowed else Answer.DECERR if part is None else Answer.SLVERR
                answer, word, seen = await master.do(place, write=write)
                assert answer == want, f"{place:#x} {write}"
                through = allowed and not ours
                assert seen == (int(through and write is not None), int(through and write is None)), hex(place)
                if write is None and not ours:
                    assert word == (WORD if through else 0), hex(place)
        # Some of the bytes are none; no bytes are done, and nothing is written.
        for enables in range(15):
            answer, _, seen = await master.do(ENABLE, write=0, enables=enables)
            assert answer == (Answer.SLVERR if enables else Answer.OKAY)
            assert seen == (0, 0)

    simulate(unit, bench)


def test_own_registers() -> None:
    """Reset values, writes, reads and reserved bits of the registers that are not the engine's; the interrupt."""
    unit = FrontRegisters(core_map(FULL, Bus.AXI))

    async def bench(ctx: Any) -> None:
        master = Access(ctx, unit)
        ctx.set(unit.settled, 1)
        for place in (ENABLE, STATUS, STREAMS, H):
            assert (await master.do(place))[:2] == (Answer.OKAY, 0)
        await master.do(ENABLE, write=0xFFFFFFFF)
        assert (await master.do(ENABLE))[1] == 15
        await master.do(ENABLE, write=0xFFFFFFF1)
        assert (await master.do(ENABLE))[1] == 1
        assert not ctx.get(unit.irq)
        for event, bit in ((unit.done, 2), (unit.short, 8), (unit.h.valid, 1)):
            ctx.set(event, 1)
            await ctx.tick()
            ctx.set(event, 0)
            assert (await master.do(STATUS))[1] == bit
            assert ctx.get(unit.irq) == (bit == 1)
            # Writing 0 clears nothing, writing 1 its own bit alone.
            await master.do(STATUS, write=0)
            await master.do(STATUS, write=0xFFFFFFFF & ~bit)
            assert (await master.do(STATUS))[1] == bit
            await master.do(STATUS, write=bit)
            assert (await master.do(STATUS))[1] == 0
            assert not ctx.get(unit.irq)
        await master.do(Region.FRONT << 20)
        assert (await master.do(STATUS))[1] == 4

    simulate(unit, bench)


def test_a_refused_sequence_is_told() -> None:
    unit = FrontRegisters(core_map(SEVERAL, Bus.AXI))

    async def bench(ctx: Any) -> None:
        ctx.set(unit.absent, 1)
        await ctx.tick()
        ctx.set(unit.absent, 0)
        assert (await Access(ctx, unit).do(STATUS))[1] == 4

    simulate(unit, bench)


def test_x_and_h_as_registers() -> None:
    unit = FrontRegisters(core_map(FULL, Bus.AXI))
    element = {"value": -5, "start": 1, "restart": 0, "mark": 1, "last": 1, "sequence": 0, "mask": 6, "program": 0}

    async def bench(ctx: Any) -> None:
        master = Access(ctx, unit)
        assert (await master.do(STREAMS, write=1))[0] == Answer.SLVERR
        ctx.set(unit.settled, 1)
        assert (await master.do(STREAMS, write=0xFFFFFFFF))[0] == Answer.OKAY
        assert ctx.get(unit.registers)
        assert (await master.do(X, write=pack_register(FrontRegister.X, **element)))[0] == Answer.SLVERR
        ctx.set(unit.x.ready, 1)
        assert (await master.do(STREAMS))[1] == 3
        taken: list[dict[str, int]] = []
        ctx.set(unit.access.data, 0)
        sent = master.do(X, write=pack_register(FrontRegister.X, **element))
        assert (await sent)[0] == Answer.OKAY
        assert not ctx.get(unit.x.valid)
        payload = ctx.get(unit.x.payload)
        taken.append({name: int(getattr(payload, name)) for name in element if name not in ("sequence", "program")})
        assert taken == [{name: value for name, value in element.items() if name not in ("sequence", "program")}]
        assert (await master.do(H))[1] == 0
        ctx.set(unit.h.payload, {"value": -7, "layer": 1, "last": 1, "end": 0, "skipped": 0})
        ctx.set(unit.h.valid, 1)
        assert (await master.do(STREAMS))[1] == 7
        assert (await master.do(H))[1] == 1 << 31 | 1 << 20 | 1 << 16 | 0xFFF9

    simulate(unit, bench)


def test_weights_have_half_of_the_map() -> None:
    core = core_map(replace(FULL, lanes=4096, weight_depth=1 << 11, units=64), Bus.AXI)
    unit = FrontRegisters(core)

    async def bench(ctx: Any) -> None:
        master = Access(ctx, unit)
        assert (await master.do(2 * WEIGHTS - 1, write=3)) == (Answer.OKAY, 0, (1, 0))
        assert (await master.do(WEIGHTS, write=3)) == (Answer.OKAY, 0, (1, 0))

    simulate(unit, bench)
