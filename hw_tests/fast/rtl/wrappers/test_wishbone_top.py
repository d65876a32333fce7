"""The top level with Wishbone: a run on the native streams and one through registers alone; the interrupt."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_tests.cocotb.random_networks import random_input
from hw_tests.fast.rtl.small_engine import Features, small_engine
from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.rtl.wrappers.wishbone_top import WishboneTop
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.register_table import entry_of, pack_register
from lstmith.spec.registers import FrontRegister, Region, address

ENABLE, STATUS, STREAMS, X, H = (entry_of(register).address for register in FrontRegister)
#: Cycles that no run here takes.
LIMIT = 4000


class Port:
    """A classic master, and the native streams."""

    def __init__(self, ctx: Any, top: WishboneTop):
        self._ctx, self._top = ctx, top

    async def access(self, place: int, word: int | None = None) -> int | None:
        """What the data port holds at the answer; None if it was refused."""
        ctx, top = self._ctx, self._top
        ports = {"cyc": 1, "stb": 1, "we": word is not None, "adr": place, "dat": word or 0, "sel": 15}
        for name, value in ports.items():
            ctx.set(getattr(top, f"wb_{name}_i"), value)
        for _ in range(LIMIT):
            ack, err, found = ctx.get(top.wb_ack_o), ctx.get(top.wb_err_o), ctx.get(top.wb_dat_o)
            await ctx.tick()
            if ack or err:
                ctx.set(top.wb_cyc_i, 0)
                ctx.set(top.wb_stb_i, 0)
                return None if err else int(found)
        raise AssertionError("the access is never answered")

    async def stream(self, steps: list[list[int]], results: int) -> list[int]:
        """A sequence on the native streams."""
        ctx, top = self._ctx, self._top
        waiting = [(value, int(t == column == 0)) for t, step in enumerate(steps) for column, value in enumerate(step)]
        seen: list[int] = []
        ctx.set(top.h_ready, 1)
        for _ in range(LIMIT):
            ctx.set(top.x_valid, bool(waiting))
            if waiting:
                ctx.set(top.x_value, waiting[0][0])
                ctx.set(top.x_start, waiting[0][1])
            if waiting and ctx.get(top.x_ready):
                waiting.pop(0)
            if ctx.get(top.h_valid):
                seen.append(ctx.get(top.h_value))
            await ctx.tick()
            if len(seen) == results:
                break
        return seen

    async def by_registers(self, steps: list[list[int]], results: int) -> list[int]:
        """A sequence through X and H."""
        seen: list[int] = []
        sent = {"restart": 0, "mark": 0, "last": 0, "sequence": 0, "mask": 0}
        for t, step in enumerate(steps):
            for column, value in enumerate(step):
                word = pack_register(FrontRegister.X, value=value, start=int(t == column == 0), **sent)
                while await self.access(X, word) is None:
                    pass
        while len(seen) < results:
            word = await self.access(H) or 0
            if word >> 31:
                seen.append((word & 0xFFFF) - ((word & 0x8000) << 1))
        return seen


def test_streams_and_registers(rng: np.random.Generator) -> None:
    config, network = small_engine(rng, Features())
    policies = [Policy(Mode.DENSE)]
    top = WishboneTop(config, build_memory_image(network, config, policies))
    model = GoldenModel(network, config)
    x = random_input(rng, 2, network.inputs)
    wanted = model.run(x[None], policies, model.zero_state(1))[0].h[0].ravel().tolist()

    async def bench(ctx: Any) -> None:
        port = Port(ctx, top)
        await port.access(ENABLE, 2)
        assert await port.stream(x.tolist(), len(wanted)) == wanted
        for _ in range(LIMIT):
            if ctx.get(top.irq):
                break
            await ctx.tick()
        assert await port.access(STATUS) == 3
        await port.access(STATUS, 3)
        assert not ctx.get(top.irq)
        assert await port.access(STREAMS, 1) is not None
        assert await port.by_registers(x.tolist(), len(wanted)) == wanted
        assert await port.access(address(Region.HIDDEN, config.units - 1)) == wanted[-1] % (1 << 32)
        assert await port.access(address(Region.FRONT, 0)) is None
        assert (await port.access(STATUS) or 0) & 6 == 6

    simulate(top, bench)
