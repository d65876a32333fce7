"""AXI4-Lite as a way to the registers (ARM IHI 0022, chapter B1)."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.wrappers.signatures import ENABLES, AccessSignature, Answer
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS

#: Bits of an address that tell the bytes of a word apart; they are not looked at.
BYTE_BITS = ENABLES.bit_length() - 1


class AxiLite(wiring.Component):
    """A slave that does one access at a time, in turn if writes and reads wait; all its outputs are registers.

    Members
    -------
    awaddr : In(ADDRESS_BITS + BYTE_BITS)
        Byte address of a write.
    awvalid : In(1)
        An address of a write waits.
    awready : Out(1)
        It is taken, with its data.
    wdata : In(DATA_BITS)
        What is written.
    wstrb : In(ENABLES)
        Bytes of it that are written.
    wvalid : In(1)
        Data wait.
    wready : Out(1)
        They are taken, with their address.
    bresp : Out(Answer)
        How the write went.
    bvalid : Out(1)
        It is over.
    bready : In(1)
        The master knows.
    araddr : In(ADDRESS_BITS + BYTE_BITS)
        Byte address of a read.
    arvalid : In(1)
        An address of a read waits.
    arready : Out(1)
        It is taken.
    rdata : Out(DATA_BITS)
        What was read.
    rresp : Out(Answer)
        How the read went.
    rvalid : Out(1)
        It is over.
    rready : In(1)
        The master has taken it.
    access : Out(AccessSignature)
        To the registers.
    """

    def __init__(self) -> None:
        address = ADDRESS_BITS + BYTE_BITS
        super().__init__(
            {
                "awaddr": In(address),
                "awvalid": In(1),
                "awready": Out(1),
                "wdata": In(DATA_BITS),
                "wstrb": In(ENABLES),
                "wvalid": In(1),
                "wready": Out(1),
                "bresp": Out(Answer),
                "bvalid": Out(1),
                "bready": In(1),
                "araddr": In(address),
                "arvalid": In(1),
                "arready": Out(1),
                "rdata": Out(DATA_BITS),
                "rresp": Out(Answer),
                "rvalid": Out(1),
                "rready": In(1),
                "access": Out(AccessSignature()),
            }
        )
        #: An access was taken and is not over; it began.
        self.active, self.begun = Signal(), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access = self.access
        answer, answered = Signal(Answer), Signal()
        takes = self.awready | self.arready
        m.d.comb += [
            self.bresp.eq(answer),
            self.rresp.eq(answer),
            answered.eq((self.bvalid & self.bready) | (self.rvalid & self.rready)),
            access.valid.eq(self.active & ~self.begun & ~takes),
        ]
        m.d.sync += [self.awready.eq(0), self.wready.eq(0), self.arready.eq(0)]
        with m.If(~self.active):
            # Whoever did not have the last turn comes first.
            with m.If(self.awvalid & self.wvalid & ~(self.arvalid & access.write)):
                m.d.sync += [self.awready.eq(1), self.wready.eq(1), access.write.eq(1), self.active.eq(1)]
            with m.Elif(self.arvalid):
                m.d.sync += [self.arready.eq(1), access.write.eq(0), self.active.eq(1)]
        with m.If(self.awready):
            m.d.sync += access.address.eq(self.awaddr[BYTE_BITS:])
        with m.Elif(self.arready):
            m.d.sync += access.address.eq(self.araddr[BYTE_BITS:])
        with m.If(self.wready):
            m.d.sync += [access.data.eq(self.wdata), access.enables.eq(self.wstrb)]
        with m.If(access.valid):
            m.d.sync += self.begun.eq(1)
        with m.If(access.done):
            m.d.sync += [
                answer.eq(access.answer),
                self.rdata.eq(access.r_data),
                self.bvalid.eq(access.write),
                self.rvalid.eq(~access.write),
            ]
        with m.If(answered):
            m.d.sync += [self.bvalid.eq(0), self.rvalid.eq(0), self.active.eq(0), self.begun.eq(0)]
        return m
