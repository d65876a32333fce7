"""Cell state or h of every unit, which the host reads and writes while the engine is idle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import state_bits
from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.ram import BLOCK, RAM_LATENCY, Ram
from lstmith.spec.config import bits_for


class StateMemory(wiring.Component):
    """One value per unit and sequence, with a core side and a host side that share the memory's ports.

    The host's accesses go first; it makes them only while the core makes none.

    Parameters
    ----------
    units : int
        Units of all layers together.
    sequences : int
        Sequences that may be in flight at once, 1 or 2.
    width : int
        Signed width of a value.
    block : bool
        Whether it is a block memory, however few units there are.

    Members
    -------
    r_place : In(state_bits)
        Place that the core reads; every cycle.
    value : Out(signed(width))
        The value at the place read ``latency`` cycles ago, by the host if ``bus_read`` was set then; undefined if that
        cycle also wrote the place.
    w_place : In(state_bits)
        Place that the core writes; valid with ``w_valid``.
    w_value : In(signed(width))
        Value that the core writes; valid with ``w_valid``.
    w_valid : In(1)
        The core writes at the end of this cycle, unless the host does.
    bus_place : In(state_bits)
        The host's place; valid with ``bus_read`` or ``bus_write``.
    bus_read : In(1)
        The host reads in the core's place.
    bus_write : In(1)
        The host writes at the end of this cycle, in the core's place.
    bus_value : In(signed(width))
        Value that the host writes; valid with ``bus_write``.

    Raises
    ------
    TypeError
        If a parameter is no integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, *, units: int, sequences: int, width: int, block: bool = False):
        self._units = check.integer("State memory units", units, 1)
        self._sequences = check.integer("State memory sequences", sequences, 1, 2)
        self._width = check.integer("State memory width", width, 1)
        self._attrs = BLOCK if block else None
        place = state_bits(units=units, sequences=sequences)
        super().__init__(
            {
                "r_place": In(place),
                "value": Out(signed(width)),
                "w_place": In(place),
                "w_value": In(signed(width)),
                "w_valid": In(1),
                "bus_place": In(place),
                "bus_read": In(1),
                "bus_write": In(1),
                "bus_value": In(signed(width)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a place to its value."""
        return RAM_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self._units if self._sequences == 1 else self._sequences << bits_for(self._units)
        m.submodules.memory = memory = Ram(signed(self._width), depth, attrs=self._attrs)
        m.d.comb += [
            memory.r_addr.eq(Mux(self.bus_read, self.bus_place, self.r_place)),
            self.value.eq(memory.r_data),
            memory.w_addr.eq(Mux(self.bus_write, self.bus_place, self.w_place)),
            memory.w_data.eq(Mux(self.bus_write, self.bus_value, self.w_value)),
            memory.w_en.eq(self.bus_write | self.w_valid),
        ]
        return m
