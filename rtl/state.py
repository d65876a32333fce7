"""Cell state and h of every unit, readable and writable by the host while the engine is idle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig

from .ram import Ram


class UnitState(wiring.Component):
    """One value per unit with a core side and a bus side that share ports.

    Parameters
    ----------
    config : EngineConfig
    width : int
        Signed width of a value.

    Members
    -------
    r_unit, value
        Core read; the value comes two cycles later.
    w_unit, w_value, w_valid
        Core write.
    bus_unit, bus_read, bus_write, bus_value
        Bus access; a read's value is at ``value`` two cycles later.
    """

    def __init__(self, config: EngineConfig, width: int):
        self._config, self._width = config, width
        super().__init__(
            {
                "r_unit": In(config.unit_bits),
                "value": Out(signed(width)),
                "w_unit": In(config.unit_bits),
                "w_value": In(signed(width)),
                "w_valid": In(1),
                "bus_unit": In(config.unit_bits),
                "bus_read": In(1),
                "bus_write": In(1),
                "bus_value": In(signed(width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Ram(signed(self._width), self._config.units)
        m.d.comb += [
            memory.r_addr.eq(Mux(self.bus_read, self.bus_unit, self.r_unit)),
            self.value.eq(memory.r_data),
            memory.w_addr.eq(Mux(self.bus_write, self.bus_unit, self.w_unit)),
            memory.w_data.eq(Mux(self.bus_write, self.bus_value, self.w_value)),
            memory.w_en.eq(self.bus_write | self.w_valid),
        ]
        return m
