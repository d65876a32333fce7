"""The pins of a link: a serial port, or SPI."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Member, Out

from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import Feature


def front_pins(identity: Identity) -> dict[str, Member]:
    """Members of whatever holds a link: those of the serial port, or with ``Feature.SPI`` those of SPI.

    Members
    -------
    rx : In(1)
        Serial line from the host, asynchronous; high when idle.
    tx : Out(1)
        Serial line to the host; high when idle.
    spi_select : In(1)
        See :class:`~lstmith.rtl.link.spi.SpiPeripheral`, as for the following three.
    spi_sck : In(1)
        Clock.
    spi_copi : In(1)
        Bits from the controller.
    spi_cipo : Out(1)
        Bits to the controller; whoever owns the pin drives it while selected.
    spi_ready : Out(1)
        A byte of an answer waits; valid always.
    spi_irq : Out(1)
        Results wait that the controller has not released, and no request or step is on its way; valid always.
    """
    if identity.features & Feature.SPI:
        return {
            "spi_select": In(1),
            "spi_sck": In(1),
            "spi_copi": In(1),
            "spi_cipo": Out(1),
            "spi_ready": Out(1),
            "spi_irq": Out(1),
        }
    return {"rx": In(1, init=1), "tx": Out(1, init=1)}


def forward_pins(m: Module, identity: Identity, inner: object, outer: object) -> None:
    """Connect the pins of what holds a link to those of what is around it."""
    for name, member in front_pins(identity).items():
        inside, outside = getattr(inner, name), getattr(outer, name)
        m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
