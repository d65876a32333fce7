"""The output queue never takes more results than it has places: proven by induction for every way to stall it."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Fault, proves
from lstmith.rtl.layouts import offer_layout
from lstmith.rtl.sequencer import throttle
from lstmith.spec.codes import Precision
from lstmith.spec.config import PRECISIONS, EngineConfig

#: Longer than anything that the throttle remembers of entries, but for long folds: their end is nearer than the next.
DEPTH = 6


#: Rows per cycle and lanes; the first is the shortest to be full.
SHAPES = ((2, 2), *((rows, lanes) for rows in (1, 2, 4) for lanes in (1, 2, 5, 16, 64) if (rows, lanes) != (2, 2)))


@proves(
    "output queue has room",
    says="The output queue never takes more results than it has places, however long it is stalled.",
    fault=Fault(throttle, " - unseen_units(self._unit_cycles)", ""),
    depth=DEPTH,
    cover=12,
    variants=SHAPES,
)
class ThrottleBench(wiring.Component):
    """Entries come as they like, results leave as they like: a queue that is stalled for ever is one of the cases."""

    def __init__(self, rows_per_cycle: int, lanes: int):
        self._config = config = EngineConfig(
            lanes=lanes, precisions=PRECISIONS, rows_per_cycle=rows_per_cycle, units=16, inputs=8
        )
        super().__init__({"valid": In(1), "payload": In(offer_layout(config.lanes, single_rows=True)), "popped": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.throttle = unit = throttle.IssueThrottle(
            lanes=config.lanes,
            unit_cycles=config.unit_cycles,
            slot_lanes=config.slot_lanes,
            out_depth=config.out_depth,
            single_rows=True,
        )
        m.d.comb += [
            unit.entry.valid.eq(self.valid),
            unit.entry.payload.eq(self.payload),
            unit.popped.eq(self.popped),
        ]
        taken = Signal(range(2 * config.out_depth))
        m.d.comb += [
            taken.eq(unit.outstanding + unit.reserved),
            Assume(self.payload.word < len(PRECISIONS)),
            Assume(~self.payload.pair | (self.payload.word != Precision.W16)),
            Assume(self.payload.lanes < config.lanes),
            # A result leaves only after it has come.
            Assume(~self.popped | (unit.outstanding != 0)),
            Assert(taken <= config.out_depth),
            Cover(taken == 2 * config.lanes),
        ]
        return m
