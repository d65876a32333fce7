"""MAC of kind `dual`, which is `dsp` on iCE40 with narrow operands: both 8-bit rows share one multiplier."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring

from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.rtl.array.mac.sums import Term, add_terms
from lstmith.spec.config import DUAL_OPERAND_BITS

#: Bits of an operand's magnitude, and with its sign: the difference of two 8-bit values.
MAGNITUDE_BITS, OPERAND_BITS = DUAL_OPERAND_BITS - 1, DUAL_OPERAND_BITS


def dual_operand(operand: Value) -> Value:
    """An operand as this MAC takes it: the magnitude, and the sign above it.

    The lowest value, -256, never occurs, since no two 8-bit values differ by as much.
    """
    return Cat(Mux(operand[-1], -operand, operand)[:MAGNITUDE_BITS], operand[-1])


class DualMac(wiring.Component):
    """An SB_MAC16 as two 8 x 8 multipliers: signed weights, the operand's magnitude, and its sign at the adders behind.

    It takes one weight word per cycle. The cell's own registers hold both factors and the products.

    Parameters
    ----------
    mac : MacParameters
        Of kind ``dual``.

    Members
    -------
    See :func:`.signature.mac_signature`; ``operand`` is that of :func:`dual_operand`.
    """

    def __init__(self, mac: MacParameters):
        self._mac = mac
        super().__init__(mac_signature(mac))

    @property
    def latency(self) -> int:
        """Cycles from a word to its products, which are added in that cycle."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        magnitude, sign = self.operand[:MAGNITUDE_BITS], Signal(reset_less=True)
        # The adders behind the multipliers look at it a cycle after the factors are taken.
        m.d.sync += sign.eq(self.operand[-1])
        products = Signal(32)
        halves: dict[str, Any] = {}
        for half in ("TOP", "BOT"):
            halves |= {
                f"p_{half}OUTPUT_SELECT": 1,  # the adder, registered
                f"p_{half}ADDSUB_LOWERINPUT": 1,  # the half's product
                f"p_{half}ADDSUB_UPPERINPUT": 1,  # C and D, which are zero
                f"i_ADDSUB{half}": sign,
                **{f"i_{name}{half}": 0 for name in ("OLOAD", "OHOLD", "IRST", "ORST")},
            }
        m.submodules.multiplier = Instance(
            "SB_MAC16",
            p_MODE_8x8=1,
            p_A_SIGNED=1,
            p_B_SIGNED=0,
            p_A_REG=1,
            p_B_REG=1,
            i_CLK=ClockSignal(),
            i_CE=1,
            i_A=self.word,
            i_B=Cat(magnitude, magnitude),
            i_C=Const(0, 16),
            i_D=Const(0, 16),
            i_CI=0,
            i_ACCUMCI=0,
            i_SIGNEXTIN=0,
            **{f"i_{name}HOLD": 0 for name in "ABCD"},
            **halves,
            o_O=products,
        )
        # Gates i and g are in a word's lower byte, f and o in its upper one.
        rows = products[:16].as_signed(), products[16:].as_signed()
        add_terms(m, self._mac, self, [Term(rows[row % 2]) for row in range(4)], self._mac.family)
        return m
