"""A link without an engine: what it would do to one is seen at ports. For tests of the link alone."""

from __future__ import annotations

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.link.link import Link
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.verilog import convert
from lstmith.spec.link_identity import Identity
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS, READ_LATENCY

NAME = "lstmith_probe"
#: A read answers with its address and this.
READ_PATTERN = 0x5A000000


class LinkProbe(wiring.Component):
    """A link whose engine takes all input at once, skips every marked step and never has a result.

    Parameters
    ----------
    identity : Identity

    Members
    -------
    rx, tx, tick, busy
        See :class:`~lstmith.rtl.link.link.Link`.
    block
        The engine is busy and takes no input.
    w_en, w_addr, w_data
        A write of the bus.
    x_en, x_value, x_flags
        A transfer of the input stream; flags are start, restart, mark, mask from bit 0 on.
    reset
        The engine would be reset.
    """

    def __init__(self, identity: Identity):
        self._identity = identity
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "tick": In(1),
                "block": In(1),
                "busy": Out(1),
                "w_en": Out(1),
                "w_addr": Out(ADDRESS_BITS),
                "w_data": Out(DATA_BITS),
                "x_en": Out(1),
                "x_value": Out(16),
                "x_flags": Out(6),
                "reset": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = Link(self._identity)
        x = link.x.payload
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            link.ready.eq(1),
            link.tick.eq(self.tick),
            self.busy.eq(link.busy),
            self.w_en.eq(link.bus.w_en),
            self.w_addr.eq(link.bus.addr),
            self.w_data.eq(link.bus.w_data),
            link.bus.r_data.eq(delayed(m, link.bus.addr | READ_PATTERN, READ_LATENCY, "read")),
            link.x.ready.eq(~self.block),
            link.engine_busy.eq(self.block),
            self.x_en.eq(link.x.valid & link.x.ready),
            self.x_value.eq(x.value),
            self.x_flags.eq(Cat(x.start, x.restart, x.mark, x.mask)),
            link.outcome_skipped.eq(1),
            self.reset.eq(link.engine_reset),
        ]
        # As an engine's, a cycle later.
        m.d.sync += link.outcome_valid.eq(self.x_en & x.mark)
        return m


def probe_verilog(identity: Identity) -> str:
    """The probe as Verilog: module ``lstmith_probe``."""
    return convert(LinkProbe(identity), NAME).text
