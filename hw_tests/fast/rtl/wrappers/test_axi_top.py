"""The top level with AXI: a whole run on both streams, a sequence that ends within a step, a reset in mid-run."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hw_tests.cocotb.random_networks import random_input
from hw_tests.fast.rtl.small_engine import Features, small_engine
from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.rtl.wrappers.axi_top import AxiTop
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.register_table import entry_of
from lstmith.spec.registers import FrontRegister

#: Cycles that no run here takes.
LIMIT = 4000


class Port:
    """Both streams of a core, taken in every cycle."""

    def __init__(self, ctx: Any, top: AxiTop):
        self._ctx, self._top = ctx, top

    async def reset(self) -> None:
        self._ctx.set(self._top.aresetn, 0)
        for _ in range(2):
            await self._ctx.tick()
        self._ctx.set(self._top.aresetn, 1)

    async def run(self, values: list[int], results: int) -> list[tuple[int, int]]:
        """A sequence; h and TLAST of its results."""
        ctx, top = self._ctx, self._top
        waiting, seen = list(values), list[tuple[int, int]]()
        ctx.set(top.m_axis_h_tready, 1)
        for _ in range(LIMIT):
            ctx.set(top.s_axis_x_tvalid, bool(waiting))
            if waiting:
                ctx.set(top.s_axis_x_tdata, waiting[0])
                ctx.set(top.s_axis_x_tlast, len(waiting) == 1)
            if waiting and ctx.get(top.s_axis_x_tready):
                waiting.pop(0)
            if ctx.get(top.m_axis_h_tvalid):
                h = ctx.get(top.m_axis_h_tdata)
                seen.append((h - ((h & 0x8000) << 1), ctx.get(top.m_axis_h_tlast)))
            await ctx.tick()
            if len(seen) >= results:
                break
        ctx.set(top.s_axis_x_tvalid, 0)
        return seen

    async def read(self, place: int) -> int:
        """A register."""
        ctx, top = self._ctx, self._top
        ctx.set(top.s_axil_araddr, 4 * place)
        ctx.set(top.s_axil_arvalid, 1)
        ctx.set(top.s_axil_rready, 1)
        for _ in range(LIMIT):
            taken, over, word = (ctx.get(getattr(top, f"s_axil_{name}")) for name in ("arready", "rvalid", "rdata"))
            await ctx.tick()
            if taken:
                ctx.set(top.s_axil_arvalid, 0)
            if over:
                return int(word)
        raise AssertionError("the read is never answered")


def test_sequences(rng: np.random.Generator) -> None:
    config, network = small_engine(rng, Features())
    policies = [Policy(Mode.DELTA)]
    top = AxiTop(config, build_memory_image(network, config, policies))
    model = GoldenModel(network, config)

    def golden(x: npt.NDArray[np.int16]) -> list[tuple[int, int]]:
        h = model.run(x[None], policies, model.zero_state(1))[0].h[0].ravel().tolist()
        return [(value, int(index + 1 == len(h))) for index, value in enumerate(h)]

    x = random_input(rng, 3, network.inputs)
    short = x.copy()
    short[-1, 1:] = short[-1, 0]

    async def bench(ctx: Any) -> None:
        port = Port(ctx, top)
        status = entry_of(FrontRegister.IRQ_STATUS).address
        await port.reset()
        wanted = golden(x)
        assert await port.run(x.ravel().tolist(), len(wanted)) == wanted
        assert await port.read(status) & 0xF == 3
        # Reset whatever is under way, even within a step.
        await port.run(x.ravel().tolist()[:-2], len(wanted) // 2)
        await port.reset()
        assert await port.run(x.ravel().tolist(), len(wanted)) == wanted
        # Within its last step the sequence ends: the last element stands for the others.
        assert await port.run(x.ravel().tolist()[: 1 - network.inputs], len(wanted)) == golden(short)
        assert await port.read(status) & 0x8
        assert await port.run(x.ravel().tolist(), len(wanted)) == wanted

    simulate(top, bench)
