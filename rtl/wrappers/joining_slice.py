"""A stream with registers in both directions that another one may take the place of."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class JoiningSlice(wiring.Component):
    """As :class:`.RegisterSlice`, but while ``joins`` its elements come from ``j``, one at a time.

    What either side does not bring is zero, so that a bit of the output takes both with one look-up table.

    Parameters
    ----------
    shape : shape-like
        One element.

    Members
    -------
    joins : In(1)
        Elements come from ``j``. It changes only while nothing is inside.
    i : In(stream of shape)
        ``ready`` is a register; it falls the cycle after ``joins`` has risen.
    j : In(stream of shape)
        Valid only while ``joins``; not ready while an element is inside.
    o : Out(stream of shape)
        ``valid`` and ``payload`` are registers; an element comes the cycle after it was taken, one of ``j`` two after.
    """

    def __init__(self, shape: ShapeLike):
        super().__init__(
            {
                "joins": In(1),
                "i": In(stream.Signature(shape)),
                "j": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
            }
        )
        #: What came while the output waited, and whether there is such an element.
        self.spare, self.spare_valid = Signal(shape), Signal()
        #: What came from ``j``, for a cycle.
        self.joined, self.joined_valid = Signal(shape), Signal()
        #: ``joins``, a cycle later.
        self.joining = Signal()

    @property
    def latency(self) -> int:
        """Cycles from an element of ``i`` that is taken to the output."""
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ready = Signal(init=1)
        arrives = self.i.valid & ready
        element = Mux(ready, Value.cast(self.i.payload), Value.cast(self.spare)) | Value.cast(self.joined)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [
                self.o.valid.eq(arrives | self.spare_valid | self.joined_valid),
                Value.cast(self.o.payload).eq(element),
                self.spare_valid.eq(0),
                ready.eq(~self.joins),
            ]
        with m.Elif(arrives):
            m.d.sync += [self.spare_valid.eq(1), ready.eq(0)]
        with m.Elif(~self.spare_valid):
            m.d.sync += ready.eq(~self.joins)
        # Not ``ready``: the output's multiplexer would be this one too, and cost a look-up table of its own per bit.
        with m.If(arrives):
            m.d.sync += self.spare.eq(self.i.payload)
        # By then nothing comes from ``i`` any more.
        with m.If(self.joining & ~self.spare_valid):
            m.d.sync += self.spare.eq(0)
        m.d.comb += [
            self.i.ready.eq(ready),
            self.j.ready.eq(self.joining & ~self.o.valid & ~self.joined_valid),
        ]
        m.d.sync += [self.joining.eq(self.joins), self.joined_valid.eq(self.j.valid & self.j.ready)]
        with m.If(self.j.valid & self.j.ready):
            m.d.sync += self.joined.eq(self.j.payload)
        with m.Else():
            m.d.sync += self.joined.eq(0)
        return m
