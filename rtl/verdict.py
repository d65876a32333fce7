"""Verdicts: what a program's last layer says of a step, in one word instead of one per unit."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import output_layout
from lstmith.spec.codes import VERDICT_BITS, Verdict
from lstmith.spec.config import EngineConfig


def judged_layout(config: EngineConfig) -> data.StructLayout:
    """A result on its way to where verdicts are made."""
    return data.StructLayout(
        {
            "result": output_layout(config),
            "verdict": 2,  # what is made of its layer's h
            "above": 1,  # its h is above the layer's threshold
            "silent": 1,  # it is not sent, only the verdict is
        }
    )


class VerdictStage(wiring.Component):
    """Between the output queue and the output stream: sends a verdict behind the results of each layer that has one.

    Results of other layers go through at once. Those of a layer with a verdict lose ``last``, which the verdict has:
    its ``h`` is the verdict, modulo 2^16, and its ``c`` zero. A skipped step has no results, so it has no verdict.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    i : In(stream of judged_layout(config))
        Results; those of a layer that has a verdict follow each other up to its ``last``.
    o : Out(stream of output_layout(config))
        What is sent of them; a verdict from the cycle after its last result was taken.
    busy : Out(1)
        A result that is not sent waits; valid always.
    verdict : Out(VERDICT_BITS)
        The last verdict, from the second cycle after its last result was taken; 0 before the first one.

    Attributes
    ----------
    due : Signal
        A verdict waits to be taken; no part of the interface, proofs look at it.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(judged_layout(config))),
                "o": Out(stream.Signature(output_layout(config))),
                "busy": Out(1),
                "verdict": Out(VERDICT_BITS),
            }
        )
        self.due = Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        given, result = self.i.payload, self.i.payload.result
        judged = given.verdict != Verdict.NONE
        due, told = self.due, Signal(output_layout(self._config))
        unit, found, largest = Signal(self._config.unit_bits), Signal(VERDICT_BITS), Signal(signed(16))
        first = unit == 0
        with m.If(due):
            m.d.comb += [
                self.o.payload.eq(told),
                self.o.payload.h.eq(found.as_signed()),
                self.o.payload.c.eq(0),
                self.o.valid.eq(1),
            ]
            m.d.sync += [self.verdict.eq(found), due.eq(~self.o.ready)]
        with m.Else():
            m.d.comb += [
                self.o.payload.eq(result),
                self.o.payload.last.eq(result.last & ~judged),
                self.o.valid.eq(self.i.valid & ~given.silent),
                self.i.ready.eq(self.o.ready | given.silent),
                self.busy.eq(self.i.valid & given.silent),
            ]
        with m.If(self.i.valid & self.i.ready & judged):
            m.d.sync += [due.eq(result.last), told.eq(result), unit.eq(Mux(result.last, 0, unit + 1))]
            with m.If((given.verdict == Verdict.THRESHOLD) | (given.verdict == Verdict.AT_MOST)):
                told_of = given.above ^ (given.verdict == Verdict.AT_MOST)
                m.d.sync += found.eq(Mux(first, 0, found) | told_of << unit[: VERDICT_BITS.bit_length() - 1])
            with m.Elif(first | (result.h > largest)):
                m.d.sync += [found.eq(unit), largest.eq(result.h)]
        return m
