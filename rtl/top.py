"""Top level: the engine with flat ports, whose names stay as they are."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.engine import Engine
from lstmith.rtl.layouts import event_layout, read_fields
from lstmith.spec.codes import VERDICT_BITS
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS

NAME = "lstmith_core"
#: Ports of an engine with two sequences, beside the step, the result and the event that are of one.
SEQUENCES = {"x_sequence": "in", "h_sequence": "out", "event_sequence": "out"}

#: Ports of the register bus, of an engine that is not fixed.
BUS = {
    "bus_addr": ("in", ADDRESS_BITS),
    "bus_w_data": ("in", DATA_BITS),
    "bus_w_en": ("in", 1),
    "bus_r_en": ("in", 1),
    "bus_r_data": ("out", DATA_BITS),
}

SIGNED = {"x_value", "h_value", "h_cell"}


def port_widths(config: EngineConfig) -> dict[str, tuple[str, int]]:
    """Direction and width of every port beside ``clk`` and ``rst``, in order."""
    layer = bits_for(config.layers)
    return {
        "x_value": ("in", 16),
        "x_start": ("in", 1),
        "x_restart": ("in", 1),
        "x_mark": ("in", 1),
        "x_mask": ("in", bits_for(ACTIVE_COUNTS)),
        "x_valid": ("in", 1),
        "x_ready": ("out", 1),
        "h_value": ("out", 16),
        "h_cell": ("out", config.c_width),
        "h_layer": ("out", layer),
        "h_last": ("out", 1),
        "h_valid": ("out", 1),
        "h_ready": ("in", 1),
        **({} if config.fixed else BUS),
        "event_valid": ("out", 1),
        "event_layer": ("out", layer),
        **{f"event_{name}": ("out", event_layout(config)[name].width) for name in read_fields(config)},
        "event_restart": ("out", 1),
        "event_mask": ("out", bits_for(ACTIVE_COUNTS)),
        "outcome_valid": ("out", 1),
        "outcome_skipped": ("out", 1),
        "busy": ("out", 1),
        **({name: (direction, 1) for name, direction in SEQUENCES.items()} if config.sequences > 1 else {}),
        **({"x_program": ("in", config.program_bits)} if config.programs > 1 else {}),
        **({"verdict": ("out", VERDICT_BITS)} if config.verdicts else {}),
    }


class Top(wiring.Component):
    """Flat ports around :class:`Engine`; see :func:`port_widths`."""

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        self._config, self._image = config, image
        super().__init__(
            {
                name: (In if direction == "in" else Out)(signed(width) if name in SIGNED else width)
                for name, (direction, width) in port_widths(config).items()
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.engine = engine = Engine(self._config, self._image)
        m.d.comb += [
            engine.x.payload.value.eq(self.x_value),
            engine.x.payload.start.eq(self.x_start),
            engine.x.payload.restart.eq(self.x_restart),
            engine.x.payload.mark.eq(self.x_mark),
            engine.x.payload.mask.eq(self.x_mask),
            engine.x.valid.eq(self.x_valid),
            self.x_ready.eq(engine.x.ready),
            self.h_value.eq(engine.h.payload.h),
            self.h_cell.eq(engine.h.payload.c),
            self.h_layer.eq(engine.h.payload.layer),
            self.h_last.eq(engine.h.payload.last),
            self.h_valid.eq(engine.h.valid),
            engine.h.ready.eq(self.h_ready),
            self.event_valid.eq(engine.event_valid),
            self.event_layer.eq(engine.event.layer),
            *(getattr(self, f"event_{name}").eq(engine.event[name]) for name in read_fields(self._config)),
            self.event_restart.eq(engine.event.restart),
            self.event_mask.eq(engine.event.mask),
            self.outcome_valid.eq(engine.outcome_valid),
            self.outcome_skipped.eq(engine.outcome_skipped),
            self.busy.eq(engine.busy),
        ]
        if not self._config.fixed:
            m.d.comb += [
                engine.bus.addr.eq(self.bus_addr),
                engine.bus.w_data.eq(self.bus_w_data),
                engine.bus.w_en.eq(self.bus_w_en),
                engine.bus.r_en.eq(self.bus_r_en),
                self.bus_r_data.eq(engine.bus.r_data),
            ]
        if self._config.sequences > 1:
            m.d.comb += [
                engine.x.payload.sequence.eq(self.x_sequence),
                self.h_sequence.eq(engine.h.payload.sequence),
                self.event_sequence.eq(engine.event.sequence),
            ]
        if self._config.programs > 1:
            m.d.comb += engine.x.payload.program.eq(self.x_program)
        if self._config.verdicts:
            m.d.comb += self.verdict.eq(engine.verdict)
        return m
