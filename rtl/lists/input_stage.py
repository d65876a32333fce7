"""Input stage: the x stream to the first layer's column lists."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.rtl.fields import set_program
from lstmith.rtl.host_interfaces import InputSettingsSignature
from lstmith.rtl.interfaces import DeferralSignature, InputListSignature, WaitingStepsSignature
from lstmith.rtl.layouts import STEP_BITS, InputWord, sequence_field, sequence_of, set_sequence, step_list_layout
from lstmith.rtl.lists.column_lists import ColumnLists
from lstmith.rtl.lists.encoder import Encoder
from lstmith.rtl.lists.program_choice import ProgramChoice
from lstmith.rtl.lists.symbol_encoder import SymbolEncoder
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for
from lstmith.spec.latency import MARK, encode, input_gap
from lstmith.spec.monitor_rule import LAG_INPUT


class InputStage(wiring.Component):
    """Encodes the coming step's x while the present one computes: two list buffers alternate.

    One element per cycle; ``input_gap`` idle cycles between steps, so that a reference is stored
    before it is read again. A list is ready, or its step known to be skipped, ``input_ready``
    cycles after its last element. A skipped step leaves references and buffer as they were. With several programs,
    :class:`.ProgramChoice` tells which elements wait for settings, and which are skipped one by one because their
    program is not there. With symbols a step may be one element, the number of its column.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    x : In(stream of InputWord)
        One element per transfer.
    x_last : Out(1)
        The element on ``x`` is the last of its step; while ``x`` is valid.
    refused : Out(1)
        With several programs: for one cycle, a sequence names one that is not there.
    settings : In(InputSettingsSignature)
        Elements per step, grid, skip rule and monitor; they hold still while a step comes.
    predicted : In(1)
        The predictor would skip the next step.
    decision : In(1)
        For one cycle: it has judged the last computed step.
    deferral : Out(DeferralSignature)
        With a monitor: whether the low plane is deferred in the present step.
    steps : Out(WaitingStepsSignature)
        What each buffer holds.
    release : In(2)
        For one cycle: frees a buffer.
    outcome_valid : Out(1)
        For one cycle per step, in order: it is known whether the step is computed.
    outcome_skipped : Out(1)
        It is skipped; while ``outcome_valid``.
    read : In(InputListSignature)
        The lists of a buffer.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "x": In(stream.Signature(InputWord)),
                "x_last": Out(1),
                **({"refused": Out(1)} if config.programs > 1 else {}),
                "settings": In(InputSettingsSignature(config)),
                "predicted": In(1),
                "decision": In(1),
                **({"deferral": Out(DeferralSignature(config))} if config.monitor else {}),
                "steps": Out(WaitingStepsSignature(config)),
                "release": In(2),
                "outcome_valid": Out(1),
                "outcome_skipped": Out(1),
                "read": In(InputListSignature(config)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a step's last element to its list being ready, or to its outcome if it is skipped."""
        # An entry counts from the cycle after its candidate; a skip rule adds up distances, then compares.
        return encode(self._config) + (2 if self._config.skip else 0)

    @property
    def mark_latency(self) -> int:
        """Cycles from the mark of a skipped step to its outcome."""
        return MARK

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        column_bits, element_bits = bits_for(config.x_columns), bits_for(config.inputs)
        flags = data.StructLayout(
            {"start": 1, "restart": 1, "mask": unsigned(bits_for(ACTIVE_COUNTS)), **sequence_field(config)}
        )
        tag = data.StructLayout({"column": element_bits, "last": 1})
        references = config.inputs if config.sequences == 1 else config.sequences << element_bits
        m.submodules.encoder = encoder = Encoder(config, references, tag, skips=config.skip, steady=True)
        m.submodules.lists = lists = ColumnLists(
            columns=config.x_columns,
            entries=config.x_entries,
            parts=2,
            operand_width=config.operand_width,
            planes=config.planes,
            block=config.few_lanes,
        )

        column, buffer = Signal(element_bits), Signal()
        idle = input_gap(config)
        gap, awaited = Signal(range(idle + 1)), Signal()
        last = column == self.settings.inputs
        full = Array(self.steps.full[index] for index in range(2))
        # The buffer that the next step takes: known when the last value is in, unless that step may be skipped.
        target = buffer if config.skip else Signal()
        choice = self._choice(m, column, gap)
        waits = Const(0) if choice is None else choice.waits
        m.d.comb += self.x.ready.eq((gap == 0) & ~full[target] & ~awaited & ~waits)
        with m.If(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        # A step's flags come with its first element and hold until its last one is listed.
        first = self.x.payload
        held, now = Signal(flags, reset_less=True), Signal(flags)
        mask = first.mask if config.programs == 1 else Const(0, len(first.mask))
        given = Cat(first.start, first.restart, mask, first.sequence[: config.sequence_bits])
        m.d.comb += now.eq(Mux(column == 0, given, held))
        accept = self.x.valid & self.x.ready
        marks = (column == 0) & (first.mark if choice is None else first.mark | choice.refuses)
        marked = accept & marks
        m.d.comb += self.x_last.eq(last | marks)
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
            encoder.grid.eq(self.settings.grid),
            encoder.grid.exact.eq(now.start | now.restart),
            encoder.tag.column.eq(column),
            encoder.tag.last.eq(last),
        ]

        listed, takes = self._listed(m, encoder, column_bits), Signal()
        if config.symbols:
            self._elaborate_symbols(m, encoder, listed, accept & ~marked, sequence_of(now), takes)
        ends = listed.valid & listed.last
        m.d.comb += [
            lists.valid.eq(listed.valid),
            lists.candidates.eq(listed.candidates),
            lists.column.eq(listed.column),
            lists.base.eq(0),
            lists.part.eq(buffer),
            lists.clear.eq(ends),
        ]
        connect(m, flipped(self.read), lists.read)
        step = Signal(step_list_layout(config))
        m.d.comb += [
            step.lengths.eq(lists.totals),
            step.start.eq(held.start),
            step.restart.eq(held.restart),
            step.mask.eq(held.mask),
            *set_sequence(step, sequence_of(held)),
            *set_program(step, self.settings.program if config.programs > 1 else Const(0)),
        ]
        # Without a skip rule a step is known to be computed with its last element.
        counted, counts_anew = accept & ~marked & last, now.start | now.restart
        skipped = Signal()
        if config.skip:
            ends, step, skipped = self._elaborate_skip(m, encoder, listed, ends, step, awaited)
            counted, counts_anew = takes, step.start | step.restart
        m.d.comb += takes.eq(ends & ~skipped)
        if config.monitor:
            m.d.comb += encoder.grid.defers.eq(self._defers(m, counted, counts_anew))
        for index in range(2):
            # What is said of a skipped step is never looked at, so it need not wait for the verdict.
            waiting = Signal.like(step, name=f"step_{index}", reset_less=True)
            m.d.comb += self.steps.step[index].eq(waiting)
            with m.If(ends & (buffer == index)):
                m.d.sync += waiting.eq(step)
            with m.If(takes & (buffer == index)):
                m.d.sync += self.steps.full[index].eq(1)
            with m.Elif(self.release[index]):
                m.d.sync += self.steps.full[index].eq(0)
        with m.If(takes):
            m.d.sync += buffer.eq(~buffer)
        mark_ends = delayed(m, marked, MARK - 1, "marked")
        m.d.sync += [self.outcome_valid.eq(ends | mark_ends), self.outcome_skipped.eq(~takes)]
        return m

    def _choice(self, m: Module, column: Signal, gap: Signal) -> ProgramChoice | None:
        """What looks at the program that the next element names; nothing where there is one program only."""
        if self._config.programs == 1:
            return None
        m.submodules.choice = choice = ProgramChoice(self._config.programs)
        first = self.x.payload
        m.d.comb += [
            choice.names.eq(self.x.valid & (column == 0) & (first.start | first.restart)),
            choice.wanted.eq(first.program),
            # In the gap values of the step before are on their way.
            choice.clear.eq(gap == 0),
            choice.accept.eq(self.x.valid & self.x.ready),
            self.settings.program.eq(choice.program),
            self.refused.eq(choice.refused),
        ]
        return choice

    def _listed(self, m: Module, encoder: Encoder, column_bits: int) -> data.View[data.StructLayout]:
        """What comes from the encoder: a column, what each list would hold of it, and whether it is the step's last."""
        listed = Signal(
            data.StructLayout(
                {
                    "valid": 1,
                    "last": 1,
                    "column": column_bits,
                    "distance": len(encoder.o_distance) + (1 if self._config.symbols else 0),
                    "candidates": encoder.o_candidates.shape(),
                }
            )
        )
        m.d.comb += [
            listed.valid.eq(encoder.o_valid),
            listed.last.eq(encoder.o_tag.last),
            listed.column.eq(encoder.o_tag.column),
            listed.distance.eq(encoder.o_distance),
            listed.candidates.eq(encoder.o_candidates),
        ]
        return listed

    def _elaborate_symbols(
        self, m: Module, encoder: Encoder, listed: data.View, accept: Value, sequence: Value, takes: Value
    ) -> None:
        """Where the program reads symbols, their encoder takes the place of the other one."""
        m.submodules.symbols = symbols = SymbolEncoder(self._config)
        m.d.comb += [
            symbols.valid.eq(accept & self.settings.symbols),
            symbols.symbol.eq(self.x.payload.value),
            symbols.sequence.eq(sequence),
            symbols.grid.eq(encoder.grid),
            symbols.follows.eq(takes),
        ]
        with m.If(self.settings.symbols):
            m.d.comb += [
                encoder.valid.eq(0),
                listed.valid.eq(symbols.o_valid),
                listed.last.eq(symbols.o_last),
                listed.column.eq(symbols.o_column),
                listed.distance.eq(symbols.o_distance),
                listed.candidates.eq(symbols.o_candidates),
            ]

    def _elaborate_skip(
        self, m: Module, encoder: Encoder, listed: data.View, ends: object, step: Signal, awaited: Signal
    ) -> tuple[Signal, Signal, Signal]:
        """Two cycles more, in which the input's distance decides; references follow only if the step is computed."""
        distance = Signal(self._config.operand_width - 1 + bits_for(self._config.x_entries))
        settles, quiet = Signal(), Signal()
        # Cleared by the cycle that reads it; the next step's first value comes later.
        with m.If(settles):
            m.d.sync += distance.eq(0)
        with m.Elif(listed.valid):
            m.d.sync += distance.eq(distance + listed.distance)
        decides, kept = Signal(), Signal.like(step, reset_less=True)
        m.d.sync += [
            settles.eq(ends),
            quiet.eq(distance < self.settings.skip.change),
            decides.eq(settles),
        ]
        with m.If(ends):
            m.d.sync += kept.eq(step)
        run = Signal(4)
        skipped = Signal()
        asked = quiet | (self.settings.skip.predictor & self.predicted)
        m.d.comb += skipped.eq(asked & (run < self.settings.skip.limit) & ~kept.start & ~kept.restart)
        reference_set = Signal()
        m.d.comb += encoder.reference_set.eq(reference_set)
        with m.If(decides):
            m.d.sync += run.eq(Mux(skipped, run + 1, 0))
            with m.If(~skipped):
                m.d.sync += [reference_set.eq(~reference_set), awaited.eq(self.settings.skip.predictor)]
        with m.If(self.decision):
            m.d.sync += awaited.eq(0)
        return decides, kept, skipped

    def _defers(self, m: Module, counted: Value, counts_anew: Value) -> Value:
        """Whether the low plane is deferred in the present step; its first step is exact, whatever this says.

        Parameters
        ----------
        counted : Value
            For one cycle, before the next step's first element: a step is computed.
        counts_anew : Value
            It is the first one of its sequence, or after states were loaded; while ``counted``.
        """
        step, step_low = Signal(STEP_BITS), Signal(2)
        with m.If(counted):
            m.d.sync += [step.eq(Mux(counts_anew, 1, Mux(step.all(), step, step + 1))), step_low.eq(step_low + 1)]
        m.d.comb += [
            self.deferral.layer.eq(0),
            self.deferral.step.eq(step_low - LAG_INPUT),
            self.deferral.fold.eq(0),
        ]
        settled = (step >= LAG_INPUT) & (step >= self.settings.monitor.warmup)
        return self.settings.monitor.judges & settled & self.deferral.defers
