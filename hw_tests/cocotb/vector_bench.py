"""cocotb bench of any unit behind packed ports: inputs from a table, outputs to a table; runs in the simulator.

Python drives the clock itself, so that both simulators see the same order: inputs change while the
clock is low, outputs are read just before its rising edge.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

#: Longer than any pipeline.
RESET_CYCLES = 32


@cocotb.test()
async def vectors(dut: Any) -> None:
    """One row of the table per cycle."""
    folder = Path(os.environ["LSTMITH_VECTORS"])
    rows = np.load(folder / "inputs.npy")
    size = -(-len(dut.outputs) // 8)
    seen = bytearray()
    half = Timer(1, unit="ns")
    clock, inputs, outputs = dut.clk, dut.inputs, dut.outputs
    dut.rst.value, clock.value, inputs.value = 1, 0, 0
    # Until every pipeline has forgotten what the read registers of memories held before the first edge.
    for _ in range(RESET_CYCLES):
        await half
        clock.value = 1
        await half
        clock.value = 0
    dut.rst.value = 0
    for row in rows:
        inputs.value = int.from_bytes(row.tobytes(), "little")
        await half
        # An undefined bit raises here.
        seen += outputs.value.to_unsigned().to_bytes(size, "little")
        clock.value = 1
        await half
        clock.value = 0
    np.save(folder / "outputs.npy", np.frombuffer(bytes(seen), dtype=np.uint8).reshape(len(rows), size))
