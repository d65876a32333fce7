"""Top level with a Wishbone B4 slave for registers and memories, and the native streams."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from lstmith.rtl.engine import Engine
from lstmith.rtl.layouts import read_fields
from lstmith.rtl.top import SIGNED, port_widths
from lstmith.rtl.wrappers.front_registers import FrontRegisters
from lstmith.rtl.wrappers.register_slice import RegisterSlice
from lstmith.rtl.wrappers.signatures import element_layout
from lstmith.rtl.wrappers.wishbone import Wishbone
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import core_map
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.register_map import Bus
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS

#: Ports of the slave by its members: name, direction and width.
SLAVE: dict[str, tuple[str, str, int]] = {
    "cyc": ("wb_cyc_i", "in", 1),
    "stb": ("wb_stb_i", "in", 1),
    "we": ("wb_we_i", "in", 1),
    "adr": ("wb_adr_i", "in", ADDRESS_BITS),
    "dat_w": ("wb_dat_i", "in", DATA_BITS),
    "sel": ("wb_sel_i", "in", DATA_BITS // 8),
    "dat_r": ("wb_dat_o", "out", DATA_BITS),
    "ack": ("wb_ack_o", "out", 1),
    "err": ("wb_err_o", "out", 1),
    "stall": ("wb_stall_o", "out", 1),
}


def wishbone_ports(config: EngineConfig) -> dict[str, tuple[str, int]]:
    """Direction and width of every port, in order: clock and reset, the slave, then the native ones but their bus."""
    native = {name: port for name, port in port_widths(config).items() if not name.startswith("bus_")}
    slave = {name: (way, width) for name, way, width in SLAVE.values()}
    return {"wb_clk_i": ("in", 1), "wb_rst_i": ("in", 1), **slave, **native, "irq": ("out", 1)}


class WishboneTop(wiring.Component):
    """An engine with the ports of :func:`wishbone_ports`; the slave has registers at its boundary.

    Parameters
    ----------
    config : EngineConfig
    image : MemoryImage or None
        Initial contents of memories and registers.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        self._config, self._image = config, image
        super().__init__(
            {
                name: (In if way == "in" else Out)(signed(width) if name in SIGNED else width)
                for name, (way, width) in wishbone_ports(config).items()
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.domains.sync = domain = ClockDomain("sync")
        domain.clk, domain.rst = self.wb_clk_i, self.wb_rst_i
        m.submodules.engine = engine = Engine(config, self._image)
        m.submodules.registers = registers = FrontRegisters(core_map(config, Bus.WISHBONE))
        m.submodules.wishbone = wishbone = Wishbone()
        connect(m, wishbone.access, registers.access)
        connect(m, registers.bus, engine.bus)
        for member, (name, way, _) in SLAVE.items():
            inner, outer = getattr(wishbone, member), getattr(self, name)
            m.d.comb += inner.eq(outer) if way == "in" else outer.eq(inner)
        sent, waiting = self._written(m, registers)
        # A sequence has no end on the native streams: all that was sent is done once nothing is left.
        settled, before = Signal(), Signal(init=1)
        m.d.sync += before.eq(settled)
        m.d.comb += [
            settled.eq(~engine.busy & ~engine.h.valid & ~waiting),
            registers.busy.eq(engine.busy),
            registers.settled.eq(settled),
            registers.done.eq(settled & ~before),
            *([registers.absent.eq(engine.refused)] if config.programs > 1 else []),
            self.irq.eq(registers.irq),
            self.event_valid.eq(engine.event_valid),
            *(getattr(self, f"event_{name}").eq(engine.event[name]) for name in self._event_fields()),
            self.outcome_valid.eq(engine.outcome_valid),
            self.outcome_skipped.eq(engine.outcome_skipped),
            self.busy.eq(engine.busy),
        ]
        self._elaborate_streams(m, engine, registers, sent)
        return m

    def _written(self, m: Module, registers: FrontRegisters) -> tuple[Any, Value]:
        """The stream of elements that are written to X, and whether one of them waits to be taken.

        An engine of several programs looks at an element before it takes it, so that the element has to wait.
        """
        if self._config.programs == 1:
            return registers.x, Const(0)
        m.submodules.x = x = RegisterSlice(element_layout(self._config))
        connect(m, registers.x, x.i)
        return x.o, x.o.valid

    def _event_fields(self) -> list[str]:
        sequences = ["sequence"] if self._config.sequences > 1 else []
        return ["layer", *read_fields(self._config), "restart", "mask", *sequences]

    def _elaborate_streams(self, m: Module, engine: Engine, registers: FrontRegisters, sent: Any) -> None:
        """x and h at their ports, or at the registers X and H."""
        sequences = ["sequence"] if self._config.sequences > 1 else []
        programs = ["program"] if self._config.programs > 1 else []
        result, beat = engine.h.payload, registers.h.payload
        m.d.comb += [
            sent.ready.eq(engine.x.ready),
            registers.h.valid.eq(engine.h.valid),
            beat.value.eq(result.h),
            self.h_value.eq(result.h),
            self.h_cell.eq(result.c),
            *(beat[name].eq(result[name]) for name in ("layer", "last", *sequences)),
            *(getattr(self, f"h_{name}").eq(result[name]) for name in ("layer", "last", *sequences)),
        ]
        fields = ("value", "start", "restart", "mark", "mask", *sequences, *programs)
        with m.If(registers.registers):
            m.d.comb += [
                engine.x.valid.eq(sent.valid),
                *(engine.x.payload[name].eq(sent.payload[name]) for name in fields),
                engine.h.ready.eq(registers.h.ready),
            ]
        with m.Else():
            m.d.comb += [
                engine.x.valid.eq(self.x_valid),
                *(engine.x.payload[name].eq(getattr(self, f"x_{name}")) for name in fields),
                self.x_ready.eq(engine.x.ready),
                self.h_valid.eq(engine.h.valid),
                engine.h.ready.eq(self.h_ready),
            ]
