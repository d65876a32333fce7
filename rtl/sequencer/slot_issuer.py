"""Slot issuer: a fetched list entry to the weight-word slots of the array."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.rtl.host_interfaces import WeightLoadSignature
from lstmith.rtl.interfaces import FetchSignature, HiddenListSignature, InputListSignature
from lstmith.rtl.layouts import (
    entry_layout,
    fetch_layout,
    fold_layout,
    row_layout,
    sequence_of,
    set_sequence,
    set_single,
    single_of,
    slot_layout,
    word_of,
    work_layout,
)
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.sequencer.throttle import MOST_WORDS, IssueThrottle, entry_cycles
from lstmith.spec.config import EngineConfig, bits_for

#: Entries that may be on their way from the lists to the array, with two planes.
QUEUE = 16


class SlotIssuer(wiring.Component):
    """Turns an entry into 1, 2 or 4 consecutive slots, the top plane's first, and a fold's end into captures.

    :class:`IssueThrottle` says when an entry may enter the array. With one plane the words of an entry are known before
    it is fetched: the throttle takes the offer itself, and the first slot follows ``latency`` cycles later. With two
    planes they are known when it has been read. Then an offer is taken as long as the queue has a place, and the
    throttle stands behind the queue: from there the first slot follows in the next cycle.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    fetch : In(FetchSignature)
        From the sequencer.
    x_list : Out(InputListSignature)
        Lists of the input, read beside ``fetch.valid``.
    h_list : Out(HiddenListSignature)
        Lists of h, likewise.
    popped : In(1)
        For one cycle per result that leaves the output queue.
    release : Out(2)
        For one cycle: an input buffer has been used.
    load : In(WeightLoadSignature)
        A weight word to write; only while idle.
    slot : Out(slot_layout(config))
        To lane 0. After a reset, one that clears the lanes.
    fold : Out(fold_layout(config))
        Whose sums leave; while ``fold_valid``.
    fold_valid : Out(1)
        Beside the capturing slot.
    word_valid : Out(1)
        A weight word is issued.
    word_width : Out(2)
        The ``Precision`` that is as wide as its digits; while ``word_valid``.
    row_valid : Out(1)
        A column of the first layer's first fold, for the skip predictor.
    row_entry : Out(row_layout)
        While ``row_valid``.

    Attributes
    ----------
    queue, waits, queued : SyncFIFO, Signal, Signal
        With two planes: the queue, whether an entry waits at its head, and how many are on their way; no part of
        the interface, proofs look at them.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "fetch": In(FetchSignature(config)),
                "x_list": Out(InputListSignature(config)),
                "h_list": Out(HiddenListSignature(config)),
                "popped": In(1),
                "release": Out(2),
                "load": In(WeightLoadSignature(config)),
                "slot": Out(slot_layout(config)),
                "fold": Out(fold_layout(config)),
                "fold_valid": Out(1),
                "word_valid": Out(1),
                "word_width": Out(2),
                "row_valid": Out(1),
                "row_entry": Out(
                    row_layout(inputs=config.x_columns, units=config.units, operand_width=config.operand_width)
                ),
            }
        )
        self._throttle = IssueThrottle(
            lanes=config.lanes,
            unit_cycles=config.unit_cycles,
            slot_lanes=config.slot_lanes,
            out_depth=config.out_depth,
            single_rows=config.single_rows,
        )
        if config.planes > 1:
            self.queue = SyncFIFO(width=work_layout(config).size, depth=QUEUE)
            self.waits, self.queued = Signal(), Signal(range(QUEUE + 1))

    @property
    def latency(self) -> int:
        """Cycles from ``fetch.valid`` to the first slot, of an entry that need not wait in the queue."""
        # Read and placed; in between, with two planes, towards the queue, into it and out of it.
        return RAM_LATENCY + 1 + (3 if self._config.planes > 1 else 0)

    @property
    def queue_latency(self) -> int:
        """Cycles from ``fetch.valid`` to leaving the queue, if nothing else waits there; with two planes."""
        return self.latency - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.throttle = throttle = self._throttle
        m.d.comb += throttle.popped.eq(self.popped)
        with m.If(throttle.entry.valid & throttle.entry.ready & throttle.entry.payload.frees):
            m.d.comb += self.release.eq(1 << throttle.entry.payload.x_buffer)
        fetch, entry, valid = self._read(m)
        work = self._placed(m, fetch, entry)
        if config.planes > 1:
            work, valid = self._elaborate_queue(m, work, valid)
        else:
            connect(m, flipped(self.fetch.offer), throttle.entry)
        self._elaborate_slots(m, work, valid)
        return m

    def _read(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Stages 1 and 2: the entry is read."""
        config = self._config
        m.d.comb += [
            self.x_list.address.eq(self.fetch.x_address),
            self.x_list.list.eq(self.fetch.list),
            self.h_list.address.eq(self.fetch.h_address),
            self.h_list.list.eq(self.fetch.list),
        ]
        x_entry, h_entry = self.x_list.entry, self.h_list.entry
        fetch = Signal(fetch_layout(config))
        m.d.comb += fetch.eq(delayed(m, self.fetch.entry.as_value(), RAM_LATENCY, "fetch"))
        valid = delayed(m, self.fetch.valid, RAM_LATENCY, "fetch_valid")
        entry = Signal(
            entry_layout(
                columns=max(config.x_columns, config.units), operand_width=config.operand_width, planes=config.planes
            )
        )
        m.d.comb += [
            *(entry[name].eq(Mux(fetch.from_x, x_entry[name], h_entry[name])) for name in entry.shape().members),
            self.row_valid.eq(valid & fetch.counts),
            self.row_entry.column.eq(
                Mux(fetch.from_x, x_entry.column, h_entry.column + (1 << bits_for(config.x_columns)))
            ),
            # The predictor's row is of the top plane's references.
            self.row_entry.operand.eq(entry.operands[0]),
            self.row_entry.empty.eq(fetch.empty),
            self.row_entry.clears.eq(fetch.opens & fetch.clears),
        ]
        if config.planes == 1:
            return fetch, entry, valid
        with m.If(~entry.planes[0]):
            m.d.comb += self.row_entry.empty.eq(1)
        # Towards the queue there is time.
        held_fetch, held_entry = Signal.like(fetch), Signal.like(entry)
        m.d.comb += [
            held_fetch.eq(delayed(m, fetch.as_value(), 1, "fetch_held")),
            held_entry.eq(delayed(m, entry.as_value(), 1, "entry_held")),
        ]
        return held_fetch, held_entry, delayed(m, valid, 1, "valid_held")

    def _placed(self, m: Module, fetch: Signal, entry: Signal) -> Signal:
        """By plane the entry's first word and its operand, and what ends with it."""
        config = self._config
        word = word_of(fetch, config)
        read = Signal(work_layout(config))
        m.d.comb += [
            # An empty entry is one digit that adds nothing.
            read.planes.eq(Mux(fetch.empty, 1, entry.planes) if config.planes > 1 else 1),
            read.word.eq(word),
            *set_single(read, single_of(fetch)),
            read.raises.eq(fetch.raises),
            read.last.eq(fetch.last),
            read.fold.first.eq(fetch.first_fold),
            read.fold.last.eq(fetch.last_fold),
            read.fold.lanes.eq(fetch.lanes),
            *set_sequence(read.fold, sequence_of(fetch)),
            read.emits.eq(fetch.emits),
            read.frees.eq(fetch.frees),
            read.x_buffer.eq(fetch.x_buffer),
        ]
        for plane in range(config.planes):
            m.d.comb += [
                read.addresses[plane].eq(fetch.bases[plane] + (entry.column << Mux(single_of(fetch), 0, word))),
                read.operands[plane].eq(Mux(fetch.empty, 0, entry.operands[plane])),
            ]
        return read

    def _elaborate_slots(self, m: Module, work: Signal, valid: Value) -> None:
        """Stage 3: words of the entry, one per cycle, and captures behind a fold's last one."""
        config = self._config
        address = Signal(config.address_bits, reset_less=True)
        value = Signal(signed(config.operand_width), reset_less=True)
        word, sub, words_left, raised = Signal(2), Signal(2), Signal(3), Signal()
        top, pair = work.planes[0], work.planes.all() if config.planes > 1 else Const(0)
        together = config.rows_per_cycle == 4
        words, capture_after = entry_cycles(m, work.word, pair, single_of(work), together=together)
        m.d.sync += [address.eq(address + 1), sub.eq(sub + 1)]
        with m.If(words_left != 0):
            m.d.sync += words_left.eq(words_left - 1)
        if config.planes > 1:
            # Behind the top plane's digit comes the low plane's, if the entry has words left.
            low_address, low_value = Signal.like(address), Signal.like(value)
            single = Signal()
            with m.If(Mux(single, 1, sub + 1 == 1 << word)):
                m.d.sync += [address.eq(low_address), value.eq(low_value), raised.eq(0), sub.eq(0)]
            with m.If(valid):
                m.d.sync += [
                    single.eq(single_of(work)),
                    low_address.eq(work.addresses[1]),
                    low_value.eq(work.operands[1]),
                    raised.eq(top & work.raises),
                ]
        with m.If(valid):
            m.d.sync += [
                address.eq(Mux(top, work.addresses[0], work.addresses[-1])),
                value.eq(Mux(top, work.operands[0], work.operands[-1])),
                word.eq(work.word),
                sub.eq(0),
                words_left.eq(words),
            ]
        # Captures, by the cycles until they are due: gates i and f beside or after the fold's last word, g and o a
        # cycle later, unless all leave together.
        due, held = Signal(MOST_WORDS + together), Signal(fold_layout(config), reset_less=True)
        m.d.sync += due.eq(due >> 1)
        with m.If(valid & work.last):
            m.d.sync += [held.eq(work.fold), due.eq((due >> 1) | (1 << capture_after))]
        capture = due[0]
        second = capture if together else delayed(m, capture, 1, "capture_second")
        # Lanes have no reset: a slot that captures everything clears them from end to end.
        clears = Signal(init=1)
        m.d.sync += clears.eq(0)
        m.d.comb += [
            self.word_valid.eq(words_left != 0),
            self.word_width.eq(word),
            self.slot.valid.eq(words_left != 0),
            self.slot.address.eq(Mux(self.load.valid, self.load.address, address)),
            self.slot.operand.eq(Mux(self.load.valid, self.load.data.as_signed(), value)),
            self.slot.word.eq(word),
            self.slot.raised.eq(raised),
            self.slot.sub.eq(sub),
            self.slot.capture.eq(Cat(capture, second) | clears.replicate(2)),
            self.slot.load.eq(self.load.valid),
            self.slot.lane.eq(self.load.lane),
            self.fold.eq(held),
            self.fold_valid.eq(capture),
        ]

    def _elaborate_queue(self, m: Module, read: Signal, valid: Signal) -> tuple[Signal, Value]:
        """Entries wait for the throttle; none is fetched that has no place."""
        queue, waits, queued, entry = self.queue, self.waits, self.queued, self._throttle.entry
        m.submodules.queue = queue
        head = Signal(work_layout(self._config), reset_less=True)
        fires, takes, filled, room = Signal(), Signal(), Signal(), Signal(init=1)
        offer = self.fetch.offer
        m.d.comb += [
            queue.w_data.eq(read),
            queue.w_en.eq(valid),
            entry.payload.word.eq(head.word),
            *set_single(entry.payload, single_of(head)),
            entry.payload.pair.eq(head.planes.all()),
            entry.payload.last.eq(head.last),
            entry.payload.lanes.eq(head.fold.lanes),
            entry.payload.emits.eq(head.emits),
            entry.payload.frees.eq(head.frees),
            entry.payload.x_buffer.eq(head.x_buffer),
            entry.valid.eq(waits),
            fires.eq(waits & entry.ready),
            queue.r_en.eq(fires | ~waits),
            takes.eq(offer.valid & offer.ready),
            # Both come late: what they do to the number is known of either before.
            filled.eq(Mux(takes, queued == QUEUE - 1, queued == QUEUE)),
            offer.ready.eq(room),
        ]
        m.d.sync += [queued.eq(queued + takes - fires), room.eq(fires | ~filled)]
        with m.If(queue.r_en):
            m.d.sync += [head.eq(queue.r_data), waits.eq(queue.r_rdy)]
        return head, fires
