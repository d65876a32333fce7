"""Lists of columns: how long they grow, when a buffer is written, and what a step's end leaves."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal

from hw_tests.formal.properties import Around, Fault, proves
from lstmith.rtl.lists import column_lists, feedback, input_stage, program_choice
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import SETTINGS

COLUMNS = 3


@proves(
    "list fits its columns",
    says="A list never has more entries than columns were offered since the last one ended.",
    fault=Fault(column_lists, "length.eq(Mux(self.clear, 0, total))", "length.eq(total)"),
    depth=3,
    cover=8,
    variants=((1,), (2,)),
)
class LengthBench(Around):
    """No more values than columns, then the end of the list."""

    def __init__(self, planes: int):
        super().__init__(
            column_lists.ColumnLists(columns=COLUMNS, entries=COLUMNS, parts=2, operand_width=8, planes=planes)
        )

    def ask(self, m: Module, unit: Any) -> None:
        offered = Signal(range(COLUMNS + 1))
        m.d.comb += [Assume(~unit.valid | (offered != COLUMNS)), Cover(unit.lengths[0].count == COLUMNS)]
        with m.If(unit.clear):
            m.d.sync += offered.eq(0)
        with m.Elif(unit.valid):
            m.d.sync += offered.eq(offered + 1)
        for length in (unit.lengths[index] for index in range(len(unit.lengths))):
            m.d.comb += Assert(length.count <= offered)


class InputBench(Around):
    """Steps that come as they like; a buffer is released only when it is full."""

    def __init__(self, delta: bool, elements: int):
        self._elements = elements
        config = EngineConfig(lanes=1, precisions=(8,), units=2, inputs=2, delta=delta)
        super().__init__(input_stage.InputStage(config))

    def ask(self, m: Module, unit: Any) -> None:
        self.enters = unit.x.valid & unit.x.ready & unit.x_last
        # Settings hold still while a step comes.
        m.d.comb += [Assume((unit.release & ~unit.steps.full) == 0), Assume(unit.settings.inputs == self._elements - 1)]


@proves(
    "one outcome per step",
    says="Each step has one outcome, in order, a fixed number of cycles after its last element.",
    fault=Fault(input_stage, "outcome_valid.eq(ends | mark_ends)", "outcome_valid.eq(takes)"),
    depth=24,
    cover=20,
    enough="three steps of two elements, with marks between them, pass through the whole encoder",
    variants=((True, 2), (False, 2), (True, 1)),
)
class OutcomeBench(InputBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        marked = Signal()
        m.d.comb += marked.eq(unit.x.payload.mark & unit.x.valid)
        ends, marks = Signal(unit.latency), Signal(unit.mark_latency)
        first = Signal(init=1)
        with m.If(unit.x.valid & unit.x.ready):
            m.d.sync += first.eq(unit.x_last)
        mark = marked & first
        m.d.sync += [ends.eq(ends << 1 | (self.enters & ~mark)), marks.eq(marks << 1 | (self.enters & mark))]
        m.d.comb += [
            Assert(~(ends[-1] & marks[-1])),
            Assert(unit.outcome_valid == (ends[-1] | marks[-1])),
            Cover(unit.outcome_valid & unit.outcome_skipped),
            Cover(unit.outcome_valid & ~unit.outcome_skipped),
        ]


@proves(
    "full input buffer is not written",
    says="The input of a step is never listed over that of a step that waits.",
    fault=Fault(input_stage, "(gap == 0) & ~full[target]", "(gap == 0)"),
    depth=24,
    cover=24,
    enough="both buffers are filled and released, three steps of one element in all, from every order of the two",
    variants=((False, 1), (True, 1)),
)
class BufferBench(InputBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        listed = Signal(4)
        freed = unit.release[0] + unit.release[1]
        m.d.sync += listed.eq(listed - freed)
        computed = unit.outcome_valid & ~unit.outcome_skipped
        with m.If(computed):
            m.d.sync += listed.eq(listed + 1 - freed)
        m.d.comb += [
            # A step fills its buffer in the cycle before its outcome is told.
            Assert(listed + computed == unit.steps.full[0] + unit.steps.full[1]),
            Cover(unit.steps.full == 3),
        ]


@proves(
    "finished list stands",
    says="What is told of a finished list of h stays until the next one is finished.",
    fault=Fault(feedback, "with m.If(finish & now):", "with m.If((finish | encoder.o_valid) & now):"),
    depth=3,
    cover=24,
)
class DoneBench(Around):
    def __init__(self) -> None:
        config = EngineConfig(lanes=1, precisions=(8,), units=2, inputs=2)
        super().__init__(feedback.Feedback(config))

    def ask(self, m: Module, unit: Any) -> None:
        # A reset leaves it as it is.
        finished = Signal(reset_less=True)
        done = unit.lists.done.as_value()
        before = Signal.like(done, reset_less=True)
        m.d.sync += [finished.eq(unit.lists.drained | unit.load.end), before.eq(done)]
        m.d.comb += [Assert(finished | (done == before)), Cover(done != 0)]


@proves(
    "program that is not there is refused",
    says="A sequence that names no program is refused with all its elements, and others never wait for long nor see "
    "settings that are not their own.",
    fault=Fault(program_choice, "Mux(self.names, absent, self.closed)", "self.names & absent"),
    depth=6,
    cover=8,
    variants=((3,), (4,)),
)
class ProgramBench(Around):
    """Elements that hold still until they are taken, and a gap that ends."""

    def __init__(self, programs: int):
        self._programs = programs
        super().__init__(program_choice.ProgramChoice(programs))

    def ask(self, m: Module, unit: Any) -> None:
        names, absent, taken = unit.names, unit.wanted >= self._programs, unit.names & unit.accept
        # What is offered stays, and so does the end of the gap.
        held, wanted, clear = Signal(), Signal.like(unit.wanted), Signal()
        m.d.sync += [held.eq(names & ~unit.accept), wanted.eq(unit.wanted), clear.eq(unit.clear)]
        m.d.comb += [
            Assume(~held | (names & (unit.wanted == wanted) & (unit.clear | ~clear))),
            Assume(~unit.accept | ~unit.waits),
        ]
        # The first program's settings are there from the reset on.
        closed, steady = Signal(), Signal(range(SETTINGS + 1), init=SETTINGS)
        before, waited = Signal.like(unit.program), Signal(4)
        with m.If(taken):
            m.d.sync += closed.eq(absent)
        m.d.sync += [
            before.eq(unit.program),
            waited.eq(Mux(names & unit.clear & unit.waits, waited + ~waited.all(), 0)),
        ]
        settled = Mux(unit.program == before, steady + (steady != SETTINGS), 0)
        m.d.sync += steady.eq(settled)
        m.d.comb += [
            Assert(unit.program < self._programs),
            Assert(unit.closed == closed),
            Assert(unit.refuses == Mux(names, absent, closed)),
            Assert(unit.refused == (taken & absent)),
            # Its own settings are there, since long enough.
            Assert(~taken | absent | ((unit.program == unit.wanted) & (settled == SETTINGS))),
            Assert(waited <= 1 + SETTINGS),
            Cover(taken & ~absent & closed & (unit.program != 0)),
        ]
