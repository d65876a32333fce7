"""The sequencer: when entries enter the array, what is fetched of a list that grows, and when a pass begins."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Around, Fault, proves
from lstmith.rtl.layouts import sequence_of
from lstmith.rtl.sequencer import list_reader, pass_control, throttle
from lstmith.spec.codes import Precision
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import LOOK, OPEN

LANES, UNIT_CYCLES, OUT_DEPTH = 2, 2, 16
#: More than the longest fold of so few lanes takes.
LONGEST = 16
COLUMNS = 2


class ThrottleBench(Around):
    """Entries of any kind, and results that leave at any pace."""

    def __init__(self) -> None:
        unit = throttle.IssueThrottle(
            lanes=LANES, unit_cycles=UNIT_CYCLES, slot_lanes=1, out_depth=OUT_DEPTH, single_rows=True
        )
        super().__init__(unit)

    def ask(self, m: Module, unit: Any) -> None:
        entry = unit.entry.payload
        m.d.comb += [
            Assume(entry.word < len(Precision)),
            Assume(~entry.pair | (entry.word != Precision.W16)),
            Assume(entry.lanes < LANES),
            Assume(~unit.popped | (unit.outstanding != 0)),
        ]


@proves(
    "folds leave one after the other",
    says="A fold's sums are captured when those of the fold before have left the chain.",
    fault=Fault(throttle, "self._drained(entry.lanes) + capture - 2", "self._drained(entry.lanes) + capture - 3"),
    depth=LONGEST,
    cover=12,
)
class SpacingBench(ThrottleBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        entry = unit.entry.payload
        _, capture = throttle.entry_cycles(m, entry.word, entry.pair, entry.single, together=False)
        ends, leaving, folds = Signal(), Signal(range(LONGEST)), Signal(2)
        m.d.comb += ends.eq(unit.entry.valid & unit.entry.ready & entry.last)
        with m.If(ends):
            m.d.sync += [leaving.eq(capture + UNIT_CYCLES * (entry.lanes + 1) - 1), folds.eq(folds + 1)]
        with m.Elif(leaving != 0):
            m.d.sync += leaving.eq(leaving - 1)
        m.d.comb += [Assert(~ends | (capture >= leaving)), Cover(ends & (folds == 2))]


@proves(
    "entry with room is taken",
    says="An entry whose results have room is taken after a bounded number of cycles.",
    fault=Fault(throttle, "spaced.eq(spacing <= 1)", "spaced.eq(spacing == 1)"),
    depth=LONGEST + 4,
    cover=12,
)
class IssueBench(ThrottleBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        entry, waited = unit.entry, Signal(range(LONGEST + 4))
        waits = entry.valid & ~entry.ready & (unit.outstanding == 0) & (unit.reserved == 0)
        m.d.sync += waited.eq(Mux(waits, waited + 1, 0))
        m.d.comb += [Assert(waited < LONGEST), Cover(waited == 2)]


class ReaderBench(Around):
    """Passes over any two lists; the second one may grow while it is read."""

    def __init__(self) -> None:
        super().__init__(list_reader.ListReader(columns=COLUMNS), first=In(2), grows=In(1), completes=In(1))

    def ask(self, m: Module, unit: Any) -> None:
        self.active, self.in_b, self.place, self.opens = Signal(), Signal(), Signal(2), Signal()
        a_count, b_count, whole = Signal(2), Signal(2), Signal()
        self.held = Signal()
        fresh = Signal()
        m.d.sync += fresh.eq(unit.begins)
        m.d.comb += [
            Assume(~unit.begins | ~self.active),
            Assume(~unit.fetches | (unit.ready & self.active & ~fresh)),
            Assume(unit.a_count == a_count),
            Assume(unit.b_count == b_count),
            Assume(unit.b_whole == whole),
            Assume(self.first <= COLUMNS),
            self.held.eq(whole),
        ]
        with m.If(unit.begins):
            m.d.sync += [a_count.eq(self.first), b_count.eq(0), whole.eq(0), self.active.eq(1), self.place.eq(0)]
            m.d.sync += [self.in_b.eq(self.first == 0), self.opens.eq(1)]
        with m.Elif(~whole):
            m.d.sync += [b_count.eq(b_count + (self.grows & (b_count != COLUMNS))), whole.eq(self.completes)]
        self.empty = (a_count == 0) & whole & (b_count == 0)
        a_ends = ~self.in_b & (self.place + 1 == a_count)
        self.last = whole & Mux(self.in_b, self.empty | (self.place + 1 == b_count), a_ends & (b_count == 0))
        self.exists = ~self.in_b | self.empty | (self.place < b_count)
        with m.If(unit.fetches):
            m.d.sync += [self.place.eq(self.place + 1), self.opens.eq(self.last)]
            with m.If(self.last | a_ends):
                m.d.sync += self.place.eq(0)
                m.d.sync += self.in_b.eq(Mux(self.last, a_count == 0, 1))


@proves(
    "entries in order",
    says="A fold fetches every entry of both lists once and in order, none that is not known to be there, "
    "and marks the first and the last.",
    fault=Fault(list_reader, "Mux(fetched, gap > steps + 1, gap > steps)", "Mux(fetched, gap > steps, gap > steps)"),
    depth=20,
    cover=16,
    enough="two lists of up to two entries are read twice from every state of growing",
)
class OrderBench(ReaderBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        right = (
            self.exists
            & (unit.in_b == self.in_b)
            & (unit.place == self.place)
            & (unit.last == self.last)
            & (unit.empty == self.empty)
            & (unit.opens == self.opens)
        )
        m.d.comb += [Assert(~unit.fetches | right), Cover(unit.fetches & unit.last & unit.in_b & (unit.place == 1))]


@proves(
    "known entry may be fetched",
    says="As soon as both lists are known, an entry may be fetched in every cycle.",
    fault=Fault(list_reader, "wait.eq(wait - 1)", "wait.eq(wait)"),
    depth=20,
    cover=16,
    enough="two lists of up to two entries are read twice from every state of growing",
)
class ReadyBench(ReaderBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        known = Signal(range(OPEN + LOOK + 2))
        with m.If(~self.held | unit.begins):
            m.d.sync += known.eq(0)
        with m.Elif(known != OPEN + LOOK):
            m.d.sync += known.eq(known + 1)
        m.d.comb += [Assert((known < OPEN + LOOK) | unit.ready), Cover(unit.fetches & (known == OPEN + LOOK))]


class PassBench(Around):
    """Steps, descriptors and drains that come as they like; a pass drains only if there is one."""

    def __init__(self, planes: int, sequences: int):
        precisions = (4, 8) if planes == 2 else (8,)
        config = EngineConfig(
            lanes=1, precisions=precisions, units=2, inputs=2, layers=2, planes=planes, sequences=sequences
        )
        super().__init__(pass_control.PassControl(config))

    def ask(self, m: Module, unit: Any) -> None:
        m.d.comb += Assume(~unit.lists.drained | (unit._undrained != 0))


@proves(
    "one pass drains",
    says="Beside the pass that is fetched at most one is still to drain.",
    fault=Fault(pass_control, "(self._undrained <= DRAINING)", "(self._undrained <= DRAINING + 1)"),
    depth=4,
    cover=16,
    variants=((1, 1), (2, 1), (1, 2)),
)
class DrainBench(PassBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        most = pass_control.DRAINING + 1
        m.d.comb += [Assert(unit._undrained <= most), Cover(unit._undrained == most)]


@proves(
    "no step while states are loaded",
    says="No step begins while the loader holds it.",
    fault=Fault(pass_control, "Mux(at_first, waits & ~self.reload.hold,", "Mux(at_first, waits,"),
    depth=4,
    cover=16,
    variants=((1, 1), (2, 1), (1, 2)),
)
class HoldBench(PassBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        begins = unit.begins & (unit.program.layer == 0)
        m.d.comb += [Assert(~begins | ~unit.reload.hold), Cover(begins)]


@proves(
    "each sequence turns its own lists",
    says="The halves of a sequence's lists change places when its own step's last layer begins, and at no other time.",
    fault=Fault(pass_control, "self.list_halves ^ (1 << sequence)", "self.list_halves ^ 1"),
    depth=4,
    cover=16,
    variants=((1, 2),),
)
class HalvesBench(PassBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        ended, before = Signal(), Signal(2)
        m.d.sync += [ended.eq(unit.begins & unit.program.descriptor.last_layer), before.eq(unit.list_halves)]
        turned = ended << sequence_of(unit.present)
        m.d.comb += [Assert(unit.list_halves == before ^ turned), Cover(unit.list_halves == 3)]
