"""Sequencer: walks steps, layers, folds and lists, and fetches one list entry at a time."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.cell.monitor import trusted_bank
from lstmith.rtl.layouts import (
    DELTA,
    RESTART,
    descriptor_layout,
    fetch_layout,
    length_layout,
    lists,
    pass_layout,
    pass_record,
    sequence_of,
    set_sequence,
    step_list_layout,
)
from lstmith.rtl.prim.arith import delayed, lasting
from lstmith.rtl.sequencer.images import choose_images
from lstmith.rtl.sequencer.list_reader import ListReader
from lstmith.rtl.sequencer.recompute_decision import RecomputeDecision
from lstmith.rtl.sequencer.slot_issuer import QUEUE
from lstmith.rtl.sequencer.throttle import IssueThrottle
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for
from lstmith.spec.latency import LOOK, settle
from lstmith.spec.monitor_rule import lag
from lstmith.spec.policy import Mode, Rule, Scope


class Sequencer(wiring.Component):
    """Decides every cycle whether the next list entry may be fetched.

    A *pass* is one layer's share of a step: its folds, each of which streams two list segments. The
    first layer takes x first, since its h list may still be growing; later layers take their own h
    first, since their x is the h that now drains. Rules:

    - an entry is fetched when it is known whether another follows (:class:`ListReader`);
    - in a pass's first fold the last entry also waits for the pass before to be drained, unless that was the other
      sequence's;
    - a pass begins when its first segment is complete, at most one pass is still to drain, and
      :class:`RecomputeDecision` has had its ``settle`` cycles since;
    - :class:`IssueThrottle` lets entries enter the array. With one image per layer their words are known
      beforehand, so it stands here; with mixed images it is part of :class:`SlotIssuer`, and here
      entries are fetched ahead into a short queue.

    Nothing behind this point and the throttle ever stalls.

    Parameters
    ----------
    config : EngineConfig
    kinds : int
        Lists per pass in the feedback.

    Members
    -------
    record, layer, loaded, advance
        Program store.
    full, step, release
        Input stage's buffers.
    lengths, done, own_lengths, drained
        Feedback's lists.
    emit_all
        Every layer's h is sent, not only the last's.
    popped
        One result left the output queue.
    fired
        With mixed images: an entry left the queue.
    level_layer, level_bank, level_fold, level
        With a monitor: its verdict on a fold.
    wishes
        With a monitor: per layer and bank, whether it had better restart.
    x_addr, h_addr, h_kind, list
        List read addresses, beside ``fetch``.
    fetch, fetch_valid
        The entry, one cycle after it is fetched.
    begin_drain, drain
        From now on the drain side serves this pass; beside ``fetch``.
    hold, changed, mask
        No pass may begin; another active count took effect, so sums must be recomputed; its index.
    begins, coming
        A pass begins; the step that waits.
    x_buffer, list_halves, quiet, idle
        The coming step's input buffer; per sequence, the half of the lists that its next step reads; nothing is in
        flight; nor waits.
    """

    def __init__(self, config: EngineConfig, kinds: int):
        self._config, self._kinds = config, kinds
        pair = data.ArrayLayout(length_layout(config.units), lists(config))
        super().__init__(
            {
                "record": In(descriptor_layout()),
                "layer": In(bits_for(config.layers)),
                "loaded": In(1),
                "advance": Out(1),
                "full": In(2),
                "step": In(data.ArrayLayout(step_list_layout(config), 2)),
                "release": Out(2),
                "lengths": In(data.ArrayLayout(pair, kinds)),
                "done": In(data.ArrayLayout(pair, kinds)),
                "own_lengths": In(data.ArrayLayout(pair, config.contexts)),
                "drained": In(1),
                "emit_all": In(1),
                "popped": In(1),
                "fired": In(1),
                "level_layer": Out(bits_for(config.layers)),
                "level_bank": Out(1),
                "level_fold": Out(12),
                "level": In(2),
                "wishes": In(data.ArrayLayout(2, config.layers)),
                "x_addr": Out(bits_for(config.inputs) + 1),
                "h_addr": Out(config.state_bits + 1),
                "h_kind": Out(1),
                "list": Out(1),
                "fetch": Out(fetch_layout(config)),
                "fetch_valid": Out(1),
                "begin_drain": Out(1),
                "drain": Out(pass_layout(config)),
                "hold": In(1),
                "changed": In(1),
                "mask": In(bits_for(ACTIVE_COUNTS)),
                "begins": Out(1),
                "coming": Out(step_list_layout(config)),
                "x_buffer": Out(1),
                "list_halves": Out(config.sequences),
                "quiet": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, kinds = self._config, self._kinds
        columns = max(config.units, config.inputs)
        length = length_layout(columns)
        pair = data.ArrayLayout(length, lists(config))

        # The pass that is being fetched.
        active = Signal()
        present = Signal(pass_layout(config))
        fields = pass_record(config, self.record, present)
        first_layer, trusted = Signal(), Signal()
        a_length, b_stored = Signal(length), Signal(pair)
        b_live, b_kind, chosen = Signal(), Signal(), Signal()
        # With two sequences: whether the list of the pass before is read, should it have been complete or not; whether
        # that pass was the other one's; and of which buffer the input is. With one all this follows.
        follows, independent, buffer = b_live, Signal(), present.list_half
        if config.sequences > 1:
            follows, buffer = Signal(name="follows"), Signal(name="buffer")
        undrained = Signal(range(3))
        fold, folds_left = Signal(12), Signal(bits_for(config.folds(config.units)))
        first_fold, last_fold = Signal(), Signal()
        x_place, h_place = Signal(config.address_bits), Signal(config.address_bits)

        # How much of the second segment is known.
        b_length = Signal(length)
        b_lists = Signal(pair)
        alone = undrained == 1
        for index in range(lists(config)):
            grown, whole = (Array(array[kind][index] for kind in range(kinds)) for array in (self.lengths, self.done))
            for name in ("count", "low"):
                live = Mux(alone, getattr(whole[b_kind], name), getattr(grown[b_kind], name))
                m.d.comb += b_lists[index][name].eq(Mux(b_live, live, b_stored[index][name]))
        m.d.comb += b_length.eq(Mux(chosen, b_lists[-1], b_lists[0]))

        begins, wanted, fetches = Signal(), Signal(), Signal()
        m.submodules.reader = reader = ListReader(config)
        in_b, ends = reader.in_b, reader.last
        m.d.comb += [
            reader.begins.eq(begins),
            reader.a_count.eq(a_length.count),
            reader.b_count.eq(b_length.count),
            reader.b_whole.eq(~b_live | alone),
            reader.fetches.eq(fetches),
            # What the reader knows is as old as this.
            wanted.eq(active & reader.ready & (~ends | ~first_fold | independent | delayed(m, alone, LOOK, "alone"))),
        ]

        # The entry leaves through registers.
        lanes = Signal(bits_for(config.lanes))
        m.d.comb += lanes.eq(Mux(last_fold, fields.last_lanes, config.lanes - 1))
        from_inputs = Mux(first_layer, ~in_b, in_b)  # a segment of input columns
        unit_base = Mux(in_b & ~first_layer, fields.x_base, fields.unit_base)
        place = Signal(config.address_bits)
        begin_drain = fetches & ends & first_fold
        m.d.sync += [
            place.eq(Mux(from_inputs, x_place, h_place)),
            self.x_addr.eq(Cat(reader.place[: bits_for(config.inputs)], buffer)),
            self.h_addr.eq(
                Cat((unit_base + reader.place)[: config.unit_bits], present.list_half, sequence_of(present))
            ),
            self.h_kind.eq(in_b & ~first_layer),
            self.list.eq(chosen),
            self.fetch_valid.eq(fetches),
            self.fetch.from_x.eq(first_layer & ~in_b),
            self.fetch.empty.eq(reader.empty),
            self.fetch.last.eq(ends),
            self.fetch.first_fold.eq(first_fold),
            self.fetch.last_fold.eq(last_fold),
            self.fetch.opens.eq(first_fold & reader.opens),
            self.fetch.counts.eq(first_fold & first_layer),
            self.fetch.clears.eq(present.clear),
            self.fetch.emits.eq(fields.last_layer | self.emit_all),
            self.fetch.frees.eq(ends & last_fold & first_layer),
            self.fetch.x_buffer.eq(buffer),
            self.fetch.lanes.eq(lanes),
            *set_sequence(self.fetch, sequence_of(present)),
            self.begin_drain.eq(begin_drain),
        ]
        columns, low = Signal.like(present.columns), Signal.like(present.low)
        m.d.sync += [columns.eq(a_length.count + b_length.count), low.eq(a_length.low + b_length.low)]
        m.d.comb += [self.drain.eq(present), self.drain.columns.eq(columns), self.drain.low.eq(low)]
        level, lowered = Signal(2), Signal()
        m.d.comb += level.eq(fields.precision)
        if config.monitor:
            judged = Signal(2)
            m.d.sync += judged.eq(self.level)
            m.d.comb += [
                self.level_layer.eq(present.layer),
                self.level_bank.eq(trusted_bank(present.list_half, first_layer & fields.last_layer)),
                self.level_fold.eq(Mux(fields.scope == Scope.FOLD, fold, 0)),
                lowered.eq((fields.rule != Rule.OFF) & trusted & (judged != fields.precision)),
            ]
            with m.If(lowered):
                m.d.comb += level.eq(judged)
        choose_images(m, config, self.fetch, fields, place, level, lowered)
        self._elaborate_pace(m, wanted, fetches, ends, last_fold & first_layer, lanes, present, buffer)

        # What follows a fold.
        with m.If(fetches & ends):
            m.d.sync += [
                fold.eq(fold + 1),
                folds_left.eq(folds_left - 1),
                first_fold.eq(0),
                last_fold.eq(folds_left == 1),
                x_place.eq(x_place + fields.columns),
                h_place.eq(h_place + fields.columns),
            ]
            with m.If(last_fold):
                m.d.sync += active.eq(0)

        # The next pass.
        at_first = self.layer == 0
        single = self.record.last_layer
        # A step begins with layer 0: another record is only there because the host looks at its state.
        in_step = Signal()
        step = Signal(step_list_layout(config))
        may_begin, exact = Signal(), Signal()
        m.d.comb += [
            step.eq(self.step[self.x_buffer]),
            may_begin.eq(
                ~active
                & self.loaded
                & (undrained <= 1)
                & Mux(at_first, self.full.bit_select(self.x_buffer, 1) & ~self.hold, in_step)
            ),
            begins.eq(lasting(m, may_begin, settle(config))),
            self.advance.eq(begins),
            self.begins.eq(begins),
            self.coming.eq(step),
        ]
        start = Mux(at_first, step.start, present.start)
        m.d.comb += exact.eq(Mux(at_first, step.start | step.restart | self.changed, present.exact))
        x_lists, own = Signal(pair), Signal(pair)
        sequence: Value = Const(0, 0)
        if config.sequences > 1:
            sequence = Mux(at_first, sequence_of(step), sequence_of(present))
        context = Cat(sequence, self.layer)
        stored = Array(self.own_lengths[index] for index in range(config.contexts))[context]
        for index in range(lists(config)):
            for name in ("count", "low"):
                m.d.comb += [
                    x_lists[index][name].eq(step.lengths[index][name]),
                    own[index][name].eq(Mux(start, 0, stored[index][name])),
                ]
        a_lists, live = Signal(pair), Signal()
        m.d.comb += [a_lists.eq(Mux(at_first, x_lists, own)), live.eq(Mux(at_first, single & ~start, 1))]
        restarts = Signal()
        if config.mixed:
            m.submodules.restart = restart = RecomputeDecision(config)
            m.d.comb += [
                restart.first.eq(a_lists),
                restart.second.eq(own),
                restart.second_live.eq(live),
                restart.late_context.eq(Cat(sequence_of(present), present.layer)),
                # After a change of state, what changed means nothing.
                restart.late.eq(Mux(present.exact, 0, b_lists)),
                restart.late_valid.eq(self.begin_drain & (follows | present.exact)),
                restart.begins.eq(begins),
                restarts.eq(restart.restart),
            ]
            m.d.comb += restart.context.eq(context)
            self._elaborate_restart(m, restart, begins, exact, trusted)
            a_now = Mux(restarts, a_lists[RESTART], a_lists[DELTA])
        else:
            m.d.comb += restarts.eq(exact | (self.record.mode != Mode.DELTA) if config.delta else 1)
            a_now = a_lists[0]
        a_new = Signal(length)
        m.d.comb += a_new.eq(a_now)
        with m.If(begins):
            m.d.sync += [
                active.eq(1),
                in_step.eq(~self.record.last_layer),
                present.record.eq(self.record),
                present.layer.eq(self.layer),
                *set_sequence(present, sequence),
                present.list_half.eq(self.list_halves.bit_select(sequence, 1)),
                present.mask.eq(self.mask),
                present.start.eq(start),
                present.exact.eq(exact),
                present.clear.eq(restarts),
                first_layer.eq(at_first),
                a_length.eq(a_new),
                b_stored.eq(own),
                b_live.eq(live),
                b_kind.eq(~at_first if kinds == 2 else 0),
                chosen.eq(restarts),
                fold.eq(0),
                folds_left.eq(self.record.folds),
                first_fold.eq(1),
                last_fold.eq(self.record.folds[: len(folds_left)] == 0),
                x_place.eq(0),
                h_place.eq(self.record.inputs),
            ]
            with m.If(self.record.last_layer):
                m.d.sync += self.x_buffer.eq(~self.x_buffer)
        if config.sequences == 1:
            m.d.comb += self.list_halves.eq(self.x_buffer)
        else:
            other = Signal()
            m.d.comb += other.eq(at_first & (sequence != sequence_of(present)))
            with m.If(begins):
                m.d.sync += [follows.eq(live), independent.eq(other), buffer.eq(self.x_buffer)]
                # What has drained is stored; only what still grows is looked at as it grows.
                with m.If(at_first & (other | (undrained == 0))):
                    m.d.sync += b_live.eq(0)
                with m.If(self.record.last_layer):
                    m.d.sync += self.list_halves.eq(self.list_halves ^ (1 << sequence))
        m.d.sync += undrained.eq(undrained + begins - self.drained)
        m.d.comb += [self.quiet.eq(~active & (undrained == 0)), self.idle.eq(self.quiet & ~self.full.any())]
        return m

    def _elaborate_pace(
        self,
        m: Module,
        wanted: Signal,
        fetches: Signal,
        last: Value,
        frees: Value,
        lanes: Signal,
        present: Signal,
        buffer: Value,
    ) -> None:
        """Fetch at the array's own pace, or ahead into the queue."""
        config, fields = self._config, pass_record(self._config, self.record, present)
        if config.mixed:
            queued, room = Signal(range(QUEUE + 1)), Signal(init=1)
            coming = Signal.like(queued)
            m.d.comb += [coming.eq(queued + fetches - self.fired), fetches.eq(wanted & room)]
            m.d.sync += [queued.eq(coming), room.eq(coming != QUEUE)]
            return
        m.submodules.throttle = throttle = IssueThrottle(config)
        m.d.comb += [
            throttle.valid.eq(wanted),
            throttle.precision.eq(fields.precision),
            throttle.last.eq(last),
            throttle.lanes.eq(lanes),
            throttle.emits.eq(fields.last_layer | self.emit_all),
            throttle.popped.eq(self.popped),
            fetches.eq(throttle.fires),
        ]
        with m.If(fetches & last & frees):
            m.d.comb += self.release.eq(1 << buffer)

    def _elaborate_restart(
        self, m: Module, restart: RecomputeDecision, begins: Signal, exact: Signal, trusted: Signal
    ) -> None:
        """Steps since the start, and what the monitor said of the last one that has surely drained."""
        config = self._config
        steps, now = Signal(8), Signal(8)
        m.d.comb += [
            now.eq(Mux(exact, 0, steps)),
            restart.record.eq(self.record),
            restart.exact.eq(exact),
        ]
        with m.If(begins & self.record.last_layer):
            m.d.sync += steps.eq(Mux(now.all(), now, now + 1))
        if config.monitor:
            single = (self.layer == 0) & self.record.last_layer
            enough = now >= Mux(single, lag(1), lag(2))
            wishes = Array(self.wishes[index] for index in range(config.layers))[self.layer]
            m.d.comb += restart.wish.eq(
                wishes.bit_select(trusted_bank(self.x_buffer, single), 1)
                & enough
                & (self.record.rule != Rule.OFF)
                & (self.record.restart_above != 0)
            )
            with m.If(begins):
                m.d.sync += trusted.eq(enough & (now >= self.record.warmup))
