"""Settings of a fixed engine: in the place of control, without a bus."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from lstmith.rtl.host_interfaces import InputSettingsSignature
from lstmith.rtl.layouts import field_layout
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.registers import Register


class FixedSettings(wiring.Component):
    """What control's registers would hold, as constants.

    Parameters
    ----------
    config : EngineConfig
    image : MemoryImage
        Its registers are the constants.

    Members
    -------
    settings : Out(InputSettingsSignature)
        Of the input.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage):
        self._symbols, self._registers = config.symbols > 0, image.registers
        super().__init__({"settings": Out(InputSettingsSignature(config))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        settings, grid = self.settings, self._fields(Register.X_GRID)
        m.d.comb += [
            settings.inputs.eq(self._fields(Register.X_INPUTS)["inputs"]),
            *(settings.grid[name].eq(grid[name]) for name in ("shift", "exponent", "unsigned", "mode")),
            *([settings.symbols.eq(grid["symbols"])] if self._symbols else []),
            settings.grid.theta.eq(self._fields(Register.X_THETA)["theta"]),
        ]
        return m

    def _fields(self, register: Register) -> dict[str, int]:
        layout = field_layout(register)
        word = layout.from_bits(self._registers[register])
        return {name: int(word[name]) for name, _ in layout}
