"""The top level with Wishbone: a run on the native streams and one through registers alone; the interrupt."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_tests.cocotb.random_networks import random_input
from hw_tests.fast.rtl.small_engine import Features, small_engine
from hw_tests.fast.rtl.wrappers.core_ports import LIMIT, WishbonePort, native_elements
from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.rtl.wrappers.wishbone_top import WishboneTop
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.register_table import entry_of, pack_register
from lstmith.spec.registers import FrontRegister, Region, address

ENABLE, STATUS, STREAMS, X, H = (entry_of(register).address for register in FrontRegister)


async def by_registers(port: WishbonePort, steps: list[list[int]], results: int) -> list[int]:
    """A sequence through X and H."""
    seen: list[int] = []
    sent = {"restart": 0, "mark": 0, "last": 0, "sequence": 0, "mask": 0, "program": 0}
    for t, step in enumerate(steps):
        for column, value in enumerate(step):
            word = pack_register(FrontRegister.X, value=value, start=int(t == column == 0), **sent)
            while await port.access(X, word) is None:
                pass
    while len(seen) < results:
        word = await port.access(H) or 0
        if word >> 31:
            seen.append((word & 0x7FFF) - (word & 0x8000))
    return seen


def test_streams_and_registers(rng: np.random.Generator) -> None:
    config, network = small_engine(rng, Features())
    policies = [Policy(Mode.DENSE)]
    top = WishboneTop(config, build_memory_image(network, config, policies))
    model = GoldenModel(network, config)
    x = random_input(rng, 2, network.inputs)
    wanted = model.run(x[None], policies, model.zero_state(1))[0].h[0].ravel().tolist()

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

    simulate(top, bench)
