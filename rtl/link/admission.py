"""Admission: a step begins when its whole input is there, or sure to come, and its results have room."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import InputWord
from lstmith.rtl.link.queue import HeadQueue
from lstmith.rtl.link.receiver import BUFFER_BYTES
from lstmith.rtl.prim import parameters as check
from lstmith.spec.config import PROGRAMS, bits_for, index_bits

#: Cycles that an engine is idle before a step counts as beginning in an idle engine.
REST = 8
#: Cycles from an element at the input to the same at the engine, of a step that is being fed.
LATENCY = 1 + HeadQueue.latency
#: Fewest places for input values: as many as a memory of lookup tables has.
_PLACES = 16


class StepAdmission(wiring.Component):
    """Keeps the input of whole steps, and feeds it to the engine at the engine's pace.

    A step begins in an idle engine, or its input follows that of the step before without a pause; it never begins in
    between. So its cycles are one of two numbers that the cycle model knows, counted from its last element. Nothing of
    a step begins while ``steps`` steps wait for their results to be collected, nor before all its input is there; but
    if ``eager``, an idle engine gets elements as they come once the frame that they come in has the step's last one.

    Parameters
    ----------
    inputs : int
        Most elements of a step. Two whole steps fit the queue.
    steps : int
        Most steps whose results have room.
    programs : int
        Of the engine.
    eager : bool
        Whether a step's elements may reach an idle engine at any pace. Its cycles from the last element on must not
        depend on when the others came, which an engine's do that fetches descriptors when a sequence begins.

    Members
    -------
    i : In(stream of InputWord)
        Input stream of any pace.
    i_left : In(range(BUFFER_BYTES))
        So many elements at least will come behind this one; valid with ``i.valid``.
    i_quiet : In(1)
        The step's h is not wanted; valid with ``i.valid`` at a step's first element.
    step_inputs : In(array of range(inputs) by program)
        Elements of a step, less one; they change only while nothing is on its way.
    x : Out(stream of InputWord)
        Input stream of the engine: a step without a pause, as far as the engine takes it.
    engine_busy : In(1)
        Something is in flight in the engine; valid always.
    outcome_valid : In(1)
        It is known whether a step is computed, for one cycle.
    done : In(1)
        A step's results have been collected, for one cycle.
    fed : Out(1)
        The engine takes a step's last element, for one cycle.
    before : Out(range(inputs))
        Elements of the step before the one at ``x``; valid with ``x.valid``.
    idle : Out(1)
        The step began in an idle engine; valid with ``fed``.
    quiet : Out(1)
        The step's h is not wanted; valid with ``fed``.
    occupied : Out(1)
        A step is there that the engine has not computed; valid always.
    active : Out(1)
        A step is being fed or may begin; valid always.

    Attributes
    ----------
    pending, unknown, feeds, ending : Signal
        Steps that were admitted and not collected; of which the outcome is not known; whether a step is being fed;
        whether one has come in part, whose rest is sure to come. No part of the interface, proofs look at them.

    Raises
    ------
    TypeError
        If a number is no integer.
    ValueError
        If a number is out of range.
    """

    def __init__(self, *, inputs: int, steps: int, programs: int = 1, eager: bool = True):
        self._eager = eager
        self._inputs = check.integer("Admission inputs", inputs, 1)
        self._steps = check.integer("Admission steps", steps, 1)
        self._programs = check.integer("Admission programs", programs, 1, PROGRAMS)
        super().__init__(
            {
                "i": In(stream.Signature(InputWord)),
                "i_left": In(range(BUFFER_BYTES)),
                "i_quiet": In(1),
                "step_inputs": In(data.ArrayLayout(bits_for(inputs), programs)),
                "x": Out(stream.Signature(InputWord)),
                "engine_busy": In(1),
                "outcome_valid": In(1),
                "done": In(1),
                "fed": Out(1),
                "before": Out(bits_for(inputs)),
                "idle": Out(1),
                "quiet": Out(1),
                "occupied": Out(1),
                "active": Out(1),
            }
        )
        self.pending, self.unknown = Signal(range(steps + 1)), Signal(range(steps + 1))
        self.feeds, self.ending = Signal(), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        places = max(_PLACES, 2 * self._inputs)
        # The engine's ready comes late.
        m.submodules.queue = queue = HeadQueue(width=InputWord.as_shape().size + 1, places=places, spare=True)
        # The queue's memory need not lie beside the executor.
        given, given_quiet, given_last = stream.Signature(InputWord).create(path=("given",)), Signal(), Signal()
        last, left, _ = self._last(m, self.i, "arriving")
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [given.payload.eq(self.i.payload), given_quiet.eq(self.i_quiet), given_last.eq(last)]
            m.d.sync += given.valid.eq(1)
            if self._eager:
                m.d.sync += self.ending.eq(~last & (self.i_left >= left))
        with m.Elif(given.ready):
            m.d.sync += given.valid.eq(0)
        arrives, leaves, whole = Signal(), Signal(), Signal.like(queue.level)
        m.d.comb += [
            self.i.ready.eq(~given.valid | given.ready),
            queue.w_data.eq(Cat(given.payload, given_quiet)),
            queue.w_en.eq(given.valid),
            given.ready.eq(queue.w_rdy),
            arrives.eq(given.valid & given.ready & given_last),
        ]
        # A step counts as whole when its last value has come through the queue.
        coming = Signal(queue.latency - 1)
        arriving = (self.i.valid & self.i.ready & last) | (given.valid & given_last) | coming.any()
        m.d.sync += [coming.eq(Cat(arrives, coming)), whole.eq(whole + coming[-1] - leaves)]

        # Steps admitted: not yet collected, and not yet known to be computed or skipped.
        admits, room, unknown, feeds = Signal(), Signal(), self.unknown, self.feeds
        m.d.comb += room.eq(self.pending != self._steps)
        m.d.sync += [
            self.pending.eq(self.pending + admits - self.done),
            unknown.eq(unknown + admits - self.outcome_valid),
        ]
        rests, rested = Signal(range(REST)), Signal()
        m.d.comb += rested.eq(rests == REST - 1)
        with m.If(self.engine_busy | (unknown != 0)):
            m.d.sync += rests.eq(0)
        with m.Elif(~rested):
            m.d.sync += rests.eq(rests + 1)

        alone, quiet, held_quiet = Signal(), Signal(), Signal()
        leaving, _, column = self._last(m, self.x, "leaving")
        first = column == 0
        with m.If(first):
            m.d.sync += held_quiet.eq(quiet)
        m.d.comb += [
            Cat(self.x.payload, quiet).eq(queue.r_data),
            self.quiet.eq(Mux(first, quiet, held_quiet)),
            self.fed.eq(leaves),
            self.before.eq(column),
            self.x.valid.eq(feeds & queue.r_rdy),
            queue.r_en.eq(feeds & self.x.ready),
            leaves.eq(self.x.valid & self.x.ready & leaving),
            self.idle.eq(alone),
            self.occupied.eq((whole != 0) | (unknown != 0) | arriving),
            self.active.eq(feeds | ((whole != 0) & room) | arriving),
        ]
        with m.If(~feeds):
            m.d.comb += admits.eq(((whole != 0) | self.ending) & room & rested)
            with m.If(admits):
                m.d.sync += [feeds.eq(1), alone.eq(1)]
        with m.Elif(leaves):
            m.d.comb += admits.eq((whole > 1) & room)
            m.d.sync += [feeds.eq(admits), alone.eq(0)]
        return m

    def _last(self, m: Module, side: wiring.PureInterface, name: str) -> tuple[Signal, Value, Signal]:
        """Whether a value is its step's last one, how many are behind it, and before it; a mark is a whole step."""
        column, last = Signal(bits_for(self._inputs), name=f"{name}_column"), Signal(name=f"{name}_last")
        first = column == 0
        # A sequence names its program with its first value.
        inputs, alone = self.step_inputs[0], side.payload.mark
        if self._programs > 1:
            program, absent = Signal(index_bits(self._programs), name=f"{name}_program"), Signal(name=f"{name}_absent")
            held, closed = Signal.like(program, name=f"{name}_held"), Signal(name=f"{name}_closed")
            inputs, alone = self.step_inputs[program], side.payload.mark | absent
            names = first & (side.payload.start | side.payload.restart)
            m.d.comb += [
                program.eq(Mux(names, side.payload.program, held)),
                # Its engine skips each value of a sequence whose program is not there.
                absent.eq(Mux(names, side.payload.program >= self._programs, closed)),
            ]
            with m.If(side.valid & side.ready):
                m.d.sync += [held.eq(program), closed.eq(absent)]
        m.d.comb += last.eq((column == inputs) | (first & alone))
        with m.If(side.valid & side.ready):
            m.d.sync += column.eq(column + 1)
            with m.If(last):
                m.d.sync += column.eq(0)
        return last, (inputs - column)[: len(column)], column
