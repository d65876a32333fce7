"""Single bit flips in a running core; cocotb imports this inside the simulator.

``LSTMITH_FLIPS`` names a folder with ``job.npz``, which loads the network and runs a sequence, ``again.npz``, which
does so after a reset, and ``plan.json``: places that hold bits, how many flips, and their seed. ``flips.json`` with a
verdict for each is written beside them.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, SimTimeoutError, with_timeout

from lstmith.host.core_bench import PERIOD_NS, now, reset, run_job, start
from lstmith.host.jobs import CoreJob, CoreTrace

#: A run with a flip may take so many times the cycles of one without.
PATIENCE = 4


def _handle(dut: Any, path: str) -> Any:
    """The signal at a path of instances."""
    for name in path.split("/"):
        dut = dut[name]
    return dut


async def _flip(dut: Any, target: dict[str, Any], rng: random.Random, cycles: int) -> None:
    """Turns a bit over in the middle of a cycle."""
    await ClockCycles(dut.clk, cycles)
    await FallingEdge(dut.clk)
    signal = _handle(dut, target["path"])
    if target["depth"]:
        signal = signal[rng.randrange(target["depth"])]
    bit = rng.randrange(target["width"])
    bits = str(signal.value)
    place = len(bits) - 1 - bit
    turned = "1" if bits[place] == "0" else "0"
    signal.value = type(signal.value)(bits[:place] + turned + bits[place + 1 :])


def _told(trace: CoreTrace) -> list[Any]:
    """What a run answers, and when, from its first input on."""
    times = [table[:, 0] - trace.first_input for table in (trace.events, trace.outcomes)]
    return [trace.results, trace.events[:, 1:], trace.outcomes[:, 1:], trace.reads, *times]


def _verdict(trace: CoreTrace, right: CoreTrace) -> str:
    same = [np.array_equal(one, other) for one, other in zip(_told(trace), _told(right), strict=True)]
    return "masked" if all(same) else "late" if all(same[:4]) else "wrong value"


async def _attempt(dut: Any, job: CoreJob, limit: int) -> CoreTrace | None:
    try:
        return await with_timeout(run_job(dut, job), limit * PERIOD_NS, "ns")
    except (SimTimeoutError, ValueError):
        # It waits for ever, or an output is neither 0 nor 1.
        return None


@cocotb.test()
async def flip_bits(dut: Any) -> None:
    """Flip after flip; each is followed by a reset and a run without one."""
    folder = Path(os.environ["LSTMITH_FLIPS"])
    plan = json.loads((folder / "plan.json").read_text())
    rng = random.Random(plan["seed"])
    whole = CoreJob.load(folder / "job.npz")
    job = CoreJob.load(folder / "again.npz")
    await start(dut)
    await run_job(dut, whole)
    begin = now()
    right = await run_job(dut, job)
    length = now() - begin
    sizes = [target["width"] * max(1, target["depth"]) for target in plan["targets"]]
    found = []
    for number in range(plan["flips"]):
        target = rng.choices(plan["targets"], sizes)[0]
        flip = cocotb.start_soon(_flip(dut, target, rng, rng.randrange(length)))
        trace = await _attempt(dut, job, PATIENCE * length)
        flip.cancel()
        verdict = "hang" if trace is None else _verdict(trace, right)
        await reset(dut)
        again = await _attempt(dut, job, PATIENCE * length)
        if again is not None and _verdict(again, right) == "masked":
            after = "a reset"
        else:
            # What the memories hold was changed: they are written again.
            await reset(dut)
            loaded = await _attempt(dut, whole, PATIENCE * length + 4 * len(whole.writes))
            after = "a reload" if loaded is not None and _verdict(loaded, right) == "masked" else "nothing"
        found.append(
            {"path": target["path"], "memory": bool(target["depth"]), "verdict": verdict, "right after": after}
        )
        if number % 100 == 99:
            (folder / "flips.json").write_text(json.dumps(found))
    (folder / "flips.json").write_text(json.dumps(found))
