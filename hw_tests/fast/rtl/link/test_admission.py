# amaranth: UnusedElaboratable=no
"""Admission: steps without a pause in an idle engine or right behind the step before, or while they surely come."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.rtl.link.admission import LATENCY, REST, StepAdmission

INPUTS, STEPS = 3, 2
#: Cycles that the engine computes after a step's last element; each step is then collected ``COLLECTED`` cycles later.
BUSY, COLLECTED = 20, 25
FLOWS = ("steps", "slow", "full", "sure")


class Fed(wiring.Component):
    """An admission before an engine that needs ``BUSY`` cycles for a step and takes input meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": In(1),
                "value": In(16),
                "mark": In(1),
                "left": In(8),
                "x_ready": In(1),
                "collects": In(1),
                "taken": Out(1),
                "fed": Out(1),
                "fed_value": Out(16),
                "begins": Out(1),
                "ends": Out(1),
                "before": Out(2),
                "idle": Out(1),
                "quiet": Out(1),
                "busy": Out(1),
                "pending": Out(4),
                "occupied": Out(1),
                "outcome": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.admission = admission = StepAdmission(inputs=INPUTS, steps=STEPS)
        left, ends, column = Signal(range(BUSY + 1)), Signal(), Signal(range(INPUTS))
        waits = Signal(BUSY + COLLECTED)
        fed = Signal()
        m.d.comb += [
            admission.i.valid.eq(self.valid),
            admission.i.payload.value.eq(self.value),
            admission.i.payload.mark.eq(self.mark),
            admission.i_left.eq(self.left),
            admission.i_quiet.eq(self.value[0]),
            admission.step_inputs[0].eq(INPUTS - 1),
            admission.x.ready.eq(self.x_ready),
            admission.engine_busy.eq(left != 0),
            admission.outcome_valid.eq(waits[1]),
            admission.done.eq(waits[-1]),
            self.taken.eq(self.valid & admission.i.ready),
            fed.eq(admission.x.valid & admission.x.ready),
            ends.eq(fed & ((column == INPUTS - 1) | ((column == 0) & admission.x.payload.mark))),
            self.fed.eq(fed),
            self.fed_value.eq(admission.x.payload.value),
            self.begins.eq(fed & (column == 0)),
            self.ends.eq(admission.fed),
            self.before.eq(admission.before),
            self.idle.eq(admission.idle),
            self.quiet.eq(admission.quiet),
            self.busy.eq(admission.engine_busy | waits[:2].any()),
            self.pending.eq(admission.pending),
            self.occupied.eq(admission.occupied),
            self.outcome.eq(admission.outcome_valid),
        ]
        # With ``collects`` low nothing is ever collected.
        m.d.sync += waits.eq(Cat(ends, waits[:-2], waits[-2] & self.collects))
        with m.If(fed):
            m.d.sync += column.eq(column + 1)
        with m.If(ends):
            m.d.sync += [column.eq(0), left.eq(BUSY)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m


def _lasts(outputs: Table, marks: npt.NDArray[np.int64], at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Cycles in which the last element of a step is taken; ``at`` [elements] are those of all elements."""
    found, place = np.zeros_like(outputs["taken"]), 0
    while place < len(at):
        place += 1 if marks[place] else INPUTS
        if place <= len(at):
            found[at[place - 1]] = 1
    return found


def _check(rng: np.random.Generator, flow: str) -> Check:
    sheet = Sheet(3000 if flow == "sure" else 1200)
    pace = 0.03 if flow in ("slow", "sure") else 1.0
    sheet.put("valid", slice(None), rng.random(sheet.cycles) < pace)
    values = rng.integers(1, 1 << 16, sheet.cycles)
    sheet.put("value", slice(None), values)
    sheet.put("mark", slice(None), rng.random(sheet.cycles) < 0.1)
    sheet.put("x_ready", slice(None), (rng.random(sheet.cycles) < 0.9) if flow == "slow" else 1)
    sheet.put("collects", slice(None), flow != "full")
    sheet.put("left", slice(None), rng.integers(0, INPUTS + 1, sheet.cycles) if flow == "sure" else 0)

    def verify(outputs: Table) -> None:
        at = np.flatnonzero(outputs["taken"])
        fed, begins = np.flatnonzero(outputs["fed"]), np.flatnonzero(outputs["begins"])
        given = sheet.table["value"][at[at < sheet.cycles]]
        assert_equal("values", outputs["fed_value"][fed], given[: len(fed)])
        assert outputs["pending"].max() <= STEPS
        marks = sheet.table["mark"][at[at < sheet.cycles]]
        # Occupied from the last element of a step to its outcome, or earlier.
        owed = np.cumsum(_lasts(outputs, marks, at) - np.roll(outputs["outcome"], 1))
        assert (outputs["occupied"] >= (owed > 0)).all()
        if flow != "sure":
            assert_equal("occupied", outputs["occupied"], owed > 0)
        ends, early, place = np.flatnonzero(outputs["ends"]), 0, 0
        for number, begin in enumerate(begins.tolist()):
            # All of a step was there before its first element is fed, or sure to come to an idle engine, and it goes
            # on as the engine takes it.
            size = 1 if marks[place] else INPUTS
            assert fed[place] == begin
            if place + size > len(at) or number >= len(ends):
                break
            came, end = at[place : place + size], ends[number]
            sure = [cycle for behind, cycle in enumerate(came[::-1][1:], 1) if sheet.table["left"][cycle] >= behind]
            alone = outputs["idle"][end]
            assert min([came[-1], *(sure if alone else [])]) < begin
            early += int(came[-1] > begin)
            for index, cycle in enumerate(fed[place : place + size]):
                since = max(begin, came[index] + LATENCY, fed[place + index - 1] + 1 if index else 0)
                assert cycle == since + np.flatnonzero(sheet.table["x_ready"][since:])[0]
            assert (end, outputs["before"][end]) == (fed[place + size - 1], size - 1)
            if alone:
                assert not outputs["busy"][begin - REST + 1 : begin].any()
            else:
                ready = np.flatnonzero(sheet.table["x_ready"][fed[place - 1] + 1 :])[0] + fed[place - 1] + 1
                assert begin == ready, f"step {number} begins behind the one before, with a pause"
            place += size
        assert_equal("quiet", outputs["quiet"][ends], outputs["fed_value"][begins[: len(ends)]] & 1)
        idle = outputs["idle"][ends]
        assert (early > 5) == (flow == "sure")
        assert outputs["occupied"][begins].all()
        if flow == "full":
            assert len(begins) == STEPS, "no more than have room"
        else:
            assert idle[0]
            assert len(begins) > 5
            assert flow in ("slow", "sure") or 0 < idle.mean() < 1

    return Check(Fed(), sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Input faster and slower than the engine, and results that nobody takes."""
    return {flow: _check(rng, flow) for flow in FLOWS}


@pytest.mark.parametrize("flow", FLOWS)
def test_alone(flow: str, rng: np.random.Generator) -> None:
    run_here({flow: _check(rng, flow)})


def test_each_value_of_a_program_that_is_not_there_is_a_step(rng: np.random.Generator) -> None:
    """As the engine counts them, so that none is waited for in vain."""
    sizes, room = [3, 1, 2], 7
    unit = StepAdmission(inputs=INPUTS, steps=room, programs=len(sizes))
    values: list[tuple[int, int]] = []
    begins: list[bool] = []
    for _ in range(20):
        program, steps = int(rng.integers(8)), int(rng.integers(1, 4))
        size = sizes[program] if program < len(sizes) else 1
        starts = [True, *[False] * (steps - 1)]
        values += [(start and column == 0, program) for start in starts for column in range(size)]
        begins += [column == 0 for _ in starts for column in range(size)]
    seen: list[bool] = []

    async def bench(ctx: Any) -> None:
        left = list(values)
        for index, size in enumerate(sizes):
            ctx.set(unit.step_inputs[index], size - 1)
        ctx.set(unit.x.ready, 1)
        for _ in range(60 * len(values)):
            ctx.set(unit.i.valid, bool(left))
            if left:
                start, program = left[0]
                # Only a sequence's first value names it.
                ctx.set(unit.i.payload, {"start": start, "program": program if start else 0})
                if ctx.get(unit.i.ready):
                    left.pop(0)
            waits = bool(ctx.get(unit.unknown))
            ctx.set(unit.outcome_valid, waits)
            ctx.set(unit.done, waits)
            if ctx.get(unit.x.valid):
                seen.append(ctx.get(unit.before) == 0)
            await ctx.tick()
            if len(seen) == len(values):
                break

    simulate(unit, bench)
    assert seen == begins


def test_a_sequence_names_its_program() -> None:
    """The first element of a start or of a restart tells how many a step has; other elements' programs are ignored."""
    admission = StepAdmission(inputs=3, steps=8, programs=2)
    # Flags and program of each element: a start with one element a step, a restart with three, a start with one.
    elements = [("start", 0), ("", 1), ("restart", 1), ("", 0), ("start", 0), ("", 0), ("", 1), ("", 0), ("start", 0)]
    begins: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(admission.step_inputs[0], 0)
        ctx.set(admission.step_inputs[1], 2)
        ctx.set(admission.x.ready, 1)
        for flag, program in elements:
            ctx.set(admission.i.valid, 1)
            for name in ("start", "restart"):
                ctx.set(admission.i.payload[name], flag == name)
            ctx.set(admission.i.payload.program, program)
            await ctx.tick().until(admission.i.ready)
        ctx.set(admission.i.valid, 0)
        await ctx.tick().repeat(40)

    async def engine(ctx: Any) -> None:
        fed = 0
        async for _, _, valid, before in ctx.tick().sample(admission.x.valid, admission.before):
            if valid:
                begins.extend([fed] * (before == 0))
                fed += 1

    simulator = Simulator(admission)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.add_process(engine)
    simulator.run()
    assert begins == [0, 1, 2, 5, 8]
