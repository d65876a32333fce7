"""Collectors: what the engine says, as words of the result ring, compact or as records of all that a simulator sees."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.link.ring import RING_WORD_BITS
from lstmith.rtl.prim import parameters as check
from lstmith.spec.link_map import LAYER_BITS, RECORDS, Kind

#: Outcomes that can wait for results of earlier steps.
OUTCOMES = 8
#: Fewest cycles between two transfers of the executor.
TRANSFER_CYCLES = 4


class CompactCollector(wiring.Component):
    """For each step its outcome; then, if it was computed, the h of its results.

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
        m.d.comb += [level.eq(put - take), self.room.eq(level < OUTCOMES // 2)]
        with m.If(self.outcome_valid):
            m.d.sync += [queue[put].eq(self.outcome_skipped), put.eq(put + 1)]
        with m.If(computes):
            last = self.h.payload.last & (self.h.payload.layer == self._layers - 1)
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


class RecordCollector(wiring.Component):
    """Records of all that happens in one cycle of the engine, which stands still meanwhile.

    Parameters
    ----------
    result : StructLayout
        A result of the engine, as :func:`~lstmith.rtl.layouts.output_layout` makes it.
    event : StructLayout
        An event of the engine, as :func:`~lstmith.rtl.layouts.event_layout` makes it. One that does not tell digits is
        of an engine with one plane: each column has one digit, and none of the low plane.
    layers : int
        Layers of the engine.

    Members
    -------
    stamp : In(1)
        The input that wants to be stamped is taken. It stays until ``step``, as do the following inputs.
    outcome_valid : In(1)
        It is known whether a step is computed.
    outcome_skipped : In(1)
        The step is skipped; valid with ``outcome_valid``.
    event : In(event)
        A layer's step has drained; valid with ``event_valid``.
    event_valid : In(1)
        There is an event.
    h : In(stream of result)
        Results of the engine; one is taken with ``step``.
    done : Out(1)
        Everything of this cycle is written; valid always.
    step : In(1)
        The engine's cycle ends, for one cycle and only while ``done``.
    o : Out(stream of 16 bits)
        Words for the ring.

    Raises
    ------
    TypeError
        If ``layers`` is no integer.
    ValueError
        If there are more layers than a record tells apart, or more columns or digits than it counts.
    """

    def __init__(self, *, result: data.StructLayout, event: data.StructLayout, layers: int):
        check.integer("Record collector layers", layers, 1, 1 << LAYER_BITS)
        for field in RECORDS[Kind.EVENT].fields:
            if field.name in event.members and event[field.name].width > field.width:
                raise ValueError(
                    f"Record collector event.{field.name} must have {field.width} bits at most, "
                    f"not {event[field.name].width}"
                )
        self._result, self._event = result, event
        super().__init__(
            {
                "stamp": In(1),
                "outcome_valid": In(1),
                "outcome_skipped": In(1),
                "event": In(event),
                "event_valid": In(1),
                "h": In(stream.Signature(result)),
                "done": Out(1),
                "step": In(1),
                "o": Out(stream.Signature(RING_WORD_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cycle = Signal(32)
        with m.If(self.step):
            m.d.sync += cycle.eq(cycle + 1)
        event: dict[str, Value] = {"digits": self.event.columns, "low": Const(0, 1)}
        event |= {name: self.event[name] for name in self._event.members}
        fields: dict[Kind, dict[str, Value]] = {
            Kind.INPUT: {"cycle": cycle},
            Kind.OUTCOME: {"cycle": cycle, "skipped": self.outcome_skipped},
            Kind.EVENT: {"cycle": cycle, **event},
            Kind.RESULT: {name: self.h.payload[name] for name in self._result.members},
        }
        happens = {
            Kind.INPUT: self.stamp,
            Kind.OUTCOME: self.outcome_valid,
            Kind.EVENT: self.event_valid,
            Kind.RESULT: self.h.valid,
        }
        word, ends = Signal(range(max(record.words for record in RECORDS.values()))), Signal()
        written = Signal(len(Kind))
        m.d.comb += [self.h.ready.eq(self.step), self.done.eq(1)]
        for index, kind in enumerate(happens):
            with (m.Elif if index else m.If)(happens[kind] & ~written[index]):
                words = record_words(kind, fields[kind])
                m.d.comb += [
                    self.done.eq(0),
                    self.o.valid.eq(1),
                    self.o.payload.eq(Array(words)[word]),
                    ends.eq(word == len(words) - 1),
                ]
                with m.If(self.o.ready):
                    m.d.sync += [word.eq(Mux(ends, 0, word + 1)), written[index].eq(ends)]
        with m.If(self.step):
            m.d.sync += written.eq(0)
        return m


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
