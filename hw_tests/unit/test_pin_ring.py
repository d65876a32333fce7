"""The three pins that benches put around a core: a register is read through them."""

from __future__ import annotations

from typing import Any

from amaranth.sim import Simulator

from lstmith.flow.pin_ring import PinRing
from lstmith.rtl.top import port_widths
from lstmith.spec.config import EngineConfig
from lstmith.spec.registers import READ_LATENCY, Region, Register, address

CONFIG = EngineConfig(lanes=1, precisions=(4,), units=5, inputs=3, delta=False)
#: Cycles from a read to the last one in which the register's word is still there: it is asked for in each.
SETTLED = READ_LATENCY + 2


def test_a_register_is_read_through_the_pins() -> None:
    ring = PinRing(CONFIG)
    ports = port_widths(CONFIG)
    given = {"bus_addr": address(Region.CONTROL, Register.SIZES), "bus_r_en": 1}
    bits = {
        way: [(name, bit) for name, (direction, width) in ports.items() if direction == way for bit in range(width)]
        for way in ("in", "out")
    }
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        # The last bit of the last port goes in first.
        for name, bit in reversed(bits["in"]):
            ctx.set(ring.serial_in, given.get(name, 0) >> bit & 1)
            await ctx.tick()
        ctx.set(ring.load, 1)
        await ctx.tick()
        ctx.set(ring.load, 0)
        # What comes after it changes no input.
        ctx.set(ring.serial_in, 1)
        await ctx.tick().repeat(SETTLED)
        ctx.set(ring.load, 1)
        await ctx.tick()
        ctx.set(ring.load, 0)
        for _ in bits["out"]:
            await ctx.tick()
            seen.append(ctx.get(ring.serial_out))

    simulation = Simulator(ring)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    simulation.run()
    out: dict[str, int] = {}
    for (name, bit), value in zip(reversed(bits["out"]), seen, strict=True):
        out[name] = out.get(name, 0) | value << bit
    assert out["bus_r_data"] == CONFIG.inputs - 1 | CONFIG.units - 1 << 16
