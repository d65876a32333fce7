"""Squash: any function of a pre-activation."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.cell.activation import GATE_BITS, Activation
from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.arith import delayed_long, saturated
from lstmith.spec.codes import Squash
from lstmith.spec.config import Z_BITS, EngineConfig


def gate_bits(config: EngineConfig) -> int:
    """Width of a gate value: Q1.15, or where pre-activations may go through theirs."""
    return Z_BITS if config.mixed else GATE_BITS


class SquashUnit(wiring.Component):
    """sigma or tanh of a Q5.12 argument, or the argument itself, or what of it is not negative; one per cycle.

    See ``golden.cell.squashed``.

    Parameters
    ----------
    family : str
        One of ``FAMILIES``.
    multiplies : bool
        See :class:`.activation.Activation`.
    width : int
        Signed width of ``y``, 16 to ``Z_BITS``: an argument that goes through is saturated to it.

    Members
    -------
    z : In(signed(Z_BITS))
        Argument, Q5.12; a new one every cycle.
    squash : In(Squash)
        The function; beside ``z``.
    y : Out(signed(width))
        Sigma or tanh in Q1.15, or the argument, ``latency`` cycles after ``z``.

    Raises
    ------
    ValueError
        If there is no such family, or the width is out of range.
    """

    def __init__(self, *, family: str = "generic", multiplies: bool = False, width: int = Z_BITS):
        self._family = check.family("Squash", family)
        self._width = check.integer("Squash width", width, GATE_BITS, Z_BITS)
        self._table = Activation(family=family, multiplies=multiplies)
        super().__init__({"z": In(signed(Z_BITS)), "squash": In(Squash), "y": Out(signed(width))})

    @property
    def latency(self) -> int:
        """Cycles from ``z`` to ``y``."""
        return self._table.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.table = table = self._table
        m.d.comb += [table.z.eq(self.z), table.is_tanh.eq(self.squash == Squash.TANH)]
        through = Signal(signed(self._width))
        reads = (self.squash == Squash.SIGMOID) | (self.squash == Squash.TANH)
        with m.If((self.squash == Squash.LINEAR) | ((self.squash == Squash.RELU) & (self.z >= 0))):
            m.d.comb += through.eq(saturated(m, self.z, self._width, "through_limited"))
        late = delayed_long(m, Cat(through, reads), self.latency, "through", self._family)
        m.d.comb += self.y.eq(Mux(late[-1], table.y, late[:-1].as_signed()))
        return m
