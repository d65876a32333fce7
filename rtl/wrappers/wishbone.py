"""Wishbone B4 as a way to the registers, for classic and for pipelined masters."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.wrappers.signatures import ENABLES, AccessSignature, Answer
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS


class Wishbone(wiring.Component):
    """A slave that does one access at a time; all its outputs are registers.

    The access is taken in the cycle of its answer (Wishbone B4, 5.2.1), so that a master that waits for ``ack`` and one
    that waits for ``stall`` to fall see the same slave. An access that its master gives up is done, and not answered.

    Members
    -------
    cyc : In(1)
        A bus cycle is open.
    stb : In(1)
        The master asks for an access; while ``cyc``.
    we : In(1)
        It writes.
    adr : In(ADDRESS_BITS)
        Word address.
    dat_w : In(DATA_BITS)
        What is written.
    sel : In(ENABLES)
        Bytes of it that are written.
    dat_r : Out(DATA_BITS)
        What was read; with ``ack``.
    ack : Out(1)
        The access is done, for one cycle.
    err : Out(1)
        It is refused, for one cycle.
    stall : Out(1)
        Low with ``ack`` and ``err`` alone.
    access : Out(AccessSignature)
        To the registers.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "cyc": In(1),
                "stb": In(1),
                "we": In(1),
                "adr": In(ADDRESS_BITS),
                "dat_w": In(DATA_BITS),
                "sel": In(ENABLES),
                "dat_r": Out(DATA_BITS),
                "ack": Out(1),
                "err": Out(1),
                "stall": Out(1, init=1),
                "access": Out(AccessSignature()),
            }
        )
        #: An access was begun and is not over; its master still waits for it.
        self.active, self.awaited = Signal(), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access = self.access
        asks = self.cyc & self.stb
        m.d.sync += [self.ack.eq(0), self.err.eq(0), self.stall.eq(1), access.valid.eq(0)]
        with m.If(asks & ~self.active & self.stall):
            m.d.sync += [
                self.active.eq(1),
                self.awaited.eq(1),
                access.valid.eq(1),
                access.write.eq(self.we),
                access.address.eq(self.adr),
                access.data.eq(self.dat_w),
                access.enables.eq(self.sel),
            ]
        with m.If(self.active & ~asks):
            m.d.sync += self.awaited.eq(0)
        with m.If(access.done):
            answers, fine = self.awaited & asks, access.answer == Answer.OKAY
            m.d.sync += [
                self.active.eq(0),
                self.dat_r.eq(access.r_data),
                self.ack.eq(answers & fine),
                self.err.eq(answers & ~fine),
                self.stall.eq(~answers),
            ]
        return m
