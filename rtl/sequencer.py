"""Sequencer: walks steps, layers, folds and lists, and fires one list entry at a time."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig, bits_for
from lstmith.golden.policy import Mode
from lstmith.golden.timing import fold_gap

from .feedback import pass_layout
from .input import step_list_layout
from .types import record_layout


def fire_layout(config: EngineConfig) -> data.StructLayout:
    """One list entry on its way to the array; list memories are read in the cycle that it is fired."""
    return data.StructLayout(
        {
            "from_x": 1,  # read from the input stage's list
            "empty": 1,  # no entry: a fold without columns still has to drain
            "last": 1,  # of its fold
            "first_fold": 1,
            "last_fold": 1,
            "base": unsigned(config.address_bits),  # weight word of the segment's column 0
            "precision": 2,
            "lanes": unsigned(bits_for(config.lanes)),  # in use in this fold, minus 1
        }
    )


class Sequencer(wiring.Component):
    """Decides every cycle whether the next list entry may enter the array.

    A *pass* is one layer's share of a step: its folds, each of which streams two list segments. The
    first layer takes x first, since its h list may still be growing; later layers take their own h
    first, since their x is the h that now drains. Rules:

    - an entry fires when the one before has had its cycles, and it is known whether another follows;
      a 4-bit entry also waits until the sums of the fold before have been captured;
    - a fold's last entry also waits until the fold before has left the chain and the output queue has
      room, and in a pass's first fold until the pass before has drained;
    - a pass begins when its first segment is complete and at most one pass is still to drain.

    Nothing behind this point ever stalls.

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
    counts, done, own_counts, drained
        Feedback's lists.
    emit_all
        Every layer's h is sent, not only the last's.
    popped
        One result left the output queue.
    x_addr, h_addr
        List read addresses, valid when an entry fires.
    fire, fire_valid
        The entry.
    begin_drain, drain
        From now on the drain side serves this pass.
    parity, idle
        The coming step's parity; nothing is in flight.
    """

    def __init__(self, config: EngineConfig, kinds: int):
        self._config, self._kinds = config, kinds
        count = unsigned(bits_for(config.units + 1))
        super().__init__(
            {
                "record": In(record_layout()),
                "layer": In(bits_for(config.layers)),
                "loaded": In(1),
                "advance": Out(1),
                "full": In(2),
                "step": In(data.ArrayLayout(step_list_layout(config), 2)),
                "release": Out(2),
                "counts": In(data.ArrayLayout(count, kinds)),
                "done": In(data.ArrayLayout(count, kinds)),
                "own_counts": In(data.ArrayLayout(count, config.layers)),
                "drained": In(1),
                "emit_all": In(1),
                "popped": In(1),
                "x_addr": Out(bits_for(config.inputs) + 1),
                "h_addr": Out(config.unit_bits + kinds),
                "fire": Out(fire_layout(config)),
                "fire_valid": Out(1),
                "begin_drain": Out(1),
                "drain": Out(pass_layout(config)),
                "parity": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, kinds = self._config, self._kinds
        count_shape = unsigned(max(bits_for(config.units + 1), bits_for(config.inputs + 1)))

        # The pass that is being issued.
        active = Signal()
        present = Signal(pass_layout(config))
        fields = present.record
        first_layer = Signal()
        a_count, b_stored = Signal(count_shape), Signal(count_shape)
        b_live, b_kind = Signal(), Signal()
        undrained = Signal(range(3))
        fold = Signal(12)
        x_base, h_base = Signal(config.address_bits), Signal(config.address_bits)
        in_b, ptr = Signal(), Signal(count_shape)
        columns = Signal.like(present.columns)

        # How much of the second segment is known.
        b_count, b_complete = Signal(count_shape), Signal()
        alone = undrained == 1
        counts, done = (Array(array[kind] for kind in range(kinds)) for array in (self.counts, self.done))
        m.d.comb += [
            b_count.eq(Mux(b_live, Mux(alone, done[b_kind], counts[b_kind]), b_stored)),
            b_complete.eq(~b_live | alone),
        ]

        # Whether the entry at ptr may fire, and whether it is its fold's last.
        after = Signal(unsigned(len(ptr) + 1))
        a_ends, a_ready, b_ready = Signal(), Signal(), Signal()
        empty = in_b & b_complete & (b_count == 0) & (a_count == 0)
        known, ends = Signal(), Signal()
        m.d.comb += [
            after.eq(ptr + 1),
            a_ends.eq(after == a_count),
            a_ready.eq(~a_ends | (b_count != 0) | b_complete),
            b_ready.eq((after < b_count) | (b_complete & (after == b_count)) | empty),
            known.eq(Mux(in_b, b_ready, a_ready)),
            ends.eq(b_complete & Mux(in_b, (after == b_count) | empty, a_ends & (b_count == 0))),
        ]
        gap, capturing = Signal(2), Signal(3)
        spacing = Signal(range(config.unit_cycles * config.lanes + 4))
        outstanding = Signal(range(config.out_depth + 1))
        emits = fields.last_layer | self.emit_all
        first_fold, last_fold = fold == 0, fold == fields.folds
        room = Signal()
        is_4bit = fields.precision == 0
        may_end = (spacing == 0) & room & (~first_fold | alone)
        fires = Signal()
        m.d.comb += fires.eq(active & (gap == 0) & known & ~(is_4bit & (capturing != 0)) & (~ends | may_end))

        # One-cycle-old is recent enough: a fold reserves its places long before the next one ends.
        m.d.sync += room.eq(~emits | (outstanding <= config.out_depth - config.lanes))

        lanes = Signal(bits_for(config.lanes))
        m.d.comb += lanes.eq(Mux(last_fold, fields.last_lanes, config.lanes - 1))
        from_x = first_layer & ~in_b
        from_inputs = Mux(first_layer, ~in_b, in_b)  # a segment of input columns
        h_place = Mux(in_b & ~first_layer, fields.x_base, fields.unit_base) + ptr
        h_kind = [in_b & ~first_layer] if kinds == 2 else []
        m.d.comb += [
            self.x_addr.eq(Cat(ptr[: bits_for(config.inputs)], present.parity)),
            self.h_addr.eq(Cat(h_place[: config.unit_bits], *h_kind, present.parity)),
            self.fire_valid.eq(fires),
            self.fire.from_x.eq(from_x),
            self.fire.empty.eq(empty),
            self.fire.last.eq(ends),
            self.fire.first_fold.eq(first_fold),
            self.fire.last_fold.eq(last_fold),
            self.fire.base.eq(Mux(from_inputs, x_base, h_base)),
            self.fire.precision.eq(fields.precision),
            self.fire.lanes.eq(lanes),
            self.begin_drain.eq(fires & ends & first_fold),
            self.drain.eq(present),
            self.drain.columns.eq(columns + ~empty),
        ]

        # What follows a fired entry.
        with m.If(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        with m.If(capturing != 0):
            m.d.sync += capturing.eq(capturing - 1)
        with m.If(spacing != 0):
            m.d.sync += spacing.eq(spacing - 1)
        words = Signal(3)
        m.d.comb += words.eq(1 << fields.precision)
        with m.If(fires):
            m.d.sync += [ptr.eq(after), gap.eq(words - 1), columns.eq(columns + 1)]
            with m.If(~in_b & a_ends):
                m.d.sync += [ptr.eq(0), in_b.eq(1)]
            with m.If(ends):
                m.d.sync += [
                    ptr.eq(0),
                    in_b.eq(a_count == 0),
                    fold.eq(fold + 1),
                    x_base.eq(x_base + fields.fold_stride),
                    h_base.eq(h_base + fields.fold_stride),
                    gap.eq(Mux(is_4bit, fold_gap(1, 2), words) - 1),
                    capturing.eq(Mux(is_4bit, fold_gap(1, 1), words + 1) - 1),
                    # Capture is words - 1 (at least 1) cycles from now; the next may follow when the lanes have left.
                    spacing.eq(config.unit_cycles * (lanes + 1) + Mux(fields.precision == 2, 3, 1) - 2),
                ]
                with m.If(last_fold):
                    m.d.sync += active.eq(0)
                    with m.If(first_layer):
                        m.d.comb += self.release.eq(1 << present.parity)
        reserved = Mux(fires & ends & emits, lanes + 1, 0)
        m.d.sync += outstanding.eq(outstanding + reserved - self.popped)

        # The next pass.
        at_first = self.layer == 0
        single = self.record.last_layer
        # A step begins with layer 0: another record is only there because the host looks at its state.
        in_step = Signal()
        step = Signal(step_list_layout(config))
        begins, start, restart = Signal(), Signal(), Signal()
        m.d.comb += [
            step.eq(self.step[self.parity]),
            begins.eq(
                ~active & self.loaded & (undrained <= 1) & Mux(at_first, self.full.bit_select(self.parity, 1), in_step)
            ),
            start.eq(Mux(at_first, step.start, present.start)),
            restart.eq(Mux(at_first, step.restart, present.exact & ~present.start)),
            self.advance.eq(begins),
        ]
        own_count = Signal(count_shape)
        m.d.comb += own_count.eq(Mux(start, 0, Array(self.own_counts[i] for i in range(config.layers))[self.layer]))
        a_now = Mux(at_first, step.count, own_count)
        with m.If(begins):
            m.d.sync += [
                active.eq(1),
                in_step.eq(~self.record.last_layer),
                present.record.eq(self.record),
                present.layer.eq(self.layer),
                present.parity.eq(self.parity),
                present.start.eq(start),
                present.exact.eq(start | restart),
                present.clear.eq(start | restart | (self.record.mode != Mode.DELTA)),
                first_layer.eq(at_first),
                a_count.eq(a_now),
                b_stored.eq(own_count),
                b_live.eq(Mux(at_first, single & ~start, 1)),
                b_kind.eq(~at_first if kinds == 2 else 0),
                fold.eq(0),
                ptr.eq(0),
                columns.eq(0),
                in_b.eq(a_now == 0),
                x_base.eq(self.record.weight_base),
                h_base.eq(self.record.weight_base + self.record.h_offset),
            ]
            with m.If(self.record.last_layer):
                m.d.sync += self.parity.eq(~self.parity)
        m.d.sync += undrained.eq(undrained + begins - self.drained)
        m.d.comb += self.idle.eq(~active & (undrained == 0) & ~self.full.any())
        return m
