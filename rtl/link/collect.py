"""Collectors: what the engine says, as words of the result ring."""

from __future__ import annotations

import functools
import operator

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.fields import is_final
from lstmith.rtl.link.queue import HeadQueue
from lstmith.rtl.link.ring import RING_WORD_BITS
from lstmith.rtl.prim import parameters as check
from lstmith.spec.config import bits_for
from lstmith.spec.link_map import LAYER_BITS, RECORDS, Kind

#: Outcomes that can wait for results of earlier steps.
OUTCOMES = 8
#: Fewest cycles between two transfers of the executor.
TRANSFER_CYCLES = 4
#: Results that a block memory of ECP5 holds.
RESULT_PLACES = 512
#: Width of a record's ``cycle``.
CYCLE_BITS = 32
#: What is written in compact mode too, whatever the step.
_LOUD = Const(0, 1)


class CompactCollector(wiring.Component):
    """For each step its outcome; then, if it was computed, the h of its results, for which the engine waits.

    Parameters
    ----------
    result : StructLayout
        A result of the engine, as :func:`~lstmith.rtl.layouts.output_layout` makes it.
    layers : int
        Layers of the engine: the last layer's last result ends a step.
    outcome_latency : int
        Most cycles from a transfer of the input stream to the outcome of the step that it ends.

    Members
    -------
    outcome_valid : In(1)
        It is known whether a step is computed, for one cycle.
    outcome_skipped : In(1)
        The step is skipped; valid with ``outcome_valid``.
    h : In(stream of result)
        Results of the engine.
    room : Out(1)
        Another transfer of the input stream may be made, since no outcome will be lost; valid always.
    o : Out(stream of 16 bits)
        Words for the ring.

    Attributes
    ----------
    level : Signal
        Outcomes that wait; no part of the interface, proofs look at it.

    Raises
    ------
    TypeError
        If a number is no integer.
    ValueError
        If a number is out of range, as is a latency in which more steps could end than outcomes can wait.
    """

    def __init__(self, *, result: data.StructLayout, layers: int, outcome_latency: int):
        self._layers = check.integer("Collector layers", layers, 1)
        # From a transfer to its outcome others may be made; each ends one step at most.
        check.integer("Collector outcome_latency", outcome_latency, 0, TRANSFER_CYCLES * (OUTCOMES // 2 - 1))
        super().__init__(
            {
                "outcome_valid": In(1),
                "outcome_skipped": In(1),
                "h": In(stream.Signature(result)),
                "room": Out(1),
                "o": Out(stream.Signature(RING_WORD_BITS)),
            }
        )
        self.level = Signal(range(OUTCOMES))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        queue = Array(Signal(name=f"outcome_{index}") for index in range(OUTCOMES))
        put, take, level = Signal(range(OUTCOMES)), Signal(range(OUTCOMES)), self.level
        computes, skipped = Signal(), queue[take]
        m.d.comb += level.eq(put - take)
        # A register before, since much of the engine depends on whether it is given something.
        m.d.sync += self.room.eq(level < OUTCOMES // 2)
        with m.If(self.outcome_valid):
            m.d.sync += [queue[put].eq(self.outcome_skipped), put.eq(put + 1)]
        with m.If(computes):
            last = self.h.payload.last & is_final(self.h.payload, self._layers)
            m.d.comb += [
                self.o.payload.eq(self.h.payload.h),
                self.o.valid.eq(self.h.valid),
                self.h.ready.eq(self.o.ready),
            ]
            with m.If(self.h.valid & self.h.ready & last):
                m.d.sync += computes.eq(0)
        with m.Else():
            m.d.comb += [self.o.payload.eq(skipped), self.o.valid.eq(level != 0)]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += [computes.eq(~skipped), take.eq(take + 1)]
        return m


class StepCollector(wiring.Component):
    """Keeps everything that the engine says, at once, and writes it to the ring step by step, at the ring's pace.

    In records: INPUT and OUTCOME, then a computed step's RESULTs, then its EVENTs. Compact: the outcome, then a
    computed step's h. What belongs to ``steps`` steps has room, so the engine never waits, as long as no more are
    admitted before one is ``done``.

    Parameters
    ----------
    result : StructLayout
        A result of the engine, as :func:`~lstmith.rtl.layouts.output_layout` makes it.
    event : StructLayout
        An event of the engine, as :func:`~lstmith.rtl.layouts.event_layout` makes it. One that does not tell digits is
        of an engine with one plane: each column has one digit, and none of the low plane.
    layers : int
        Layers of the engine: the last layer's last result and its event end a step.
    units : int
        Most results of a step.
    steps : int
        Steps that have room.
    inputs : int
        Most values of a step.

    Members
    -------
    full : In(1)
        Records are wanted; it changes only while no step is on its way.
    fed : In(1)
        The engine takes a step's last value, for one cycle.
    before : In(range(inputs))
        Values of the step before it; valid with ``fed``. The step counts from as many cycles earlier.
    idle : In(1)
        The step began in an idle engine; valid with ``fed``.
    quiet : In(1)
        The step's h is not written, but in records; valid with ``fed``.
    outcome_valid : In(1)
        It is known whether a step is computed, for one cycle.
    outcome_skipped : In(1)
        The step is skipped; valid with ``outcome_valid``.
    event : In(event)
        A layer's step has drained; valid with ``event_valid``.
    event_valid : In(1)
        There is an event, for one cycle.
    h : In(stream of result)
        Results of the engine; each is taken at once.
    done : Out(1)
        A step has been written, for one cycle.
    o : Out(stream of 16 bits)
        Words for the ring.

    Attributes
    ----------
    results, events, outcomes, inputs : HeadQueue
        What waits; no part of the interface, proofs look at them.
    noted : Signal
        A step was fed in the cycle before; likewise.
    written : Signal
        What of the oldest step has been written: nothing, its input, its outcome too, its results too; likewise.

    Raises
    ------
    TypeError
        If a number is no integer.
    ValueError
        If a number is out of range, or there are more layers than a record tells apart, or more columns or digits
        than it counts.
    """

    def __init__(
        self, *, result: data.StructLayout, event: data.StructLayout, layers: int, units: int, steps: int, inputs: int
    ):
        self._layers = check.integer("Step collector layers", layers, 1, 1 << LAYER_BITS)
        for field in RECORDS[Kind.EVENT].fields:
            if field.name in event.members and event[field.name].width > field.width:
                raise ValueError(
                    f"Step collector event.{field.name} must have {field.width} bits at most, "
                    f"not {event[field.name].width}"
                )
        self._result, self._event = result, event
        super().__init__(
            {
                "full": In(1),
                "fed": In(1),
                "before": In(bits_for(inputs)),
                "idle": In(1),
                "quiet": In(1),
                "outcome_valid": In(1),
                "outcome_skipped": In(1),
                "event": In(event),
                "event_valid": In(1),
                "h": In(stream.Signature(result)),
                "done": Out(1),
                "o": Out(stream.Signature(RING_WORD_BITS)),
            }
        )
        self._timed = {
            Kind.INPUT: data.StructLayout({"idle": 1, "quiet": 1, "cycle": CYCLE_BITS}),
            Kind.OUTCOME: data.StructLayout({"skipped": 1, "cycle": CYCLE_BITS}),
            Kind.EVENT: data.StructLayout({**event.members, "cycle": CYCLE_BITS}),
        }
        steps = check.integer("Step collector steps", steps, 1)
        units = check.integer("Step collector units", units, 1)
        check.integer("Step collector inputs", inputs, 1)
        self.results = HeadQueue(width=result.size, places=steps * units)
        self.events = HeadQueue(width=self._timed[Kind.EVENT].size, places=steps * layers)
        self.outcomes = HeadQueue(width=self._timed[Kind.OUTCOME].size, places=steps)
        self.inputs = HeadQueue(width=self._timed[Kind.INPUT].size, places=steps)
        self.written, self.noted = Signal(2), Signal()
        # Words by kind with whether they are there, from the queues and from a register behind; whether that is free.
        self._offered, self._held = ({kind: _word(kind, name) for kind in Kind} for name in ("offered", "held"))
        self._free = Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.results, m.submodules.events = results, events = self.results, self.events
        m.submodules.outcomes, m.submodules.inputs = outcomes, inputs = self.outcomes, self.inputs
        cycle = Signal(CYCLE_BITS)
        m.d.sync += cycle.eq(cycle + 1)
        event, outcome, given = (
            data.View(self._timed[kind], queue.w_data)
            for kind, queue in ((Kind.EVENT, events), (Kind.OUTCOME, outcomes), (Kind.INPUT, inputs))
        )
        # When its first value would have come, had none of them waited.
        note = Signal.like(given, reset_less=True)
        m.d.sync += [
            note.cycle.eq(cycle - self.before),
            note.idle.eq(self.idle),
            note.quiet.eq(self.quiet),
            self.noted.eq(self.fed),
        ]
        m.d.comb += [
            *(event[name].eq(self.event[name]) for name in self._event.members),
            event.cycle.eq(cycle),
            outcome.cycle.eq(cycle),
            events.w_en.eq(self.event_valid),
            outcome.skipped.eq(self.outcome_skipped),
            outcomes.w_en.eq(self.outcome_valid),
            given.eq(note),
            inputs.w_en.eq(self.noted),
            results.w_data.eq(self.h.payload),
            results.w_en.eq(self.h.valid),
            self.h.ready.eq(1),
        ]
        word = Signal(range(max(record.words for record in RECORDS.values())))
        quiet = Signal()
        # Each kind's word waits in a register: which kind it is is chosen behind it.
        for kind, (payload, valid) in self._offered.items():
            with m.If(self._free):
                m.d.sync += [self._held[kind][0].eq(payload), self._held[kind][1].eq(valid)]
        m.d.comb += [
            self.o.valid.eq(Cat(valid for _, valid in self._held.values()).any()),
            self._free.eq(~self.o.valid | self.o.ready),
        ]
        words = [payload & valid.replicate(len(payload)) for payload, valid in self._held.values()]
        m.d.comb += self.o.payload.eq(functools.reduce(operator.or_, words))
        with m.FSM():
            with m.State("Input"):
                fields = self._read(inputs, Kind.INPUT)
                m.d.sync += quiet.eq(fields["quiet"])
                with m.If(given_goes := self._write(m, word, inputs, Kind.INPUT, fields, None)):
                    m.next = "Outcome"
            with m.State("Outcome"):
                m.d.comb += self.written.eq(1)
                fields = self._read(outcomes, Kind.OUTCOME)
                goes = self._write(m, word, outcomes, Kind.OUTCOME, fields, Mux(fields["skipped"], 1, quiet << 1))
                m.d.comb += outcomes.r_en.eq(goes)
                with m.If(goes):
                    m.next = "Results"
                    with m.If(fields["skipped"]):
                        m.d.comb += self.done.eq(1)
                        m.next = "Input"
            with m.State("Results"):
                m.d.comb += self.written.eq(2)
                fields = self._read(results, Kind.RESULT)
                goes = self._write(m, word, results, Kind.RESULT, fields, fields["h"], quiet)
                m.d.comb += results.r_en.eq(goes)
                with m.If(goes):
                    with m.If(fields["last"] & self._is_final(fields)):
                        m.next = "Events"
            with m.State("Events"):
                m.d.comb += self.written.eq(3)
                fields = self._read(events, Kind.EVENT)
                goes = self._write(m, word, events, Kind.EVENT, fields, None)
                m.d.comb += events.r_en.eq(goes)
                with m.If(goes):
                    with m.If(self._is_final(fields)):
                        m.d.comb += self.done.eq(1)
                        m.next = "Input"
        # The next one is not looked at before, since an outcome comes between.
        m.d.sync += inputs.r_en.eq(given_goes)
        return m

    def _read(self, queue: HeadQueue, kind: Kind) -> dict[str, Value]:
        """Fields of a record, from the head of its queue."""
        layout = self._timed.get(kind, self._result)
        view = data.View(layout, queue.r_data)
        fields: dict[str, Value] = {name: view[name] for name in layout.members}
        if kind is Kind.EVENT:
            fields = {"digits": fields["columns"], "low": Const(0, 1), **fields}
        return fields

    def _is_final(self, fields: dict[str, Value]) -> Value:
        """Whether a record is of its program's last layer; see :func:`.fields.is_final`."""
        return fields.get("final", fields["layer"] == self._layers - 1)

    def _write(
        self,
        m: Module,
        word: Signal,
        queue: HeadQueue,
        kind: Kind,
        fields: dict[str, Value],
        compact: Value | None,
        quiet: Value = _LOUD,
    ) -> Signal:
        """Write the head of a queue, as a record or as one word, or none; whether it goes in this cycle."""
        words, goes = record_words(kind, fields), Signal(name=f"{kind.name.lower()}_goes")
        payload, valid = self._offered[kind]
        with m.If(self.full):
            ends = word == len(words) - 1
            m.d.comb += [
                payload.eq(Array(words)[word]),
                valid.eq(queue.r_rdy),
                goes.eq(queue.r_rdy & self._free & ends),
            ]
            with m.If(queue.r_rdy & self._free):
                m.d.sync += word.eq(Mux(ends, 0, word + 1))
        with m.Else():
            if compact is None:
                m.d.comb += goes.eq(queue.r_rdy)
            else:
                m.d.comb += [
                    payload.eq(compact),
                    valid.eq(queue.r_rdy & ~quiet),
                    goes.eq(queue.r_rdy & (self._free | quiet)),
                ]
        return goes


def _word(kind: Kind, name: str) -> tuple[Signal, Signal]:
    of = f"{name}_{kind.name.lower()}"
    return Signal(RING_WORD_BITS, name=of, reset_less=True), Signal(name=f"{of}_valid")


def held_steps(units: int) -> int:
    """Steps of an engine whose results have room: as many as share a block memory, but two at least and eight at most.

    Parameters
    ----------
    units : int
        Most results of a step.
    """
    return max(2, min(8, RESULT_PLACES // units))


def record_words(kind: Kind, values: dict[str, Value]) -> list[Value]:
    """A record's words, by ``spec.link_map.RECORDS``; the kind is in the lowest bits of the first one."""
    record = RECORDS[kind]
    bits: list[Value] = [Const(kind >> bit & 1, 1) for bit in range(RING_WORD_BITS * record.words)]
    for field in record.fields:
        value = values[field.name]
        # Narrower in this engine than in the record: extended by sign or zero.
        for bit in range(field.width):
            source = value[min(bit, len(value) - 1)] if field.signed or bit < len(value) else Const(0, 1)
            bits[RING_WORD_BITS * field.word + field.bit + bit] = source
    return [Cat(*bits[start : start + RING_WORD_BITS]) for start in range(0, len(bits), RING_WORD_BITS)]
