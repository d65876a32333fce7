"""Pass control: when a pass begins, what it is, and what of it the drain side still needs."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.fields import program_of, set_program
from lstmith.rtl.interfaces import (
    ListLengthsSignature,
    ProgramSignature,
    ReloadSignature,
    StateLoadSignature,
    WaitingStepsSignature,
)
from lstmith.rtl.layouts import (
    DELTA,
    RESTART,
    fetch_layout,
    length_layout,
    lists,
    pass_descriptor,
    pass_layout,
    read_fields,
    sequence_of,
    set_sequence,
    step_list_layout,
)
from lstmith.rtl.prim.arith import delayed, lasting
from lstmith.rtl.sequencer.recompute_decision import RecomputeDecision
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import LOOK, kinds, settle
from lstmith.spec.policy import Mode

#: Passes that may drain while another is fetched.
DRAINING = 1


class PassControl(wiring.Component):
    """Owns the pass that is fetched and the one that drains, of each sequence.

    A *pass* is one layer's share of a step. It streams two list segments: the first layer takes x first, since its h
    list may still grow; later layers take their own h first, since their x is the h that now drains. A pass begins
    when its first segment is complete, at most one pass is still to drain, and all this has lasted for ``settle``
    cycles, which :class:`RecomputeDecision` needs.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    program : In(ProgramSignature)
        The descriptor that comes next.
    steps : In(WaitingStepsSignature)
        Input stage.
    lists : In(ListLengthsSignature)
        Feedback.
    reload : Out(ReloadSignature)
        Whoever changes the active count.
    load : In(StateLoadSignature)
        Whoever loads a layer's state borrows the place of its sequence's draining pass.
    entry : In(fetch_layout(config))
        An entry that was fetched; while ``entry_valid``.
    entry_valid : In(1)
        One cycle after a fetch.
    ends : In(1)
        For one cycle: the last entry of the present pass is fetched.
    begins : Out(1)
        For one cycle; what follows is the new pass's from the next cycle on.
    active : Out(1)
        A pass is being fetched.
    present : Out(pass_layout(config))
        Which; what it reads (``read_fields``) is not set.
    first_layer : Out(1)
        It is layer 0's.
    list : Out(1)
        Which list of each segment it takes.
    x_buffer : Out(1)
        The input buffer of its step.
    first : Out(length_layout)
        Entries of its first segment.
    second : Out(length_layout)
        Entries of its second segment, as far as they are known.
    second_whole : Out(1)
        That is all of the second segment.
    may_end : Out(1)
        Its first fold may end: the pass before has drained, ``LOOK`` cycles ago or earlier.
    passes : Out(array of pass_layout(config) by sequence)
        What drains; from the cycle after a first fold's last entry.
    list_halves : Out(sequences)
        Per sequence, the half of the h lists that its next step reads.
    idle : Out(1)
        Nothing is in flight, nor waits.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        self._length = length_layout(max(config.units, config.x_entries), config.planes)
        self._pair = data.ArrayLayout(self._length, lists(config.planes))
        super().__init__(
            {
                "program": In(ProgramSignature.of(config)),
                "steps": In(WaitingStepsSignature(config)),
                "lists": In(ListLengthsSignature(config)),
                "reload": Out(ReloadSignature(counts=config.active_counts > 1)),
                "load": In(StateLoadSignature()),
                "entry": In(fetch_layout(config)),
                "entry_valid": In(1),
                "ends": In(1),
                "begins": Out(1),
                "active": Out(1),
                "present": Out(pass_layout(config)),
                "first_layer": Out(1),
                "list": Out(1),
                "x_buffer": Out(1),
                "first": Out(self._length),
                "second": Out(self._length),
                "second_whole": Out(1),
                "may_end": Out(1),
                "passes": Out(data.ArrayLayout(pass_layout(config), config.sequences)),
                "list_halves": Out(config.sequences),
                "idle": Out(1),
            }
        )
        self._next_buffer = Signal()  # input buffer of the coming step
        self._in_step = Signal()  # layers of a step are left
        self._undrained = Signal(range(DRAINING + 2))  # passes, with the present one
        # Of the present pass's second segment: whether it is a list of the pass before, of which kind, whether it may
        # still grow; else its stored lengths. With several sequences: whether the pass before was another one's.
        self._follows, self._kind, self._grows = Signal(), Signal(), Signal()
        self._stored, self._independent = Signal(self._pair, reset_less=True), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, descriptor, layer = self._config, self.program.descriptor, self.program.layer
        # Of two sequences it is looked at which one began last.
        kept = Signal(pass_layout(config), name="kept", reset_less=config.sequences == 1)
        first_length = Signal(self._length, reset_less=True)
        m.d.comb += [
            self.first.eq(first_length),
            self.present.eq(kept),
            self.present.descriptor.eq(pass_descriptor(config, descriptor, kept)),
        ]
        known = self._known(m)

        # A step begins with layer 0: another descriptor is only there because the host looks at its state.
        at_first, single = layer == 0, descriptor.last_layer
        step, may_begin, exact = Signal(step_list_layout(config)), Signal(), Signal()
        begins = self.begins
        waits = self.steps.full.bit_select(self._next_buffer, 1)
        m.d.comb += [
            step.eq(self.steps.step[self._next_buffer]),
            may_begin.eq(
                ~self.active
                & self.program.loaded
                & (self._undrained <= DRAINING)
                & Mux(at_first, waits & ~self.reload.hold, self._in_step)
            ),
            begins.eq(lasting(m, may_begin, settle(config))),
            self.program.advance.eq(begins),
        ]
        start = Mux(at_first, step.start, kept.start)
        m.d.comb += exact.eq(Mux(at_first, step.start | step.restart | self.reload.changed, kept.exact))
        sequence: Value = Const(0, 0)
        if config.sequences > 1:
            sequence = Mux(at_first, sequence_of(step), sequence_of(kept))
        context = Cat(sequence, layer)
        first, own, live = self._segments(m, step, start, context)
        recomputes = self._recomputes(m, exact, context, first, own, live, known)
        if config.monitor:
            self._elaborate_steps(m, exact, kept)
        taken = Signal(self._length)
        m.d.comb += taken.eq(Mux(recomputes, first[RESTART], first[DELTA]) if config.planes > 1 else first[DELTA])

        with m.If(self.ends):
            m.d.sync += self.active.eq(0)
        with m.If(begins):
            m.d.sync += [
                self.active.eq(1),
                self._in_step.eq(~single),
                kept.descriptor.eq(descriptor),
                kept.layer.eq(layer),
                *set_sequence(kept, sequence),
                kept.list_half.eq(self.list_halves.bit_select(sequence, 1)),
                kept.mask.eq(self.reload.mask),
                *set_program(kept, Mux(at_first, program_of(step), program_of(kept))),
                kept.start.eq(start),
                kept.exact.eq(exact),
                kept.clear.eq(recomputes),
                self.first_layer.eq(at_first),
                first_length.eq(taken),
                self._stored.eq(own),
                self._grows.eq(live),
                self._kind.eq(~at_first if kinds(config) > 1 else 0),
                self.list.eq(recomputes),
            ]
            with m.If(single):
                m.d.sync += self._next_buffer.eq(~self._next_buffer)
        self._elaborate_turns(m, at_first, sequence, live)
        self._elaborate_drain(m)
        m.d.sync += self._undrained.eq(self._undrained + begins - self.lists.drained)
        m.d.comb += [
            self.reload.pending.eq(waits),
            self.reload.start.eq(step.start),
            self.reload.wanted.eq(step.mask),
            *([self.reload.restart.eq(step.restart)] if config.active_counts > 1 else []),
            self.reload.program.eq(program_of(step)),
            self.reload.begins.eq(begins),
            self.reload.quiet.eq(~self.active & (self._undrained == 0)),
            self.idle.eq(self.reload.quiet & ~self.steps.full.any()),
        ]
        return m

    def _known(self, m: Module) -> data.View[data.ArrayLayout]:
        """How much of the present pass's second segment is known, per list."""
        known = Signal(self._pair, name="known")
        alone = self._undrained == DRAINING
        for index in range(lists(self._config.planes)):
            growing, done = (
                Array(pairs[kind][index] for kind in range(kinds(self._config)))[self._kind]
                for pairs in (self.lists.growing, self.lists.done)
            )
            for name in self._length.members:
                live = Mux(alone, getattr(done, name), getattr(growing, name))
                m.d.comb += known[index][name].eq(Mux(self._grows, live, self._stored[index][name]))
        m.d.comb += [
            self.second.eq(Mux(self.list, known[-1], known[0])),
            self.second_whole.eq(~self._grows | alone),
            # As old as what the list reader knows.
            self.may_end.eq(self._independent | delayed(m, alone, LOOK, "alone")),
        ]
        return known

    def _segments(
        self, m: Module, step: data.View[data.StructLayout], start: Value, context: Value
    ) -> tuple[data.View[data.ArrayLayout], data.View[data.ArrayLayout], Signal]:
        """Lengths of the coming pass's first segment and of its own h lists; whether its second one may grow."""
        config, at_first = self._config, self.program.layer == 0
        inputs, own = Signal(self._pair, name="inputs"), Signal(self._pair, name="own")
        first, live = Signal(self._pair, name="first"), Signal(name="live")
        stored = Array(self.lists.own[index] for index in range(config.contexts))[context]
        for index in range(lists(config.planes)):
            for name in self._length.members:
                m.d.comb += [
                    inputs[index][name].eq(step.lengths[index][name]),
                    own[index][name].eq(Mux(start, 0, stored[index][name])),
                ]
        m.d.comb += [
            first.eq(Mux(at_first, inputs, own)),
            live.eq(Mux(at_first, self.program.descriptor.last_layer & ~start, 1)),
        ]
        return first, own, live

    def _recomputes(
        self,
        m: Module,
        exact: Signal,
        context: Value,
        first: data.View[data.ArrayLayout],
        own: data.View[data.ArrayLayout],
        live: Signal,
        known: data.View[data.ArrayLayout],
    ) -> Signal:
        """Whether the coming pass recomputes its sums."""
        config, mode, recomputes = self._config, self.program.descriptor.mode, Signal(name="recomputes")
        if config.planes == 1:
            m.d.comb += recomputes.eq(exact | (mode != Mode.DELTA) if config.delta else 1)
            return recomputes
        m.submodules.decision = decision = RecomputeDecision(
            columns=max(config.units, config.x_entries), contexts=config.contexts
        )
        m.d.comb += [
            decision.context.eq(context),
            decision.mode.eq(mode),
            decision.exact.eq(exact),
            decision.first.eq(first),
            decision.second.eq(own),
            decision.second_live.eq(live),
            decision.late_context.eq(Cat(sequence_of(self.present), self.present.layer)),
            # After a change of state, what changed means nothing.
            decision.late.eq(Mux(self.present.exact, 0, known)),
            decision.late_valid.eq(self._begins_to_drain & (self._follows | self.present.exact)),
            recomputes.eq(decision.recomputes),
        ]
        return recomputes

    def _elaborate_steps(self, m: Module, exact: Signal, kept: data.View[data.StructLayout]) -> None:
        """The step's number since the last exact one, saturating, and its number among all steps, modulo 4."""
        steps, number = Signal.like(kept.step), Signal.like(kept.step_low)
        with m.If(self.begins):
            m.d.sync += [kept.step.eq(Mux(exact, 0, steps)), kept.step_low.eq(number)]
            with m.If(self.program.descriptor.last_layer):
                m.d.sync += [steps.eq(Mux(exact, 1, steps + ~steps.all())), number.eq(number + 1)]

    def _elaborate_turns(self, m: Module, at_first: Value, sequence: Value, live: Signal) -> None:
        """Which half of the lists and which input buffer a step takes; with one sequence they alternate together."""
        if self._config.sequences == 1:
            m.d.comb += [
                self.list_halves.eq(self._next_buffer),
                self.x_buffer.eq(self.present.list_half),
                self._follows.eq(self._grows),
            ]
            return
        other = Signal()
        m.d.comb += other.eq(at_first & (sequence != sequence_of(self.present)))
        with m.If(self.begins):
            m.d.sync += [self._follows.eq(live), self._independent.eq(other), self.x_buffer.eq(self._next_buffer)]
            # What has drained is stored; only what still grows is looked at as it grows.
            with m.If(at_first & (other | (self._undrained == 0))):
                m.d.sync += self._grows.eq(0)
            with m.If(self.program.descriptor.last_layer):
                m.d.sync += self.list_halves.eq(self.list_halves ^ (1 << sequence))

    @property
    def _begins_to_drain(self) -> Value:
        return self.entry_valid & self.entry.last & self.entry.first_fold

    def _elaborate_drain(self, m: Module) -> None:
        """Per sequence the pass that drains, and what it reads."""
        config, program, entry = self._config, self.program, self.entry
        reads = Signal(data.StructLayout(read_fields(config)), name="reads", reset_less=True)
        for read, counted in zip(reads.shape().members, self._length.members, strict=True):
            m.d.sync += reads[read].eq(self.first[counted] + self.second[counted])
        for index in range(config.sequences):
            kept = Signal(pass_layout(config), name=f"draining_{index}", reset_less=True)
            fetched, loaded = (
                sequence[: config.sequence_bits] == index for sequence in (sequence_of(entry), self.load.sequence)
            )
            with m.If(self._begins_to_drain & fetched):
                m.d.sync += [kept.eq(self.present), *(kept[name].eq(reads[name]) for name in reads.shape().members)]
            with m.If(self.load.begin & loaded):
                m.d.sync += [kept.descriptor.eq(program.descriptor), kept.layer.eq(program.layer)]
            m.d.comb += [
                self.passes[index].eq(kept),
                self.passes[index].descriptor.eq(pass_descriptor(config, program.descriptor, kept)),
            ]
