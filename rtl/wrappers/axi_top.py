"""Top level with AXI4-Stream for x and h, and AXI4-Lite for registers and memories."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from lstmith.rtl.engine import Engine
from lstmith.rtl.fields import set_program
from lstmith.rtl.layouts import sequence_of, set_sequence
from lstmith.rtl.wrappers.axi_lite import AxiLite
from lstmith.rtl.wrappers.front_registers import FrontRegisters
from lstmith.rtl.wrappers.joining_slice import JoiningSlice
from lstmith.rtl.wrappers.register_slice import RegisterSlice
from lstmith.rtl.wrappers.sequence_tracker import SequenceTracker
from lstmith.rtl.wrappers.signatures import beat_layout, element_layout
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import core_map
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.register_map import Bus, Field
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS
from lstmith.spec.streams import H_USER, H_USER_BITS, X_USER, X_USER_BITS

_ADDRESS = ADDRESS_BITS + (DATA_BITS // 8).bit_length() - 1
#: Ports of every core in order: direction and width.
_PORTS: dict[str, tuple[str, int]] = {
    "aclk": ("in", 1),
    "aresetn": ("in", 1),
    "s_axis_x_tdata": ("in", 16),
    "s_axis_x_tuser": ("in", X_USER_BITS),
    "s_axis_x_tlast": ("in", 1),
    "s_axis_x_tvalid": ("in", 1),
    "s_axis_x_tready": ("out", 1),
    "m_axis_h_tdata": ("out", 16),
    "m_axis_h_tuser": ("out", H_USER_BITS),
    "m_axis_h_tlast": ("out", 1),
    "m_axis_h_tvalid": ("out", 1),
    "m_axis_h_tready": ("in", 1),
    "s_axil_awaddr": ("in", _ADDRESS),
    "s_axil_awprot": ("in", 3),
    "s_axil_awvalid": ("in", 1),
    "s_axil_awready": ("out", 1),
    "s_axil_wdata": ("in", DATA_BITS),
    "s_axil_wstrb": ("in", DATA_BITS // 8),
    "s_axil_wvalid": ("in", 1),
    "s_axil_wready": ("out", 1),
    "s_axil_bresp": ("out", 2),
    "s_axil_bvalid": ("out", 1),
    "s_axil_bready": ("in", 1),
    "s_axil_araddr": ("in", _ADDRESS),
    "s_axil_arprot": ("in", 3),
    "s_axil_arvalid": ("in", 1),
    "s_axil_arready": ("out", 1),
    "s_axil_rdata": ("out", DATA_BITS),
    "s_axil_rresp": ("out", 2),
    "s_axil_rvalid": ("out", 1),
    "s_axil_rready": ("in", 1),
    "irq": ("out", 1),
}


def axi_ports(config: EngineConfig) -> dict[str, tuple[str, int]]:
    """Direction and width of every port, in order; with several programs TDEST of x names one."""
    return {**_PORTS, **({"s_axis_x_tdest": ("in", config.program_bits)} if config.programs > 1 else {})}


class AxiTop(wiring.Component):
    """An engine with the ports of :func:`axi_ports`; both streams and the registers have registers at their boundary.

    Parameters
    ----------
    config : EngineConfig
    image : MemoryImage or None
        Initial contents of memories and registers.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        self._config, self._image = config, image
        super().__init__(
            {name: (In if way == "in" else Out)(width) for name, (way, width) in axi_ports(config).items()}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        # The domain has the clock's own name, so that no assignment stands between the two.
        m.domains.sync = domain = ClockDomain("sync")
        domain.clk = self.aclk
        m.d.comb += domain.rst.eq(~self.aresetn)
        m.submodules.engine = engine = Engine(config, self._image)
        m.submodules.tracker = tracker = SequenceTracker(config)
        m.submodules.registers = registers = FrontRegisters(core_map(config, Bus.AXI))
        m.submodules.axil = axil = AxiLite()
        m.submodules.x = x = JoiningSlice(element_layout(config))
        m.submodules.h = h = RegisterSlice(beat_layout(config))
        connect(m, axil.access, registers.access)
        connect(m, registers.bus, engine.bus)
        connect(m, x.o, tracker.i)
        connect(m, tracker.x, engine.x)
        connect(m, engine.h, tracker.h)
        connect(m, tracker.o, h.i)
        for name in axil.signature.members:
            if name != "access":
                inner, outer = getattr(axil, name), getattr(self, f"s_axil_{name}")
                m.d.comb += inner.eq(outer) if _PORTS[f"s_axil_{name}"][0] == "in" else outer.eq(inner)
        m.d.comb += [
            tracker.x_last.eq(engine.x_last),
            tracker.outcome_valid.eq(engine.outcome_valid),
            tracker.outcome_skipped.eq(engine.outcome_skipped),
            registers.busy.eq(engine.busy),
            registers.settled.eq(~engine.busy & tracker.empty & ~x.o.valid & ~h.o.valid),
            registers.done.eq(h.o.valid & h.o.ready & h.o.payload.end),
            registers.short.eq(tracker.short),
            *([registers.absent.eq(engine.refused)] if config.programs > 1 else []),
            self.irq.eq(registers.irq),
        ]
        self._elaborate_x(m, x, registers)
        self._elaborate_h(m, h, registers)
        return m

    def _elaborate_x(self, m: Module, x: JoiningSlice, registers: FrontRegisters) -> None:
        """Elements from the port or from the register X."""
        user = {field.name: _bits(self.s_axis_x_tuser, field) for field in X_USER}
        connect(m, registers.x, x.j)
        m.d.comb += [
            x.joins.eq(registers.registers),
            x.i.valid.eq(self.s_axis_x_tvalid),
            self.s_axis_x_tready.eq(x.i.ready),
            x.i.payload.value.eq(self.s_axis_x_tdata),
            x.i.payload.last.eq(self.s_axis_x_tlast),
            *(x.i.payload[name].eq(user[name]) for name in ("keep", "restart", "mark", "mask")),
            *set_sequence(x.i.payload, user["sequence"]),
            *(set_program(x.i.payload, self.s_axis_x_tdest) if self._config.programs > 1 else []),
        ]

    def _elaborate_h(self, m: Module, h: RegisterSlice, registers: FrontRegisters) -> None:
        """Results to the port or to the register H."""
        beat = h.o.payload
        user = {field.name: _bits(self.m_axis_h_tuser, field) for field in H_USER}
        m.d.comb += [
            registers.h.valid.eq(h.o.valid),
            registers.h.payload.eq(beat),
            self.m_axis_h_tdata.eq(beat.value),
            self.m_axis_h_tlast.eq(beat.end),
            *(user[name].eq(beat[name]) for name in ("last", "skipped", "layer")),
            user["sequence"].eq(sequence_of(beat)),
        ]
        with m.If(registers.registers):
            m.d.comb += h.o.ready.eq(registers.h.ready)
        with m.Else():
            m.d.comb += [self.m_axis_h_tvalid.eq(h.o.valid), h.o.ready.eq(self.m_axis_h_tready)]


def _bits(word: Signal, field: Field) -> Value:
    return word[field.bit : field.bit + field.width]
