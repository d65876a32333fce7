"""The top level with Wishbone: a run on the native streams and one through registers alone; the interrupt."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_tests.cocotb.random_networks import random_input
from hw_tests.fast.rtl.small_engine import Features, small_engine
from hw_tests.fast.rtl.wrappers.core_ports import LIMIT, WishbonePort, by_registers, native_elements
from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.rtl.wrappers.wishbone_top import WishboneTop
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.register_table import entry_of
from lstmith.spec.registers import FrontRegister, Region, address

ENABLE, STATUS, STREAMS = (entry_of(register).address for register in list(FrontRegister)[:3])


def test_streams_and_registers(rng: np.random.Generator) -> None:
    config, network = small_engine(rng, Features())
    policies = [Policy(Mode.DENSE)]
    top = WishboneTop(config, build_memory_image(network, config, policies))
    model = GoldenModel(network, config)
    x = random_input(rng, 2, network.inputs)
    trace = model.run(x[None], policies, model.zero_state(1))[0]
    wanted = trace.h[0].ravel().tolist()
    events: list[tuple[int, int, int]] = []
    outcomes: list[int] = []

    async def watch(ctx: Any) -> None:
        while True:
            _, _, event, layer, columns, restart, outcome, skipped = await ctx.tick().sample(
                *(top.event_valid, top.event_layer, top.event_columns, top.event_restart),
                *(top.outcome_valid, top.outcome_skipped),
            )
            if event:
                events.append((layer, columns, restart))
            if outcome:
                outcomes.append(skipped)

    async def bench(ctx: Any) -> None:
        port = WishbonePort(ctx, top)
        await port.access(ENABLE, 2)
        assert [h for h, _ in await port.run(native_elements(x), len(wanted))] == wanted
        for _ in range(LIMIT):
            if ctx.get(top.irq):
                break
            await ctx.tick()
        assert await port.access(STATUS) == 3
        await port.access(STATUS, 3)
        assert not ctx.get(top.irq)
        assert await port.access(STREAMS, 1) is not None
        assert await by_registers(port, x.tolist(), len(wanted)) == wanted
        assert await port.access(address(Region.HIDDEN, config.units - 1)) == wanted[-1] % (1 << 32)
        assert await port.access(address(Region.FRONT, 0)) is None
        assert (await port.access(STATUS) or 0) & 6 == 6

    simulate(top, bench, watch)
    # The same sequence came by streams and by registers.
    assert (
        events
        == [(0, columns, restart) for columns, restart in zip(trace.columns[0], trace.restart[0], strict=True)] * 2
    )
    assert outcomes == [0] * 2 * len(x)
