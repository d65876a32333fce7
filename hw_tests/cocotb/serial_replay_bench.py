"""cocotb bench that repeats what was sent to a serial port, and writes down what comes back.

``LSTMITH_REPLAY`` names a folder with ``packets.json``: cycles per bit, and a list of bytes in hexadecimal. Each is
sent when the module rests; ``answers.json`` is written beside it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer

PERIOD_NS = 10
#: Cycles without anything after which a module rests, and most cycles until then.
QUIET, HUNG = 64, 200_000
BITS = 10


async def send(dut: Any, content: bytes, bit_ns: int) -> None:
    """Bytes on rx."""
    for byte in content:
        for bit in range(BITS):
            dut.rx.value = (byte << 1 | 1 << BITS - 1) >> bit & 1
            await Timer(bit_ns, "ns")


async def listen(dut: Any, bit_ns: int, received: bytearray) -> None:
    """Bytes on tx, until cancelled."""
    while True:
        await FallingEdge(dut.tx)
        await Timer(bit_ns * 3 // 2, "ns")
        byte = 0
        for bit in range(8):
            byte |= int(dut.tx.value) << bit
            await Timer(bit_ns, "ns")
        assert int(dut.tx.value) == 1, "stop bit is low"
        received.append(byte)


async def rest(dut: Any) -> None:
    """Until nothing happens any more."""
    quiet = 0
    for _ in range(HUNG // QUIET):
        await ClockCycles(dut.clk, QUIET)
        quiet = 0 if dut.busy.value else quiet + 1
        if quiet == 2:
            return
    raise AssertionError("the module does not come to rest")


@cocotb.test()
async def replay(dut: Any) -> None:
    """All packets."""
    folder = Path(os.environ["LSTMITH_REPLAY"])
    given = json.loads((folder / "packets.json").read_text())
    bit_ns = given["cycles_per_bit"] * PERIOD_NS
    dut.rx.value, dut.rst.value = 1, 1
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    received = bytearray()
    cocotb.start_soon(listen(dut, bit_ns, received))
    answers = []
    for packet in given["packets"]:
        await send(dut, bytes.fromhex(packet), bit_ns)
        await rest(dut)
        answers.append(bytes(received).hex())
        received.clear()
    (folder / "answers.json").write_text(json.dumps(answers))
