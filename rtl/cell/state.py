"""Cell state and h of every unit, readable and writable by the host while the engine is idle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig


class UnitState(wiring.Component):
    """One value per unit and sequence with a core side and a bus side that share ports.

    Parameters
    ----------
    config : EngineConfig
    width : int
        Signed width of a value.

    Members
    -------
    r_place, value
        Core read; the value comes two cycles later.
    w_place, w_value, w_valid
        Core write.
    bus_place, bus_read, bus_write, bus_value
        Bus access; a read's value is at ``value`` two cycles later.
    """

    def __init__(self, config: EngineConfig, width: int):
        self._config, self._width = config, width
        super().__init__(
            {
                "r_place": In(config.state_bits),
                "value": Out(signed(width)),
                "w_place": In(config.state_bits),
                "w_value": In(signed(width)),
                "w_valid": In(1),
                "bus_place": In(config.state_bits),
                "bus_read": In(1),
                "bus_write": In(1),
                "bus_value": In(signed(width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        depth = config.units if config.sequences == 1 else config.sequences << config.unit_bits
        m.submodules.memory = memory = Ram(signed(self._width), depth)
        m.d.comb += [
            memory.r_addr.eq(Mux(self.bus_read, self.bus_place, self.r_place)),
            self.value.eq(memory.r_data),
            memory.w_addr.eq(Mux(self.bus_write, self.bus_place, self.w_place)),
            memory.w_data.eq(Mux(self.bus_write, self.bus_value, self.w_value)),
            memory.w_en.eq(self.bus_write | self.w_valid),
        ]
        return m
