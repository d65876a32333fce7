"""MAC of kind `dsp` on iCE40 with narrow operands: one multiplier per lane, two 8-bit rows in it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring

from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.rtl.array.mac.sums import Term, add_terms
from lstmith.spec.config import DUAL_OPERAND_BITS, EngineConfig

#: Bits of an operand's magnitude, and with its sign: the difference of two 8-bit values.
MAGNITUDE_BITS, OPERAND_BITS = DUAL_OPERAND_BITS - 1, DUAL_OPERAND_BITS


def dual_operand(operand: Value) -> Value:
    """An operand as this MAC takes it: magnitude, and above it the sign. -256 is no difference of 8-bit values."""
    return Cat(Mux(operand[-1], -operand, operand)[:MAGNITUDE_BITS], operand[-1])


class DualMac(wiring.Component):
    """An SB_MAC16 as two 8 x 8 multipliers: signed weights, the operand's magnitude, and its sign at the adders behind.

    Throughput one weight word per cycle. Registers of the cell: both factors, and the products.

    Parameters
    ----------
    config : EngineConfig
        With ``dual_rows``.

    Members
    -------
    See :func:`mac_signature`; ``operand`` is that of :func:`dual_operand`.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(mac_signature(config))

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
        add_terms(m, self._config, self, [Term(rows[row % 2]) for row in range(4)])
        return m
