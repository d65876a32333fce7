"""A core behind three pins, so that nothing of it can be optimised away and any package has room: for benches."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal

from lstmith.rtl.top import Top, port_widths
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage


class PinRing(Elaboratable):
    """Shifts every input of the core in and every output out.

    Parameters
    ----------
    config : EngineConfig
    image : MemoryImage or None
        What its memories hold from the start, and what a fixed engine is made of.

    Attributes
    ----------
    serial_in, load, serial_out : Signal
        Its pins, beside clock and reset: next input bit, take the outputs and the bits so far as inputs, next output
        bit.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        self._config, self._image = config, image
        self.serial_in, self.load, self.serial_out = Signal(), Signal(), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.core = core = Top(self._config, self._image)
        ports = port_widths(self._config)
        inputs, outputs = (
            Cat(getattr(core, name) for name, (direction, _) in ports.items() if direction == wanted)
            for wanted in ("in", "out")
        )
        coming, driven = Signal(len(inputs), reset_less=True), Signal(len(inputs), reset_less=True)
        seen, leaving = Signal(len(outputs), reset_less=True), Signal(len(outputs), reset_less=True)
        m.d.comb += inputs.eq(driven)
        # Were the inputs the shift register itself, a register of the core behind one of them would equal the next
        # one: synthesis would take one for both, and it could stand beside neither.
        with m.If(self.load):
            m.d.sync += driven.eq(coming)
        m.d.sync += [
            coming.eq(Cat(self.serial_in, coming)),
            seen.eq(outputs),
            leaving.eq(Mux(self.load, seen, Cat(Const(0, 1), leaving))),
            self.serial_out.eq(leaving[-1]),
        ]
        return m
