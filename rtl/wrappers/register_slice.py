"""A stream with registers in both directions."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class RegisterSlice(wiring.Component):
    """Two places: no path leads through it, and it takes and gives an element in every cycle.

    Parameters
    ----------
    shape : shape-like
        One element.

    Members
    -------
    i : In(stream of shape)
        ``ready`` is a register.
    o : Out(stream of shape)
        ``valid`` and ``payload`` are registers; an element comes the cycle after it was taken.
    """

    def __init__(self, shape: ShapeLike):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})
        #: What came while the output waited, and whether there is such an element.
        self.spare, self.spare_valid = Signal(shape), Signal()

    @property
    def latency(self) -> int:
        """Cycles from an element that is taken to the output."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        free = Signal(init=1)
        m.d.comb += [self.i.ready.eq(free), self.spare_valid.eq(~free)]
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | ~free),
                self.o.payload.eq(Mux(free, self.i.payload, self.spare)),
                free.eq(1),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += free.eq(0)
        with m.If(free):
            m.d.sync += self.spare.eq(self.i.payload)
        return m
