"""cocotb bench of the counter in test_tools.py; runs inside the simulator."""

from __future__ import annotations

import os
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge


@cocotb.test()
async def counts(dut: Any) -> None:
    """Counts up while enabled, and only then."""
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value, dut.en.value = 1, 0
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    expected = 0
    for cycle in range(40):
        dut.en.value = cycle % 3 != 0
        await FallingEdge(dut.clk)
        expected = (expected + int(cycle % 3 != 0)) % 16
        assert dut.count.value.to_unsigned() == expected + int(os.environ.get("COUNTER_OFFSET", "0"))
