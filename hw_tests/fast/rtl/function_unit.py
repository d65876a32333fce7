"""A function of the hardware description as a unit that a check can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from amaranth.hdl import Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class FunctionUnit(wiring.Component):
    """Inputs by name, and the value that a function makes of them.

    Parameters
    ----------
    inputs : dict of str to Shape
    output : Shape
    build : callable
        Given the module and the inputs by name, returns the output's value.
    """

    def __init__(
        self, inputs: Mapping[str, Shape | int], output: Shape | int, build: Callable[[Module, dict[str, Value]], Value]
    ):
        self._inputs, self._build = tuple(inputs), build
        super().__init__({**{name: In(shape) for name, shape in inputs.items()}, "o": Out(output)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A simulation needs a clock, the function perhaps none.
        m.d.sync += Signal(name="clocked").eq(1)
        m.d.comb += self.o.eq(self._build(m, {name: getattr(self, name) for name in self._inputs}))
        return m
