"""A core with the top level of its bus: ports and Verilog."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.lib import wiring

from lstmith.rtl.top import NAME, Top, port_widths
from lstmith.rtl.verilog import VerilogText, convert
from lstmith.rtl.wrappers.axi_top import AxiTop, axi_ports
from lstmith.rtl.wrappers.wishbone_top import WishboneTop, wishbone_ports
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.register_map import Bus

TOPS: dict[Bus, Callable[[EngineConfig, MemoryImage | None], wiring.Component]] = {
    Bus.NATIVE: Top,
    Bus.AXI: AxiTop,
    Bus.WISHBONE: WishboneTop,
}


def core_ports(config: EngineConfig, bus: Bus = Bus.NATIVE) -> dict[str, tuple[str, int]]:
    """Direction and width of every port of a core in Verilog, clock and reset first."""
    if bus is Bus.AXI:
        return axi_ports(config)
    return (
        wishbone_ports(config) if bus is Bus.WISHBONE else {"clk": ("in", 1), "rst": ("in", 1), **port_widths(config)}
    )


def core_verilog(
    config: EngineConfig,
    image: MemoryImage | None = None,
    name: str = NAME,
    header: tuple[str, ...] = (),
    bus: Bus = Bus.NATIVE,
    *,
    platform: object = None,
) -> VerilogText:
    """The core as Verilog, and the names of its modules; the same input gives the same bytes.

    Parameters
    ----------
    config : EngineConfig
        Its family decides which vendor cells the text instantiates; see :func:`lstmith.rtl.cells.cell_models`.
    image : MemoryImage or None
        Initial contents of memories and registers.
    name : str
        Of the top module; all other modules' names begin with it.
    header : tuple of str
        Comment lines at the beginning.
    bus : Bus
        Which top level.
    platform : object
        See :func:`lstmith.rtl.verilog.convert`.
    """
    return convert(TOPS[bus](config, image), name, header, platform)


def to_verilog(config: EngineConfig, image: MemoryImage | None = None, bus: Bus = Bus.NATIVE) -> str:
    """The text of :func:`core_verilog` alone."""
    return core_verilog(config, image, bus=bus).text
