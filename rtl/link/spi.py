"""SPI peripheral: bytes of a microcontroller, mode 0, most significant bit first."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

#: Fewest cycles of the clock per cycle of SCK. A level lasts two or more; a bit is out four cycles after the edge that
#: ends the one before, and the rest is for pads, wires and the controller.
CYCLES_MIN = 6
_BITS = 8


class SpiPeripheral(wiring.Component):
    """Samples SCK with the core's own clock: every bit at a rising edge, and the next one goes out behind that edge.

    A byte counts once all its bits have passed while selected; then the controller knows it too. Bits of a byte that
    is broken off are forgotten, and its answer comes again: nothing is lost or repeated. What is sent when no byte
    waits is 0.

    Members
    -------
    select : In(1)
        The controller means this device, asynchronous; ``CYCLES_MIN`` cycles before its first edge.
    sck : In(1)
        The controller's clock, asynchronous; low when idle, at most one ``CYCLES_MIN``-th of the core's.
    copi : In(1)
        Bits from the controller, asynchronous; steady about a rising edge.
    cipo : Out(1)
        Bits to the controller: ``latency`` cycles behind a rising edge, and up to two for its way in.
    data : Out(8)
        A byte; valid with ``valid``.
    valid : Out(1)
        There is a byte, for one cycle.
    i : In(stream of 8 bits)
        Bytes; one may appear two cycles after ``valid`` rises, and three cycles after another was taken.
    waiting : Out(1)
        A byte waits for the controller to fetch it; valid always.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "select": In(1),
                "sck": In(1),
                "copi": In(1),
                "cipo": Out(1),
                "data": Out(8),
                "valid": Out(1),
                "i": In(stream.Signature(8)),
                "waiting": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from seeing an edge to the next bit at ``cipo``: its place in the byte, and a register at the pin."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        selected, level, bit, before = Signal(), Signal(), Signal(), Signal()
        m.submodules.select = FFSynchronizer(self.select, selected)
        m.submodules.sck = FFSynchronizer(self.sck, level)
        m.submodules.copi = FFSynchronizer(self.copi, bit)
        m.d.sync += before.eq(level)

        place, rises, ends = Signal(range(_BITS)), Signal(), Signal()
        m.d.comb += [rises.eq(selected & level & ~before), ends.eq(rises & (place == _BITS - 1))]
        m.d.sync += self.valid.eq(ends)
        with m.If(~selected):
            m.d.sync += place.eq(0)
        with m.Elif(rises):
            m.d.sync += [place.eq(place + 1), self.data.eq(Cat(bit, self.data[:-1]))]

        # A byte is taken when the one before has passed, so that it stays here until it has passed itself.
        byte, kept, takes, there = Signal(8), Signal(), Signal(), Signal()
        offered, settled = Signal(), Signal()
        m.d.comb += [
            takes.eq(ends | ~(selected | kept)),
            there.eq(self.i.valid & settled),
            self.i.ready.eq(takes & settled),
            self.waiting.eq(kept | self.i.valid),
        ]
        waits = self.i.valid & ~self.i.ready
        m.d.sync += [offered.eq(waits), settled.eq(waits & offered)]
        with m.If(takes):
            m.d.sync += [byte.eq(Mux(there, self.i.payload, Const(0, 8))), kept.eq(there)]
        m.d.sync += self.cipo.eq(byte.bit_select(~place, 1))
        return m
