"""Verdicts: none is lost or repeated, and nothing else changes on its way out."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Cover, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Fault, proves
from lstmith.rtl import verdict
from lstmith.spec.codes import Verdict
from lstmith.spec.config import EngineConfig

CONFIG = EngineConfig(lanes=1, precisions=(8,), units=4, inputs=2, verdicts=True)


@proves(
    "one verdict per step",
    says="Behind the results of a step with a verdict goes that verdict, once; other results go out as they came in,"
    " and what is offered holds still.",
    fault=Fault(verdict, "due.eq(~self.o.ready)", "due.eq(0)"),
    depth=3,
    cover=10,
)
class VerdictBench(wiring.Component):
    """Results that come when they like, of steps with and without a verdict, and a receiver that stalls."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(verdict.judged_layout(CONFIG))), "ready": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.stage = stage = verdict.VerdictStage(CONFIG)
        given, sent = self.i.payload, stage.o.payload
        m.d.comb += [
            stage.i.payload.eq(given),
            stage.i.valid.eq(self.i.valid),
            self.i.ready.eq(stage.i.ready),
            stage.o.ready.eq(self.ready),
        ]
        judged = given.verdict != Verdict.NONE
        taken, leaves = self.i.valid & stage.i.ready, stage.o.valid & self.ready
        # Verdicts that are owed: those of steps whose last result was taken.
        owed, told = Signal(), Signal()
        with m.If(taken & judged & given.result.last):
            m.d.sync += owed.eq(1)
        with m.Elif(owed & leaves):
            m.d.sync += [owed.eq(0), told.eq(1)]
        m.d.comb += [
            # A queue offers a result until it is taken; only one with a verdict goes without being sent.
            *self._holds(m, Assume, self.i.valid, stage.i.ready, given.as_value(), "given"),
            Assume(judged | ~given.silent),
            *self._holds(m, Assert, stage.o.valid, self.ready, sent.as_value(), "sent"),
            Assert(stage.due == owed),
            Assert(~owed | (stage.o.valid & sent.last & ~stage.i.ready)),
            Assert(owed | (stage.o.valid == (self.i.valid & ~given.silent))),
            Assert(owed | ~stage.o.valid | (sent.h == given.result.h) & (sent.c == given.result.c)),
            Assert(owed | ~stage.o.valid | (sent.last == (given.result.last & ~judged))),
            Assert(owed | ~taken | given.silent | leaves),
            Cover(told & owed & (sent.h == 2)),
        ]
        return m

    @staticmethod
    def _holds(m: Module, claim: type, valid: Value, ready: Value, payload: Value, name: str) -> list[Value]:
        """What is offered and not taken is offered in the next cycle too."""
        waits, before = Signal(name=f"{name}_waits"), Signal(len(payload), name=f"{name}_before")
        m.d.sync += [waits.eq(valid & ~ready), before.eq(payload)]
        found: list[Value] = [claim(~waits | (valid & (payload == before)))]
        return found
