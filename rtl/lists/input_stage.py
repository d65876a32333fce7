"""Input stage: the x stream to the first layer's column lists."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import (
    GridFields,
    InputWord,
    SkipFields,
    entry_layout,
    sequence_field,
    sequence_of,
    set_sequence,
    step_list_layout,
)
from lstmith.rtl.lists.column_lists import ColumnLists
from lstmith.rtl.lists.encoder import Encoder
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for
from lstmith.spec.latency import MARK, input_gap


class InputStage(wiring.Component):
    """Encodes the coming step's x while the present one computes: two list buffers alternate.

    One element per cycle; ``input_gap`` idle cycles between steps, so that a reference is stored
    before it is read again. A list is ready, or its step known to be skipped, ``input_ready``
    cycles after its last element. A skipped step leaves references and buffer as they were.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    x
        Input stream.
    inputs
        Elements per step, minus 1.
    grid
        Grid, mode and thresholds; ``forget`` and ``exact`` are set here.
    skip
        Rule for skipping steps.
    predicted, verdict
        The predictor would skip the next step; it has judged the last computed one.
    full, step
        Per buffer: whether it holds a finished list, and which.
    release
        Frees a buffer.
    outcome_valid, outcome_skipped
        For one cycle per step, in order: whether it is computed or skipped.
    r_addr, r_list, entry
        Read port: place in the list and, as the upper bit, the buffer; which list; entry two cycles later.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "x": In(stream.Signature(InputWord)),
                "inputs": In(bits_for(config.inputs)),
                "grid": In(GridFields),
                "skip": In(SkipFields),
                "predicted": In(1),
                "verdict": In(1),
                "full": Out(2),
                "step": Out(data.ArrayLayout(step_list_layout(config), 2)),
                "release": In(2),
                "outcome_valid": Out(1),
                "outcome_skipped": Out(1),
                "r_addr": In(bits_for(config.inputs) + 1),
                "r_list": In(1),
                "entry": Out(entry_layout(config, config.inputs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        column_bits = bits_for(config.inputs)
        flags = data.StructLayout(
            {"start": 1, "restart": 1, "mask": unsigned(bits_for(ACTIVE_COUNTS)), **sequence_field(config)}
        )
        tag = data.StructLayout({"column": column_bits, "last": 1})
        references = config.inputs if config.sequences == 1 else config.sequences << column_bits
        m.submodules.encoder = encoder = Encoder(config, references, tag, banks=config.skip, steady=True)
        m.submodules.lists = pair = ColumnLists(config, config.inputs, 2)

        column, buffer = Signal(column_bits), Signal()
        idle = input_gap(config)
        gap, awaited = Signal(range(idle + 1)), Signal()
        last = column == self.inputs
        full = Array(self.full[index] for index in range(2))
        # The buffer that the next step takes: known when the last value is in, unless that step may be skipped.
        target = buffer if config.skip else Signal()
        m.d.comb += self.x.ready.eq((gap == 0) & ~full[target] & ~awaited)
        with m.If(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        # A step's flags come with its first element and hold until its last one is listed.
        first = self.x.payload
        held, now = Signal(flags), Signal(flags)
        given = Cat(first.start, first.restart, first.mask, first.sequence[: config.sequence_bits])
        m.d.comb += now.eq(Mux(column == 0, given, held))
        accept = self.x.valid & self.x.ready
        marked = accept & (column == 0) & first.mark
        with m.If(accept & ~marked):
            m.d.sync += [column.eq(column + 1), held.eq(now)]
            with m.If(last):
                m.d.sync += [column.eq(0), gap.eq(idle)]
                if not config.skip:
                    m.d.sync += target.eq(~target)
        m.d.comb += [
            encoder.valid.eq(accept & ~marked),
            encoder.value.eq(first.value),
            encoder.index.eq(Cat(column, sequence_of(now))),
            encoder.grid.eq(self.grid),
            encoder.grid.exact.eq(now.start | now.restart),
            encoder.tag.column.eq(column),
            encoder.tag.last.eq(last),
        ]

        ends = encoder.o_valid & encoder.o_tag.last
        m.d.comb += [
            pair.valid.eq(encoder.o_valid),
            pair.candidates.eq(encoder.o_candidates),
            pair.column.eq(encoder.o_tag.column),
            pair.base.eq(0),
            pair.part.eq(buffer),
            pair.clear.eq(ends),
            pair.r_addr.eq(self.r_addr),
            pair.r_list.eq(self.r_list),
            self.entry.eq(pair.entry),
        ]
        step = Signal(step_list_layout(config))
        m.d.comb += [
            step.lengths.eq(pair.totals),
            step.start.eq(held.start),
            step.restart.eq(held.restart),
            step.mask.eq(held.mask),
            *set_sequence(step, sequence_of(held)),
        ]
        skipped = Signal()
        if config.skip:
            ends, step, skipped = self._elaborate_skip(m, encoder, ends, step, awaited)
        takes = Signal()
        m.d.comb += takes.eq(ends & ~skipped)
        for index in range(2):
            with m.If(takes & (buffer == index)):
                m.d.sync += [self.full[index].eq(1), self.step[index].eq(step)]
            with m.Elif(self.release[index]):
                m.d.sync += self.full[index].eq(0)
        with m.If(takes):
            m.d.sync += buffer.eq(~buffer)
        mark_ends = delayed(m, marked, MARK - 1, "marked")
        m.d.sync += [self.outcome_valid.eq(ends | mark_ends), self.outcome_skipped.eq(~takes)]
        return m

    def _elaborate_skip(
        self, m: Module, encoder: Encoder, ends: object, step: Signal, awaited: Signal
    ) -> tuple[Signal, Signal, Signal]:
        """Two cycles more, in which the input's distance decides; references follow only if the step is computed."""
        distance = Signal(self._config.operand_width - 1 + bits_for(self._config.inputs))
        settles, quiet = Signal(), Signal()
        # Cleared by the cycle that reads it; the next step's first value comes later.
        with m.If(settles):
            m.d.sync += distance.eq(0)
        with m.Elif(encoder.o_valid):
            m.d.sync += distance.eq(distance + encoder.o_distance)
        decides, kept = Signal(), Signal.like(step)
        m.d.sync += [
            settles.eq(ends),
            quiet.eq(distance < self.skip.change),
            decides.eq(settles),
        ]
        with m.If(ends):
            m.d.sync += kept.eq(step)
        run = Signal(4)
        skipped = Signal()
        asked = quiet | (self.skip.predictor & self.predicted)
        m.d.comb += skipped.eq(asked & (run < self.skip.limit) & ~kept.start & ~kept.restart)
        bank = Signal()
        m.d.comb += encoder.bank.eq(bank)
        with m.If(decides):
            m.d.sync += run.eq(Mux(skipped, run + 1, 0))
            with m.If(~skipped):
                m.d.sync += [bank.eq(~bank), awaited.eq(self.skip.predictor)]
        with m.If(self.verdict):
            m.d.sync += awaited.eq(0)
        return decides, kept, skipped
