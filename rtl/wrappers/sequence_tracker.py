"""Sequences by their last element: what TLAST means, for x and for h."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.rtl.fields import program_of
from lstmith.rtl.layouts import InputWord, output_layout, sequence_of, set_sequence
from lstmith.rtl.wrappers.signatures import beat_layout, element_layout
from lstmith.spec.config import EngineConfig

#: Steps that may be between x and the last of their results; a power of two, and one place stays empty.
STEPS = 16


class SequenceTracker(wiring.Component):
    """Makes a sequence's beginning from the end of the one before, and tells each step's results where they end.

    A step is in flight from its last element to its last result. The next one waits while there is no room for it,
    which happens only if results wait. A step that is skipped gives one result, so that every sequence has a last one.
    If a sequence ends within a step, its last element stands for those that are missing.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    i : In(stream of element_layout(config))
        x, with the ends of sequences.
    x : Out(stream of InputWord)
        x, with their beginnings.
    x_last : In(1)
        The element on ``x`` is the last of its step.
    outcome_valid : In(1)
        For one cycle per step, in order, after its last element: it is known whether the step is computed.
    outcome_skipped : In(1)
        It is skipped; while ``outcome_valid``.
    h : In(stream of output_layout(config))
        Results, in order of the steps.
    o : Out(stream of beat_layout(config))
        Results, with the ends of sequences.
    short : Out(1)
        A sequence ended within a step: an element is repeated.
    empty : Out(1)
        No step is in flight.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(element_layout(config))),
                "x": Out(stream.Signature(InputWord)),
                "x_last": In(1),
                "outcome_valid": In(1),
                "outcome_skipped": In(1),
                "h": In(stream.Signature(output_layout(config))),
                "o": Out(stream.Signature(beat_layout(config))),
                "short": Out(1),
                "empty": Out(1),
            }
        )
        pointer = range(STEPS)
        #: Steps by their order: the next to come in, to be told, and to leave.
        self.entered, self.told, self.left = Signal(pointer), Signal(pointer), Signal(pointer)
        #: Of each step: whether a sequence ends with it, and which one; whether it is skipped.
        self.ends = Memory(shape=1 + config.sequence_bits, depth=STEPS, init=[])
        self.outcomes = Memory(shape=1, depth=STEPS, init=[])
        #: The next element is the first of its step.
        self.first = Signal(init=1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.ends, m.submodules.outcomes = ends, outcomes = self.ends, self.outcomes
        self._elaborate_input(m, ends)
        told = outcomes.write_port()
        m.d.comb += [told.addr.eq(self.told), told.data.eq(self.outcome_skipped), told.en.eq(self.outcome_valid)]
        with m.If(self.outcome_valid):
            m.d.sync += self.told.eq(self.told + 1)

        end, outcome = ends.read_port(domain="comb"), outcomes.read_port(domain="comb")
        known, skipped, closes = Signal(), outcome.data, Signal()
        result, beat = self.h.payload, self.o.payload
        final = result.final if config.layers > 1 else 1
        m.d.comb += [
            end.addr.eq(self.left),
            outcome.addr.eq(self.left),
            known.eq(self.left != self.told),
            self.o.valid.eq(known & (skipped | self.h.valid)),
            self.h.ready.eq(known & ~skipped & self.o.ready),
            closes.eq(skipped | (result.last & final)),
            beat.value.eq(result.h),
            # What the queue shows where there is no result is nothing to tell.
            beat.layer.eq(Mux(skipped, 0, result.layer)),
            beat.last.eq(skipped | result.last),
            beat.end.eq(closes & end.data[0]),
            beat.skipped.eq(skipped),
            *set_sequence(beat, Mux(skipped, end.data[1:], sequence_of(result))),
            self.empty.eq(self.left == self.entered),
        ]
        with m.If(self.o.valid & self.o.ready & closes):
            m.d.sync += self.left.eq(self.left + 1)
        return m

    def _elaborate_input(self, m: Module, ends: Memory) -> None:
        element, word = self.i.payload, self.x.payload
        sequence, held = Signal(self._config.sequence_bits), Signal(self._config.sequence_bits)
        fresh = Signal(self._config.sequences, init=-1)
        opened, accept = Signal(), Signal()
        following = Signal.like(self.entered)
        m.d.comb += [
            sequence.eq(Mux(self.first, sequence_of(element), held)),
            following.eq(self.entered + 1),
            opened.eq(following != self.left),
            self.x.valid.eq(self.i.valid & opened),
            # The last element stays until its step is complete.
            self.i.ready.eq(self.x.ready & opened & (self.x_last | ~element.last)),
            word.value.eq(element.value),
            word.start.eq(element.start | (~element.keep & ~element.restart & self._of(fresh, sequence))),
            word.restart.eq(element.restart),
            word.mark.eq(element.mark),
            word.mask.eq(element.mask),
            word.sequence.eq(sequence_of(element)),
            word.program.eq(program_of(element)),
            accept.eq(self.x.valid & self.x.ready),
            self.short.eq(accept & element.last & ~self.x_last),
        ]
        with m.If(accept):
            m.d.sync += [self.first.eq(self.x_last), held.eq(sequence)]
        for index in range(self._config.sequences):
            with m.If(accept & (sequence == index)):
                m.d.sync += fresh[index].eq(self.x_last & element.last)
        entered = ends.write_port()
        m.d.comb += [
            entered.addr.eq(self.entered),
            entered.data.eq(Cat(element.last, sequence)),
            entered.en.eq(accept & self.x_last),
        ]
        with m.If(accept & self.x_last):
            m.d.sync += self.entered.eq(following)

    def _of(self, bits: Signal, sequence: Signal) -> Value:
        return bits.bit_select(sequence, 1) if len(sequence) else bits[0]
