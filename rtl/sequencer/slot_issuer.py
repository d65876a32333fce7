"""Slot issuer: a fetched list entry to the weight-word slots of the array."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import (
    entry_layout,
    fetch_layout,
    fold_layout,
    row_layout,
    sequence_of,
    set_sequence,
    slot_layout,
    work_layout,
)
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.sequencer.throttle import IssueThrottle
from lstmith.spec.config import PRECISIONS, EngineConfig, bits_for

#: Entries that may be on their way from the lists to the array, with mixed images.
QUEUE = 16


class SlotIssuer(wiring.Component):
    """Turns an entry into 1, 2 or 4 consecutive slots and a fold's end into captures.

    With one image per layer the first slot follows three cycles after ``fetch``. With mixed images
    entries wait in a queue until the array is free: from there the first slot follows in the next cycle.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    fetch, fetch_valid
        From the sequencer.
    x_entry, h_entry
        The list memories' outputs, two cycles after ``fetch``.
    popped
        With mixed images: one result left the output queue.
    fired, release
        With mixed images: an entry left the queue; the input stage's list has been used.
    load_address, load_lane, load_data, load_valid
        A weight word to write; only while idle.
    slot
        To lane 0.
        After a reset, one that clears the lanes.
    fold, fold_valid
        With the capturing slot: whose sums leave.
    word_valid, word_precision
        A weight word is issued.
    row_valid, row_entry
        A column of the first layer's first fold, for the skip predictor.

    Attributes
    ----------
    queue, waits : SyncFIFO, Signal
        With mixed images: the queue, and whether an entry waits at its head; no part of the interface, proofs look
        at them.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "fetch": In(fetch_layout(config)),
                "fetch_valid": In(1),
                "x_entry": In(entry_layout(config, config.inputs)),
                "h_entry": In(entry_layout(config, config.units)),
                "popped": In(1),
                "fired": Out(1),
                "release": Out(2),
                "load_address": In(config.address_bits),
                "load_lane": In(bits_for(config.lanes)),
                "load_data": In(16),
                "load_valid": In(1),
                "slot": Out(slot_layout(config)),
                "fold": Out(fold_layout(config)),
                "fold_valid": Out(1),
                "word_valid": Out(1),
                "word_precision": Out(2),
                "row_valid": Out(1),
                "row_entry": Out(row_layout(config)),
            }
        )
        if config.mixed:
            self.queue, self.waits = SyncFIFO(width=work_layout(config).size, depth=QUEUE), Signal()

    @property
    def queue_latency(self) -> int:
        """Cycles from ``fetch`` to firing an entry that finds the queue empty; with mixed images."""
        # Read, placed, written to the queue, and out of it.
        return RAM_LATENCY + 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config

        # Stages 1 and 2: the entry is read.
        fetch = Signal(fetch_layout(config))
        m.d.comb += fetch.eq(delayed(m, self.fetch.as_value(), RAM_LATENCY, "fetch"))
        valid = delayed(m, self.fetch_valid, RAM_LATENCY, "fetch_valid")
        columns = bits_for(max(config.inputs, config.units))
        entry = Signal(data.StructLayout({"column": columns, "low": 1, "operand": signed(config.operand_width)}))
        m.d.comb += entry.operand.eq(Mux(fetch.from_x, self.x_entry.operand, self.h_entry.operand))
        m.d.comb += entry.column.eq(Mux(fetch.from_x, self.x_entry.column, self.h_entry.column))
        if config.mixed:
            m.d.comb += entry.low.eq(Mux(fetch.from_x, self.x_entry.low, self.h_entry.low))
        m.d.comb += [
            self.row_valid.eq(valid & fetch.counts),
            self.row_entry.column.eq(
                Mux(fetch.from_x, self.x_entry.column, self.h_entry.column + (1 << bits_for(config.inputs)))
            ),
            self.row_entry.operand.eq(entry.operand),
            self.row_entry.empty.eq(fetch.empty),
            self.row_entry.clears.eq(fetch.opens & fetch.clears),
        ]
        if config.mixed:
            # Towards the queue there is time.
            held_fetch, held_entry = Signal.like(fetch), Signal.like(entry)
            m.d.comb += [
                held_fetch.eq(delayed(m, fetch.as_value(), 1, "fetch_held")),
                held_entry.eq(delayed(m, entry.as_value(), 1, "entry_held")),
            ]
            fetch, entry, valid = held_fetch, held_entry, delayed(m, valid, 1, "valid_held")

        # Place its first word.
        read = Signal(work_layout(config))
        m.d.comb += [
            read.address.eq(fetch.base + (entry.column << fetch.precision)),
            read.operand.eq(Mux(fetch.empty, 0, entry.operand)),
            read.precision.eq(fetch.precision),
            read.last.eq(fetch.last),
            read.fold.first.eq(fetch.first_fold),
            read.fold.last.eq(fetch.last_fold),
            read.fold.lanes.eq(fetch.lanes),
            *set_sequence(read.fold, sequence_of(fetch)),
            read.emits.eq(fetch.emits),
            read.frees.eq(fetch.frees),
            read.x_buffer.eq(fetch.x_buffer),
        ]
        work = read
        if config.monitor:
            m.d.comb += read.fold.shift.eq(fetch.shift)
        if config.mixed:
            operand = entry.operand
            with m.If(entry.low & ~fetch.lowered & ~fetch.empty):
                # The lower image's weights count k times as much: its operands are small, so they carry the factor.
                m.d.comb += [
                    read.address.eq(fetch.low_base + (entry.column << fetch.low)),
                    read.operand.eq(Mux(fetch.precision == PRECISIONS.index(16), operand << 8, operand << 4)),
                    read.precision.eq(fetch.low),
                ]
            work, valid = self._elaborate_queue(m, read, valid)

        # Stage 3: words of the entry, one per cycle.
        address, value = Signal(config.address_bits), Signal(signed(config.operand_width))
        precision, sub, words_left = Signal(2), Signal(2), Signal(3)
        m.d.sync += [address.eq(address + 1), sub.eq(sub + 1)]
        with m.If(words_left != 0):
            m.d.sync += words_left.eq(words_left - 1)
        with m.If(valid):
            m.d.sync += [
                address.eq(work.address),
                value.eq(work.operand),
                precision.eq(work.precision),
                sub.eq(0),
                words_left.eq(1 << work.precision),
            ]
        ending = Signal()
        m.d.sync += ending.eq(valid & work.last)
        held = Signal(fold_layout(config))
        long_entry = Signal()
        with m.If(valid & work.last):
            m.d.sync += [held.eq(work.fold), long_entry.eq(work.precision == PRECISIONS.index(16))]

        # Captures follow the fold's last word: gates i and f beside or after it, g and o a cycle later.
        capture = delayed(m, ending & ~long_entry, 1, "capture_short") | delayed(
            m, ending & long_entry, 3, "capture_long"
        )
        second = delayed(m, capture, 1, "capture_second")
        # Lanes have no reset: a slot that captures everything clears them from end to end.
        clears = Signal(init=1)
        m.d.sync += clears.eq(0)
        m.d.comb += [
            self.word_valid.eq(words_left != 0),
            self.word_precision.eq(precision),
            self.slot.valid.eq(words_left != 0),
            self.slot.address.eq(Mux(self.load_valid, self.load_address, address)),
            self.slot.operand.eq(Mux(self.load_valid, self.load_data.as_signed(), value)),
            self.slot.precision.eq(precision),
            self.slot.sub.eq(sub),
            self.slot.capture.eq(Cat(capture, second) | clears.replicate(2)),
            self.slot.load.eq(self.load_valid),
            self.slot.lane.eq(self.load_lane),
            self.fold.eq(held),
            self.fold_valid.eq(capture),
        ]
        return m

    def _elaborate_queue(self, m: Module, read: Signal, valid: Signal) -> tuple[Signal, Signal]:
        """Entries wait for the throttle; the sequencer never fetches more than fit."""
        config = self._config
        layout = work_layout(config)
        m.submodules.queue = queue = self.queue
        m.submodules.throttle = throttle = IssueThrottle(config)
        head, waits = Signal(layout, reset_less=True), self.waits
        m.d.comb += [
            queue.w_data.eq(read),
            queue.w_en.eq(valid),
            throttle.valid.eq(waits),
            throttle.precision.eq(head.precision),
            throttle.last.eq(head.last),
            throttle.lanes.eq(head.fold.lanes),
            throttle.emits.eq(head.emits),
            throttle.popped.eq(self.popped),
            queue.r_en.eq(throttle.fires | ~waits),
            self.fired.eq(throttle.fires),
        ]
        with m.If(queue.r_en):
            m.d.sync += [head.eq(queue.r_data), waits.eq(queue.r_rdy)]
        with m.If(throttle.fires & head.frees):
            m.d.comb += self.release.eq(1 << head.x_buffer)
        return head, throttle.fires
