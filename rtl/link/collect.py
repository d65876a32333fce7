"""What the engine says, as words of the result ring: compact, or as records with all that a simulator sees."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import event_layout, output_layout
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import MARK, input_ready
from lstmith.spec.link_map import LAYER_BITS, RECORDS, Kind

#: Outcomes that can wait for results of earlier steps.
OUTCOMES = 8
#: Fewest cycles between two transfers of the executor.
TRANSFER_CYCLES = 4


class CompactCollector(wiring.Component):
    """Per step its outcome, then, if it was computed, its results' h.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    outcome_valid, outcome_skipped, h
        From the engine.
    room
        Another transfer of the input stream may be made: no outcome will be lost.
    o
        Words for the ring.

    Attributes
    ----------
    level : Signal
        Outcomes that wait; no part of the interface, proofs look at it.
    """

    def __init__(self, config: EngineConfig):
        # From a transfer to its outcome others may be made; each ends one step at most.
        if max(MARK, input_ready(config)) > TRANSFER_CYCLES * (OUTCOMES // 2 - 1):
            raise ValueError(f"Collector must hold the outcomes of {input_ready(config)!r} cycles")
        self._config = config
        super().__init__(
            {
                "outcome_valid": In(1),
                "outcome_skipped": In(1),
                "h": In(stream.Signature(output_layout(config))),
                "room": Out(1),
                "o": Out(stream.Signature(16)),
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
            last = self.h.payload.last & (self.h.payload.layer == self._config.layers - 1)
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
    config : EngineConfig

    Members
    -------
    stamp, outcome_valid, outcome_skipped, event, event_valid, h
        From the engine, and whether the input is taken that wants to be stamped; all of it stays until ``step``.
    done
        Everything of this cycle is written.
    step
        The engine's cycle ends.
    o
        Words for the ring.
    """

    def __init__(self, config: EngineConfig):
        if config.layers > 1 << LAYER_BITS:
            raise ValueError(f"Records are for up to {1 << LAYER_BITS} layers, not {config.layers!r}")
        self._config = config
        super().__init__(
            {
                "stamp": In(1),
                "outcome_valid": In(1),
                "outcome_skipped": In(1),
                "event": In(event_layout(config)),
                "event_valid": In(1),
                "h": In(stream.Signature(output_layout(config))),
                "done": Out(1),
                "step": In(1),
                "o": Out(stream.Signature(16)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cycle = Signal(32)
        with m.If(self.step):
            m.d.sync += cycle.eq(cycle + 1)
        fields: dict[Kind, dict[str, Value]] = {
            Kind.INPUT: {"cycle": cycle},
            Kind.OUTCOME: {"cycle": cycle, "skipped": self.outcome_skipped},
            Kind.EVENT: {"cycle": cycle, **{name: self.event[name] for name in event_layout(self._config).members}},
            Kind.RESULT: {name: self.h.payload[name] for name in output_layout(self._config).members},
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
    """A record's 16-bit words, by ``spec.link_map.RECORDS``."""
    record = RECORDS[kind]
    bits: list[Value] = [Const(kind >> bit & 1 if bit < 2 else 0, 1) for bit in range(16 * record.words)]
    for field in record.fields:
        value = values[field.name]
        # Narrower in this engine than in the record: extended by sign or zero.
        for bit in range(field.width):
            source = value[min(bit, len(value) - 1)] if field.signed or bit < len(value) else Const(0, 1)
            bits[16 * field.word + field.bit + bit] = source
    return [Cat(*bits[start : start + 16]) for start in range(0, len(bits), 16)]
