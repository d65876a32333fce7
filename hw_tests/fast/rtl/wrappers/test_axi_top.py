"""The top level with AXI: a whole run on both streams, a sequence that ends within a step, a reset in mid-run."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hw_tests.cocotb.random_networks import random_input
from hw_tests.fast.rtl.small_engine import Features, small_engine
from hw_tests.fast.rtl.wrappers.core_ports import AxiPort, axi_elements, by_registers
from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.rtl.wrappers.axi_top import AxiTop
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.register_table import entry_of
from lstmith.spec.registers import FrontRegister, Register

#: Cycles after which an engine of this size is idle.
SETTLED = 100


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
        port = AxiPort(ctx, top)
        status = entry_of(FrontRegister.IRQ_STATUS).address
        await port.reset()
        wanted = golden(x)
        assert await port.run(axi_elements(x), len(wanted)) == wanted
        assert await port.access(status) == 3
        # Reset whatever is under way, even within a step.
        await port.run(axi_elements(x)[:-2], len(wanted) // 2)
        await port.reset()
        assert await port.run(axi_elements(x), len(wanted)) == wanted
        # Within its last step the sequence ends: the last element stands for the others.
        ended = axi_elements(x.ravel()[: 1 - network.inputs])
        assert await port.run(ended, len(wanted)) == golden(short)
        assert (await port.access(status) or 0) & 0x8
        # The stream stops within a step, without an end: registers answer, and the step waits for what is missing.
        begun = axi_elements(x)
        rest = [begun.pop() for _ in range(2)][::-1]
        assert await port.run(begun, 0) == []
        assert await port.access(entry_of(Register.STATUS).address) is not None
        assert await port.access(status) is not None
        assert await port.run(rest, len(wanted)) == wanted
        # Streams are switched when the last result was taken, not before; then registers do the same.
        streams = entry_of(FrontRegister.STREAMS).address
        assert await port.run(axi_elements(x), len(wanted) - 1) == wanted[:-1]
        for _ in range(SETTLED):
            await ctx.tick()
        assert await port.access(streams, 1) is None
        assert await port.run([], 1) == wanted[-1:]
        assert await port.access(streams, 1) is not None
        assert await by_registers(port, x.tolist(), len(wanted)) == [h for h, _ in wanted]

    simulate(top, bench)
