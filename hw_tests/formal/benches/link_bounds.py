"""Bounds of the host link: what the engine says of the steps that were admitted has room; nothing is overwritten."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Fault, proves
from lstmith.rtl.layouts import event_layout, output_layout
from lstmith.rtl.link import admission, collect, ring
from lstmith.rtl.link.collect import OUTCOMES, TRANSFER_CYCLES
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import MARK, input_ready

CONFIGS = {
    "full": EngineConfig(lanes=1, precisions=(4, 8), units=2, inputs=2, planes=2, monitor=True, skip=True),
    "small": EngineConfig(lanes=1, precisions=(8,), units=2, inputs=2, rows_per_cycle=1, delta=False),
}
WORDS = 8
#: Bit of a result that says whether it is its step's last.
_LAST = output_layout(CONFIGS["small"])["last"].offset
#: Steps that have room, and most results of one.
STEPS, UNITS = 3, 2


@proves(
    "outcome is kept",
    says="No outcome of a step is overwritten, however late the executor writes it into the ring.",
    fault=Fault(collect, "self.room.eq(level < OUTCOMES // 2)", "self.room.eq(level < OUTCOMES)"),
    depth=22,
    cover=40,
    variants=(("full",), ("small",)),
)
class CollectorBench(wiring.Component):
    """Transfers that each end a step, as fast as the executor makes them; outcomes as late as an engine gives them.

    Parameters
    ----------
    name : str
        Of the engine in ``CONFIGS``.
    """

    def __init__(self, name: str):
        self._config = CONFIGS[name]
        self.late = max(MARK, input_ready(self._config))
        super().__init__({"transfer": In(1), "outcome": In(1), "skipped": In(1), "ready": In(1), "h_valid": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.collector = collector = collect.CompactCollector(
            result=output_layout(self._config), layers=self._config.layers, outcome_latency=self.late
        )
        # A bit per step whose outcome has not come, by age; the oldest comes first.
        ages = Signal(self.late)
        rests = Signal(range(TRANSFER_CYCLES))
        oldest = Signal(self.late)
        for age in range(self.late):
            m.d.comb += oldest[age].eq(ages[age] & ~ages[age + 1 :].any())
        m.d.comb += [
            collector.outcome_valid.eq(self.outcome),
            collector.outcome_skipped.eq(self.skipped),
            collector.o.ready.eq(self.ready),
            collector.h.valid.eq(self.h_valid),
            collector.h.payload.last.eq(1),
            Assume(~self.transfer | (collector.room & (rests == 0))),
            Assume(~self.outcome | ages.any()),
            Assume(~ages[-1] | self.outcome),
        ]
        m.d.sync += ages.eq((ages & ~self._when(self.outcome, oldest)) << 1 | self.transfer)
        with m.If(self.transfer):
            m.d.sync += rests.eq(TRANSFER_CYCLES - 1)
        with m.Elif(rests != 0):
            m.d.sync += rests.eq(rests - 1)
        pending = sum(ages[age] for age in range(self.late))
        m.d.comb += [Assert(collector.level + pending < OUTCOMES), Cover(collector.level == OUTCOMES // 2 + 1)]
        return m

    @staticmethod
    def _when(condition: Signal, value: Signal) -> Signal:
        return value & condition.replicate(len(value))


@proves(
    "admitted step has room",
    says="What the engine says of the steps that were admitted has room: the engine never waits for the collector.",
    fault=Fault(admission, "room.eq(self.pending != self._steps)", "room.eq(1)"),
    depth=3,
    cover=40,
)
class AdmissionBench(wiring.Component):
    """An engine that says as much of each step as it can, when it likes, and a ring that is read when it likes.

    A step has one element, so that the engine may take a step in every cycle. What comes out of the queues is what went
    into them: that is assumed of their memories.
    """

    def __init__(self) -> None:
        inputs = (
            "valid",
            "quiet",
            "x_ready",
            "busy",
            "outcome",
            "skipped",
            "result",
            "last",
            "event",
            "o_ready",
            "full",
        )
        super().__init__(dict.fromkeys(inputs, In(1)))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = CONFIGS["small"]
        m.submodules.admission = steps = admission.StepAdmission(inputs=1, steps=STEPS)
        m.submodules.collector = collector = collect.StepCollector(
            result=output_layout(config), event=event_layout(config), layers=1, units=UNITS, steps=STEPS, inputs=1
        )
        m.d.comb += [
            steps.i.valid.eq(self.valid),
            steps.x.ready.eq(self.x_ready),
            steps.engine_busy.eq(self.busy),
            steps.outcome_valid.eq(self.outcome),
            steps.done.eq(collector.done),
            collector.fed.eq(steps.fed),
            collector.before.eq(steps.before),
            collector.idle.eq(steps.idle),
            collector.quiet.eq(self.quiet),
            collector.full.eq(self.full),
            collector.outcome_valid.eq(self.outcome),
            collector.outcome_skipped.eq(self.skipped),
            collector.event_valid.eq(self.event),
            collector.h.valid.eq(self.result),
            collector.h.payload.last.eq(self.last),
            collector.o.ready.eq(self.o_ready),
        ]
        results, events, outcomes, inputs = collector.results, collector.events, collector.outcomes, collector.inputs
        # Steps that are computed: of those whose outcome waits; whose results are not all there, and how many of the
        # oldest one's are; whose last result waits; whose event is not there.
        waiting, computing, emitted, ended, silent = (Signal(4, name=f"steps_{index}") for index in range(5))
        popped, last_popped = results.r_en & results.r_rdy, results.r_data[_LAST]
        outcome_popped, skip_popped = outcomes.r_en & outcomes.r_rdy, outcomes.r_data[0]
        computed, ends = self.outcome & ~self.skipped, self.result & self.last
        m.d.sync += [
            waiting.eq(waiting + computed - (outcome_popped & ~skip_popped)),
            computing.eq(computing + computed - ends),
            ended.eq(ended + ends - (popped & last_popped)),
            silent.eq(silent + computed - self.event),
        ]
        with m.If(self.result):
            m.d.sync += emitted.eq(Mux(self.last, 0, emitted + 1))
        pending, written = steps.pending, collector.written
        m.d.comb += [
            Assume(~self.outcome | (steps.unknown != 0)),
            Assume(~self.result | (computing != 0)),
            Assume(~self.result | (emitted != UNITS - 1) | self.last),
            Assume(~self.event | (silent != 0)),
            Assume(~outcome_popped | Mux(skip_popped, waiting < outcomes.level, waiting != 0)),
            Assume(~(popped & last_popped) | ((ended != 0) & (results.level - 1 <= (ended - 1) * UNITS + emitted))),
            # What the bounds follow from.
            Assert(pending <= STEPS),
            Assert(~steps.ending),
            Assert(inputs.level - inputs.r_en + collector.noted + steps.feeds + (written != 0) == pending),
            Assert(~inputs.r_en | (inputs.r_rdy & (written != 0))),
            Assert(outcomes.level + steps.unknown + (written >= 2) == pending),
            Assert(waiting <= outcomes.level),
            Assert(computing + ended == waiting + (written == 2)),
            Assert(events.level + silent == waiting + (written >= 2)),
            Assert((emitted < UNITS) & ((emitted == 0) | (computing != 0))),
            Assert(results.level <= ended * UNITS + emitted),
            *(
                Assert(~each.r_rdy | (each.level != 0))
                for queue in (results, events, outcomes, inputs)
                for each in (queue, queue.fifo)
            ),
            # The bounds.
            *(Assert(~queue.w_en | queue.w_rdy) for queue in (results, events, outcomes, inputs)),
            Cover(results.level == STEPS * UNITS),
        ]
        return m


@proves(
    "ring keeps words",
    says="The result ring takes a word if it has a place, and none when it is full of words that were not released.",
    fault=Fault(ring, "accepted.eq(self.i.valid & ~self.full)", "accepted.eq(self.i.valid)"),
    depth=3,
    cover=2 * WORDS + 2,
)
class RingBench(wiring.Component):
    """Words come whenever there is a place; the host releases only what was written, in order."""

    def __init__(self) -> None:
        super().__init__({"valid": In(1), "release": In(1), "release_place": In(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = unit = ring.ResultRing(words=WORDS)
        held, freed = Signal.like(unit.written), Signal.like(unit.written)
        m.d.comb += [
            unit.i.valid.eq(self.valid),
            unit.release.eq(self.release),
            unit.release_place.eq(self.release_place),
            held.eq(unit.written - unit.released),
            freed.eq(self.release_place - unit.released),
            Assume(~self.release | (freed <= held)),
            Assert(held <= WORDS),
            Assert(unit.full == (held == WORDS)),
            Cover(unit.full),
        ]
        return m
