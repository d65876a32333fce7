"""Timing diagrams of the core's ports, drawn from a simulation: ``python -m lstmith.scripts.docs.waves``.

A small engine runs in Amaranth's simulator while a test bench plays two steps and two bus accesses. Every port is
written down in every cycle, and wavedrom draws parts of that trace.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import wavedrom
from amaranth.sim import Simulator, SimulatorContext

from lstmith.compiler import compile_model
from lstmith.compiler.program_image import build_memory_image
from lstmith.rtl.top import Top, port_widths
from lstmith.spec.policy_check import default_policies
from lstmith.spec.registers import IDENTITY, READ_LATENCY, Region, Register, address

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "waves"
UNITS, INPUTS, LANES = 3, 2, 2
#: Most cycles until both steps have left.
CYCLES = 200

Trace = dict[str, list[int]]


@dataclass(frozen=True)
class Drawing:
    """One diagram.

    Parameters
    ----------
    ports : tuple of str
        Rows, from the top.
    begin : str
        The port whose first 1 begins the window, two cycles later than its left edge.
    cycles : int
        Width of the window.
    title : str
    after : int
        Cycle of the trace from which that 1 is looked for.
    """

    ports: tuple[str, ...]
    begin: str
    cycles: int
    title: str
    after: int = 0


_X = ("x_valid", "x_ready", "x_value", "x_start", "busy")
_H = ("h_valid", "h_ready", "h_value", "h_last", "event_valid", "outcome_valid", "busy")
_BUS = ("bus_addr", "bus_w_en", "bus_w_data", "bus_r_en", "bus_r_data")
DRAWINGS = {
    "x": Drawing(_X, "x_valid", 16, "The first step of a sequence goes in, and the second behind it"),
    "h": Drawing(
        _H, "h_valid", 20, "h goes out; the receiver takes the first value and is then not ready for six cycles"
    ),
    "bus": Drawing(_BUS, "bus_w_en", 10, "A write, then a read of IDENTITY"),
}


def record() -> Trace:
    """Every port in every cycle of a run; signed values as such."""
    rng = np.random.default_rng(1)
    model = {
        "W_ih": rng.normal(0, 0.5, (4 * UNITS, INPUTS)),
        "W_hh": rng.normal(0, 0.5, (4 * UNITS, UNITS)),
        "b_ih": np.zeros(4 * UNITS),
        "b_hh": np.zeros(4 * UNITS),
    }
    design = compile_model(model, rng.normal(0, 1, (200, INPUTS)), target="generic", lanes=LANES, planes=1)
    config = replace(design.engine, family="generic")
    image = build_memory_image(design.network, config, default_policies(design.network, config))
    top = Top(config, image)
    names = list(port_widths(config))
    trace: Trace = {name: [] for name in names}
    values = [12000, -5000, 11900, -5000]

    async def watch(ctx: SimulatorContext) -> None:
        async for _, _, *ports in ctx.tick().sample(*(getattr(top, name) for name in names)):
            for name, value in zip(names, ports, strict=True):
                trace[name].append(int(value))

    async def play(ctx: SimulatorContext) -> None:
        await ctx.tick().repeat(2)
        for strobe, data in (("bus_w_en", 1), ("bus_r_en", 0)):
            register = Register.OUTPUT_ALL if data else Register.IDENTITY
            ctx.set(top.bus_addr, address(Region.CONTROL, register))
            ctx.set(top.bus_w_data, data)
            ctx.set(getattr(top, strobe), 1)
            await ctx.tick()
            ctx.set(getattr(top, strobe), 0)
        await ctx.tick().repeat(READ_LATENCY + 4)
        for place, value in enumerate(values):
            ctx.set(top.x_value, value)
            ctx.set(top.x_start, place < INPUTS)
            ctx.set(top.x_valid, 1)
            await ctx.tick().until(top.x_ready)
        ctx.set(top.x_valid, 0)

    async def receive(ctx: SimulatorContext) -> None:
        received = 0
        ctx.set(top.h_ready, 1)
        while received < UNITS:
            await ctx.tick().until(top.h_valid & top.h_ready)
            received += 1
            if received == 1:
                ctx.set(top.h_ready, 0)
                await ctx.tick().repeat(6)
                ctx.set(top.h_ready, 1)

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    for process in (play, receive):
        simulator.add_testbench(process)
    simulator.add_process(watch)
    simulator.run_until(CYCLES * 1e-6)
    if IDENTITY not in trace["bus_r_data"] or sum(trace["event_valid"]) != len(values) // INPUTS:
        raise RuntimeError("the simulated core did not answer")
    return trace


def draw(trace: Trace, drawing: Drawing) -> str:
    """A diagram as SVG."""
    first = trace[drawing.begin].index(1, drawing.after) - 2
    window = slice(first, first + drawing.cycles)
    rows: list[dict[str, Any]] = [{"name": "clk", "wave": "p" + "." * (drawing.cycles - 1)}]
    rows += [_row(name, trace[name][window]) for name in drawing.ports]
    described = {"signal": rows, "head": {"text": drawing.title}, "config": {"hscale": 1}}
    text: str = wavedrom.render(json.dumps(described)).tostring()
    return text + "\n"


def _row(name: str, values: Sequence[int]) -> dict[str, Any]:
    wide = name.endswith(("_value", "_data", "_addr"))
    wave, labels, before = "", [], None
    for value in values:
        if value == before:
            wave += "."
        elif wide:
            wave += "="
            labels.append(f"{value:x}" if name.startswith("bus") else str(value))
        else:
            wave += str(value)
        before = value
    return {"name": name, "wave": wave, **({"data": labels} if wide else {})}


def main() -> None:
    """Write every diagram."""
    trace = record()
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in DRAWINGS.items():
        (FOLDER / f"{name}.svg").write_text(draw(trace, drawing), encoding="utf-8")


if __name__ == "__main__":
    main()
