"""Sequencer: walks a pass's folds and lists, and fetches one list entry at a time."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.rtl.interfaces import (
    FetchSignature,
    ListLengthsSignature,
    ProgramSignature,
    ReloadSignature,
    StateLoadSignature,
    WaitingStepsSignature,
)
from lstmith.rtl.layouts import pass_layout, sequence_of, set_sequence, set_single, single_of, word_of
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.sequencer.list_reader import ListReader
from lstmith.rtl.sequencer.pass_control import PassControl
from lstmith.spec.codes import Precision
from lstmith.spec.config import EngineConfig, bits_for


class Sequencer(wiring.Component):
    """Offers the next list entry as soon as it may be fetched, and fetches it when the offer is taken.

    :class:`PassControl` begins a pass, :class:`ListReader` says when it is known whether another entry follows. In a
    pass's first fold the last entry also waits for the pass before to be drained, unless that was the other
    sequence's. Behind the offer nothing ever stalls.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    program : In(ProgramSignature)
        Program store.
    steps : In(WaitingStepsSignature)
        Input stage.
    lists : In(ListLengthsSignature)
        Feedback.
    reload : Out(ReloadSignature)
        Whoever changes the active count.
    load : In(StateLoadSignature)
        Whoever loads a layer's state.
    emit_all : In(1)
        Every layer's h is sent, not only the last's.
    fetch : Out(FetchSignature)
        To the slot issuer.
    passes : Out(array of pass_layout(config) by sequence)
        The pass that drains, from the cycle after its first fold's last entry is in ``fetch``; one sequence's begins
        after the other's has ended.
    list_halves : Out(sequences)
        Per sequence, the half of the h lists that its next step reads.
    idle : Out(1)
        Nothing is in flight, nor waits.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "program": In(ProgramSignature.of(config)),
                "steps": In(WaitingStepsSignature(config)),
                "lists": In(ListLengthsSignature(config)),
                "reload": Out(ReloadSignature(counts=config.active_counts > 1)),
                "load": In(StateLoadSignature()),
                "emit_all": In(1),
                "fetch": Out(FetchSignature(config)),
                "passes": Out(data.ArrayLayout(pass_layout(config), config.sequences)),
                "list_halves": Out(config.sequences),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.passes = passes = PassControl(config)
        m.submodules.reader = reader = ListReader(columns=max(config.units, config.x_entries))
        connect(m, flipped(self.program), passes.program)
        connect(m, flipped(self.steps), passes.steps)
        connect(m, flipped(self.lists), passes.lists)
        connect(m, passes.reload, flipped(self.reload))
        connect(m, flipped(self.load), passes.load)

        # Where the present pass is.
        fields, first_layer = passes.present.descriptor, passes.first_layer
        folds_left = Signal(bits_for(config.folds(config.units)))
        first_fold, last_fold = Signal(), Signal()
        columns_before = Signal(config.address_bits, reset_less=True)
        fetches = Signal()
        with m.If(fetches & reader.last):
            m.d.sync += [
                folds_left.eq(folds_left - 1),
                first_fold.eq(0),
                last_fold.eq(folds_left == 1),
                columns_before.eq(columns_before + fields.columns),
            ]
        with m.If(passes.begins):
            folds = self.program.descriptor.folds
            m.d.sync += [
                folds_left.eq(folds),
                first_fold.eq(1),
                last_fold.eq(folds[: len(folds_left)] == 0),
                columns_before.eq(0),
            ]

        # The offer.
        offer, terms = self.fetch.offer, self.fetch.offer.payload
        m.d.comb += [
            reader.begins.eq(passes.begins),
            reader.a_count.eq(passes.first.count),
            reader.b_count.eq(passes.second.count),
            reader.b_whole.eq(passes.second_whole),
            reader.fetches.eq(fetches),
            offer.valid.eq(passes.active & reader.ready & (~reader.last | ~first_fold | passes.may_end)),
            fetches.eq(offer.valid & offer.ready),
            terms.word.eq(word_of(fields, config)),
            *set_single(terms, single_of(fields)),
            terms.last.eq(reader.last),
            terms.lanes.eq(Mux(last_fold, fields.last_lanes, config.lanes - 1)),
            terms.emits.eq(fields.last_layer | self.emit_all),
            terms.frees.eq(reader.last & last_fold & first_layer),
            terms.x_buffer.eq(passes.x_buffer),
            passes.ends.eq(fetches & reader.last & last_fold),
            passes.entry.eq(self.fetch.entry),
            passes.entry_valid.eq(self.fetch.valid),
            self.passes.eq(passes.passes),
            self.list_halves.eq(passes.list_halves),
            self.idle.eq(passes.idle),
        ]

        # The entry leaves through registers.
        from_inputs = Mux(first_layer, ~reader.in_b, reader.in_b)  # a segment of input columns
        place = Signal(config.address_bits, reset_less=True)
        entry = self.fetch.entry
        m.d.sync += [
            place.eq(columns_before + Mux(from_inputs, 0, fields.inputs)),
            self.fetch.valid.eq(fetches),
            entry.from_x.eq(first_layer & ~reader.in_b),
            entry.empty.eq(reader.empty),
            entry.first_fold.eq(first_fold),
            entry.last_fold.eq(last_fold),
            entry.opens.eq(first_fold & reader.opens),
            entry.counts.eq(first_fold & first_layer),
            entry.clears.eq(passes.present.clear),
            *(entry[name].eq(terms[name]) for name in ("last", "lanes", "emits", "frees", "x_buffer")),
            *set_sequence(entry, sequence_of(passes.present)),
        ]
        self._elaborate_addresses(m, passes, reader)
        self._elaborate_words(m, fields, place)
        return m

    def _elaborate_addresses(self, m: Module, passes: PassControl, reader: ListReader) -> None:
        """Where the entry stands."""
        config, present = self._config, passes.present
        next_x = reader.in_b & ~passes.first_layer  # the list that the layer before wrote
        base = Mux(next_x, present.descriptor.x_base, present.descriptor.unit_base)
        unit = (base + reader.place)[: config.unit_bits]
        x_address = Cat(reader.place[: bits_for(config.x_entries)], passes.x_buffer)
        h_address = Cat(unit, present.list_half, sequence_of(present), next_x)
        m.d.comb += [
            self.fetch.x_address.eq(delayed(m, x_address, 1, "x_address")),
            self.fetch.h_address.eq(delayed(m, h_address, 1, "h_address")),
            self.fetch.list.eq(delayed(m, passes.list, 1, "list")),
        ]

    def _elaborate_words(self, m: Module, fields: data.View[data.StructLayout], place: Signal) -> None:
        """What the entry's weight words hold, and where its segment's column 0 begins in each plane."""
        config, entry = self._config, self.fetch.entry
        m.d.comb += [entry.word.eq(fields.word), *set_single(entry, single_of(fields))]
        stride = Mux(single_of(fields), 0, fields.word) if config.single_rows else fields.word
        if config.planes > 1:
            m.d.comb += entry.raises.eq(fields.planes)
        begins = (fields.base_top, fields.base_low)[: config.planes]
        codes = {int(Precision.of(bits)) for bits in config.word_bits} | ({0} if config.single_rows else set())
        with m.Switch(stride):
            for code in sorted(codes):
                with m.Case(code) if len(codes) > 1 else m.Default():
                    m.d.comb += [
                        base.eq(begin + (place << code)) for base, begin in zip(entry.bases, begins, strict=True)
                    ]
