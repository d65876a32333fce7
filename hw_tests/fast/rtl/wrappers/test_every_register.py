"""Every register of a whole core through its bus: reset values, reads, writes, reserved bits, idle and running."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_input
from hw_tests.fast.rtl.small_engine import Features, small_engine
from hw_tests.fast.rtl.wrappers.core_ports import AxiPort, Port, WishbonePort, axi_elements, native_elements
from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.compiler.program_image import ProgramContents, lay_out
from lstmith.golden.model import GoldenModel
from lstmith.rtl.wrappers.axi_top import AxiTop
from lstmith.rtl.wrappers.wishbone_top import WishboneTop
from lstmith.spec.core_map import CoreMap, core_map
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.register_map import Access, Bus, Entry, Running
from lstmith.spec.register_table import entry_of, pack_register
from lstmith.spec.registers import DATA_BITS, OF_PROGRAM, FrontRegister, Register

ONES = (1 << DATA_BITS) - 1
#: More than a core holds whose results nobody takes.
STEPS = 24
REFUSED = {"result": 0, "done": 0, "refused": 1, "short": 0}
STATUS, STREAMS = entry_of(Register.STATUS).address, entry_of(FrontRegister.STREAMS).address


async def reset_values(port: Port, core: CoreMap) -> None:
    # First what can be read: a read that is refused sets a bit of IRQ_STATUS.
    for entry in sorted(core.entries, key=lambda each: not each.access.reads):
        wanted = (entry.reset(core.config) if entry.reset else 0) if entry.access.reads else None
        assert await port.access(entry.address) == wanted, entry.name


async def while_running(port: Port, core: CoreMap) -> None:
    """What is allowed is what the map says; nothing else is done, which the results will show."""
    for entry in core.entries:
        for word in (None, ONES):
            allowed = entry.access.reads if word is None else entry.access.writes
            closed = entry.running is Running.NONE or (word is not None and entry.running is Running.READ)
            if entry.register is FrontRegister.X:
                closed = True  # STREAMS.registers is 0
            answer = await port.access(entry.address, word)
            assert (answer is not None) == (allowed and not closed), f"{entry.name} {word}"
    for memory in core.memories:
        for place in (memory.base, memory.base + memory.words(core.config) - 1):
            for word in (None, ONES):
                assert await port.access(place, word) is None, memory.name
    assert await port.access(STATUS) == 1


def kept(entry: Entry) -> int:
    """What a register holds that was written with ones: its fields, no reserved bit; no result waits."""
    return sum(field.mask for field in entry.fields if field.name != "h_valid")


async def writes(port: Port, core: CoreMap) -> None:
    """Ones, then zeros, into every register that takes them; others hold what they held."""
    for entry in core.entries:
        if entry.register is FrontRegister.X:
            continue  # wrapper tests send elements through it
        before = await port.access(entry.address)
        answers = [await port.access(entry.address, ONES)]
        during = await port.access(entry.address)
        answers.append(await port.access(entry.address, 0))
        assert [each is not None for each in answers] == 2 * [entry.access.writes], entry.name
        if entry.access is Access.READ_WRITE:
            assert during == kept(entry), entry.name
            assert await port.access(entry.address) == 0, entry.name
        elif entry.access is Access.CLEAR:
            assert during == 0, entry.name
        elif entry.access is Access.READ:
            assert during == before, entry.name
        else:
            assert before is during is None, entry.name


#: Both together have every register; an engine of two planes counts no words of whole weights, and has one program.
ENGINES = {
    1: Features(precisions=(4, 8), peepholes=True, planes=2, skip=True, active_counts=2),
    2: Features(precisions=(8, 16)),
}
EVERY = {register.name for kind in (Register, FrontRegister) for register in kind}
OF_WORDS = {Register.WORDS_8.name, Register.WORDS_16.name}


@pytest.mark.parametrize("programs", ENGINES)
@pytest.mark.parametrize("bus", [Bus.AXI, Bus.WISHBONE])
def test_every_register(bus: Bus, programs: int, rng: np.random.Generator) -> None:
    config, network = small_engine(rng, ENGINES[programs])
    config = replace(config, programs=programs, weight_depth=programs * config.weight_depth)
    policies = [Policy(Mode.DENSE)]
    image = lay_out([ProgramContents(network, policies, 0)] * programs, config)
    model, x = GoldenModel(network, config), random_input(rng, STEPS, network.inputs)
    wanted = model.run(x[None], policies, model.zero_state(1))[0].h[0].ravel().tolist()
    axi = bus is Bus.AXI
    top = AxiTop(config, image) if axi else WishboneTop(config, image)
    core = core_map(config, bus)
    present = {(entry.register.name, entry.program) for entry in core.entries}
    assert present >= {(name, 0) for name in (EVERY - OF_WORDS if programs == 1 else OF_WORDS)}
    assert present >= {(register.name, programs - 1) for register in OF_PROGRAM}

    async def bench(ctx: Any) -> None:
        port = AxiPort(ctx, top) if axi else WishbonePort(ctx, top)
        await port.reset()
        await reset_values(port, core)
        left = axi_elements(x) if axi else native_elements(x)
        await port.run(left, 0)
        assert left, "the core is full"
        await while_running(port, core)
        assert [h for h, _ in await port.run(left, len(wanted))] == wanted
        while await port.access(STATUS):
            pass
        await writes(port, core)

    simulate(top, bench)


@pytest.mark.parametrize("bus", [Bus.AXI, Bus.WISHBONE])
def test_program_that_is_not_there(bus: Bus, rng: np.random.Generator) -> None:
    """The register X takes an element of the third of three programs and refuses those of the fourth and of others; a
    stream is refused the sequence, which the interrupt tells."""
    config = replace(small_engine(rng, Features())[0], programs=3)
    top = AxiTop(config) if bus is Bus.AXI else WishboneTop(config)
    rest = {"value": 0, "start": 1, "restart": 0, "mark": 0, "last": 0, "sequence": 0, "mask": 0}

    async def bench(ctx: Any) -> None:
        port = AxiPort(ctx, top) if bus is Bus.AXI else WishbonePort(ctx, top)
        await port.reset()
        tdest = top.s_axis_x_tdest if bus is Bus.AXI else top.x_program
        status, refused = entry_of(FrontRegister.IRQ_STATUS).address, pack_register(FrontRegister.IRQ_ENABLE, **REFUSED)
        assert await port.access(entry_of(FrontRegister.IRQ_ENABLE).address, refused) is not None
        for program in (2, 3):
            ctx.set(tdest, program)
            left = [(0, 1)]
            await port.run(left, 0)
            assert not left
            assert ctx.get(top.irq) == (program == 3)
        assert await port.access(status, ONES) is not None
        assert not ctx.get(top.irq)
        # What was taken waits for the rest of its step, and results of refused elements for a receiver.
        await port.reset()
        assert await port.access(STREAMS, 1) is not None
        for program in (3, 7, 2):
            word = pack_register(FrontRegister.X, program=program, **rest)
            answer = await port.access(entry_of(FrontRegister.X).address, word)
            assert (answer is not None) == (program == 2)

    simulate(top, bench)
